import json
import re

import pytest
from typer.testing import CliRunner

from hyena_glt.cli import report
from hyena_glt.cli.main import app
from hyena_glt.cli.report import run_report
from hyena_glt.errors import DataError

STEP = {"event": "step", "step": 1, "loss": 0.7, "seconds": 1.0}


@pytest.fixture
def running(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("command: hyena-glt train\n")
    (folder / "log.jsonl").write_text(json.dumps(STEP) + "\n")
    return folder


def test_the_report_of_a_running_run_says_how_far_it_is(running):
    result = CliRunner().invoke(app, ["report", str(running)])
    assert result.exit_code == 0
    page = (running / "report.html").read_text()
    assert "This run has not finished." in page
    assert 'http-equiv="refresh"' not in page
    assert "report.html" in re.sub(r"\s", "", result.output)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no log\.jsonl, so it is not a training run"):
        run_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_watching_follows_the_run_to_its_end(running, monkeypatch):
    pages = []

    def sleep(seconds):
        pages.append((running / "report.html").read_text())
        if len(pages) == 1:
            with (running / "log.jsonl").open("a") as log:
                log.write(json.dumps(STEP | {"step": 2}) + "\n")
        else:
            (running / "metrics.json").write_text('{"task": "regression", "test": {"r2": 0.5}}')

    monkeypatch.setattr(report.time, "sleep", sleep)
    run_report(running, watch=True)
    assert all('http-equiv="refresh" content="10"' in page for page in pages)
    assert "last logged step is 1," in pages[0]
    assert "last logged step is 2," in pages[1]
    last = (running / "report.html").read_text()
    assert 'http-equiv="refresh"' not in last
    assert "Test R²" in last


def test_the_last_page_of_a_watch_that_is_stopped_does_not_reload(running, monkeypatch):
    def sleep(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(report.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run_report(running, watch=True)
    assert 'http-equiv="refresh"' not in (running / "report.html").read_text()
