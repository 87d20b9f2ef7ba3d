import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.errors import DataError, OutputError
from hyena_glt.interpretability import write_report
from hyena_glt.training import TrainingMonitor

VOID = {"meta", "link", "br"}
INJECTION = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """A parsed page: its tags, attributes and text, and whether its elements close in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.crossed = [], [], [], []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data


def page_of(folder):
    path = write_report(folder)
    assert path == folder / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("single_label", ("other", "promoter")),
        ("single_label", ("none", "donor", "acceptor")),
        ("multi_label", ("H3K4me3", "H3K27ac", "CTCF")),
        ("regression", ()),
        ("token", ("exon", "intron")),
    ],
)
def test_every_task_gives_a_whole_page_that_loads_nothing(run_folder, task, labels):
    folder = run_folder(task, labels)
    page = page_of(folder)
    assert page.crossed == []
    assert page.open == []
    links = [value for name, value in page.attributes if name in {"src", "href", "action"}]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    html = (folder / "report.html").read_text()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", html)
    assert page.tags.count("script") == 1
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= {value for name, value in page.attributes if name == "id"}
    assert sorted(file.name for file in folder.iterdir() if "report" in file.name) == [
        "report.html"
    ]


def test_the_headline_stands_beside_the_baseline(run_folder):
    page = page_of(run_folder())
    text = " ".join(page.text.split())
    assert (
        "On the test set the model's MCC is 0.812, 0.041 above the 6-mer logistic regression "
        "(0.771)." in text
    )
    assert "6-mer logistic regression 0.917 (+0.041)" in text
    for figure in ("12.15 M", "12 min 34 s", "15.8×", "Strand: both.", "hyena-glt train --data"):
        assert figure in text
    assert "What this report could not show" not in text


def test_test_figures_stand_beside_their_intervals(run_folder):
    folder = run_folder()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert "95 % interval" not in write_report(folder).read_text()  # an older run has none
    metrics["evaluation"] = {"intervals": {"mcc": [0.7341, 0.8812], "auroc": [None, None]}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    html = write_report(folder).read_text()
    _, table = html.split("<caption>All metrics at the end of training</caption>")
    heads, mcc, *_ = re.findall(r"<tr>(.*?)</tr>", table)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in (heads, mcc)]
    assert cells == [
        ["Metric", "Validation", "Test", "95 % interval", "Test, 6-mer logistic regression"],
        ["MCC", "0.812", "0.812", "0.734 to 0.881", "0.771"],
    ]
    assert '<th scope="row">AUROC</th><td>0.958</td><td>0.958</td><td>–</td>' in table


def test_a_model_below_the_baseline_is_told_so(run_folder):
    folder = run_folder()
    baseline = {"name": "6-mer logistic regression", "test": {"mcc": 0.9}}
    edit_json(folder / "metrics.json", baseline=baseline)
    text = page_of(folder).text
    assert "0.088 below the 6-mer logistic regression (0.900). The model has not learned" in text
    edit_json(folder / "metrics.json", baseline=baseline | {"test": {"mcc": 0.812}})
    assert "the same as the 6-mer" in page_of(folder).text


def test_a_crashed_run_shows_what_there_is(run_folder):
    folder = run_folder()
    for name in ("metrics.json", "predictions.tsv", "examples.json"):
        (folder / name).unlink()
    log = (folder / "log.jsonl").read_text()
    half = log[: len(log) // 2]
    (folder / "log.jsonl").write_text(half)
    last = [json.loads(line) for line in half.splitlines()[:-1] if '"event": "step"' in line][-1]
    page = page_of(folder)
    text = " ".join(page.text.split())
    assert "This run has not finished. The last logged step is " in text
    assert f"{last['step']} (epoch {last['epoch']:.3g})" in text
    assert "is cut off; it was left out" in text
    assert all(f"{name} is missing." in text for name in ("metrics.json", "predictions.tsv"))
    assert "Validation metrics" in text
    assert "#test" not in [value for _, value in page.attributes]


def test_a_run_that_died_at_once_has_a_page(run_folder):
    folder = run_folder()
    for file in folder.iterdir():
        file.unlink()
    (folder / "config.yaml").write_text("")
    (folder / "log.jsonl").write_text("")
    assert "No training step was logged." in page_of(folder).text


def test_markup_in_user_strings_is_only_text(run_folder, example, predictions_table):
    folder = run_folder()
    clean = page_of(folder)
    labels = ["other", INJECTION]
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"command": INJECTION, "model": {INJECTION: INJECTION}, INJECTION: 1})
    )
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"event": "note", "message": INJECTION}) + "\n")
    (folder / "predictions.tsv").write_text(predictions_table("single_label", labels))
    edit_json(
        folder / "metrics.json",
        labels=labels,
        test={"mcc": 0.8, INJECTION: 0.5},
        baseline={"name": INJECTION, "test": {"mcc": 0.7}},
        strand={"strand": INJECTION, "reason": INJECTION},
    )
    shown = example(INJECTION) | {"label": INJECTION, "prediction": INJECTION}
    edit_json(
        folder / "examples.json",
        attribution_method=INJECTION,
        patch_length_histogram={"unit": INJECTION, "counts": {"3": 5}},
        examples=[shown, example("odd") | {"sequence": INJECTION, "patch_starts": [0, 9]}],
    )
    page = page_of(folder)
    assert page.crossed == []
    assert page.open == []
    assert page.tags.count("script") == clean.tags.count("script") == 1
    assert "img" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.text.count(INJECTION) >= 6


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(text=st.text(st.characters(), min_size=1, max_size=20))
def test_any_letters_keep_the_page_whole(run_folder, example, text):
    folder = run_folder()
    edit_json(
        folder / "examples.json",
        examples=[example(text) | {"sequence": text, "label": text, "attribution": []}],
        attribution_method=text,
    )
    page = page_of(folder)
    assert page.crossed == []
    assert page.open == []
    assert page.tags.count("script") == 1


def test_a_letter_without_utf_8_form_is_replaced(run_folder):
    folder = run_folder()
    (folder / "config.yaml").write_text('model: {name: "odd \\ud800 name"}')
    assert "odd ? name" in page_of(folder).text


def test_the_policy_of_the_page_allows_only_its_own_script(run_folder):
    import base64
    import hashlib

    html = (write_report(run_folder())).read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


def test_a_large_run_stays_below_a_megabyte(run_folder, example, predictions_table):
    labels = [f"transcription factor {index}" for index in range(40)]
    folder = run_folder("single_label", labels)
    event = (folder / "log.jsonl").read_text().splitlines()[1]
    lines = (event.replace('"step": 1,', f'"step": {step},') for step in range(1, 30_001))
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "predictions.tsv").write_text(predictions_table("single_label", labels, size=4000))
    edit_json(
        folder / "examples.json",
        examples=[example(f"chr{index}", 3000, seed=index) for index in range(30)],
    )
    page = write_report(folder)
    assert page.stat().st_size < 1_000_000
    assert "30 examples were saved; the first 12 are shown." in page.read_text()


def test_writing_twice_gives_the_same_page(run_folder):
    folder = run_folder()
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_a_loop_of_ones_own_has_a_page(tmp_path):
    with TrainingMonitor(tmp_path, tensorboard=False, progress=False) as monitor:
        for epoch in range(1, 4):
            monitor.log_metrics({"loss": 1 / epoch}, {"loss": 1.1 / epoch, "mcc": 0.2 * epoch})
    page = write_report(tmp_path).read_text()
    assert "has not finished" not in page
    assert "is missing" not in page
    assert "0.600" in page
    assert "Validation metrics" in page


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no log\.jsonl, so it is not a training run"):
        write_report(tmp_path)
    with pytest.raises(DataError, match=r"nowhere: holds no log\.jsonl"):
        write_report(tmp_path / "nowhere")


def test_a_page_that_cannot_be_written_leaves_nothing_behind(run_folder):
    folder = run_folder()
    (folder / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(folder)
    assert [file.name for file in folder.iterdir() if file.name.startswith(".")] == []


def test_the_package_loads_its_names_late():
    code = (
        "import sys, hyena_glt.interpretability as package\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'jinja2', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert set(package.__all__) <= set(dir(package))\n"
        "assert callable(package.write_report)\n"
        "assert not {'torch', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "try:\n"
        "    package.nothing\n"
        "except AttributeError:\n"
        "    print('late')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "late\n", run.stderr


def test_several_tasks_have_a_row_for_each_figure(multi_task_folder):
    folder = multi_task_folder()
    text = page_of(folder).text
    assert "One model, 2 tasks" in text
    assert "tf_0MCC0.6100.550+0.060" in text
    assert "tf_1MCC0.7100.550+0.160" in text
    assert "Validation metrics of tf_1" in text
    assert "What this report could not show" not in text


def test_only_a_watched_page_reloads_itself(run_folder):
    folder = run_folder()
    watched = Page(write_report(folder, refresh=10).read_text())
    assert ("http-equiv", "refresh") in watched.attributes
    assert ("http-equiv", "refresh") not in page_of(folder).attributes
