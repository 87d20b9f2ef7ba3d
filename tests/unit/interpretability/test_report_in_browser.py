"""The report as a browser shows it, on a machine without network."""

import re

from hyena_glt.interpretability import write_report


def text_of(dom):
    without = re.sub(r"<(script|style).*?</\1>", " ", dom, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", without).split())


def test_a_finished_run_shows_its_headline_and_no_error(browser, run_folder):
    dom, console = browser(write_report(run_folder()).as_uri())
    assert console == []
    text = text_of(dom)
    assert "On the test set the model's MCC is 0.812" in text
    assert "Test MCC 0.812 6-mer logistic regression 0.771 (+0.041)" in text
    assert dom.count("<svg") > 5


def test_a_crashed_run_shows_how_far_it_came_and_no_error(browser, run_folder):
    folder = run_folder()
    for name in ("metrics.json", "predictions.tsv", "examples.json"):
        (folder / name).unlink()
    log = (folder / "log.jsonl").read_text()
    (folder / "log.jsonl").write_text(log[: len(log) // 2])
    dom, console = browser(write_report(folder).as_uri())
    assert console == []
    text = text_of(dom)
    assert "This run has not finished. The last logged step is 150 (epoch 1.5)" in text
    assert "Validation MCC 0.6" in text


def test_a_pretraining_shows_its_bits_and_no_error(browser, pretraining_folder):
    dom, console = browser(write_report(pretraining_folder()).as_uri())
    assert console == []
    assert "Test bits per base 1.9254 interpolated Markov, order 12 1.9497 (" in text_of(dom)


def test_errors_of_a_page_are_seen_here(browser, tmp_path):
    """Else the tests above could not fail."""
    page = tmp_path / "broken.html"
    page.write_text(
        "<!doctype html><title>x</title><script>fetch('http://example.com/'); missing()</script>"
    )
    _, console = browser(page.as_uri(), "--virtual-time-budget=1000")
    assert any("missing is not defined" in line for line in console)
    assert any("Failed to fetch" in line for line in console)
