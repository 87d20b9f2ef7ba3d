import json
import math
import resource

import pytest

from hyena_glt.errors import OutputError
from hyena_glt.training.run_log import RunLog, finite


def test_events_are_on_disk_as_they_happen(tmp_path):
    path = tmp_path / "log.jsonl"
    with RunLog(path) as log:
        log.write("step", step=1, loss=0.5)
        first = path.read_text().splitlines()
        log.write("note", message="naïve")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(first) == 1
    assert [line["event"] for line in lines] == ["step", "note"]
    assert lines[0]["step"] == 1
    assert lines[1]["message"] == "naïve"
    assert lines == log.events
    assert 0 <= lines[0]["seconds"] <= lines[1]["seconds"]


def test_a_log_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "log.jsonl"
    for message in ("one", "two"):
        with RunLog(path) as log:
            log.write("note", message=message)
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == ["one", "two"]


def test_without_a_path_events_stay_in_memory():
    log = RunLog()
    log.write("evaluation", split="test", metrics={"mcc": 0.5})
    assert log.events[0]["metrics"] == {"mcc": 0.5}


def test_what_json_cannot_hold_is_null(tmp_path):
    path = tmp_path / "log.jsonl"
    with RunLog(path) as log:
        log.write("evaluation", loss=math.nan, metrics={"auroc": math.inf, "mcc": 0.25})
    line = path.read_text()
    assert "NaN" not in line
    assert "Infinity" not in line
    assert json.loads(line)["metrics"] == {"auroc": None, "mcc": 0.25}
    assert json.loads(line)["loss"] is None


def test_an_error_closes_the_file(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    with pytest.raises(RuntimeError), log:
        raise RuntimeError
    with pytest.raises(ValueError, match="closed"):
        log.write("note")


def test_finite_reaches_every_depth_and_leaves_the_rest():
    nested = {"a": [1, (math.inf, {"b": -math.inf})], "c": "nan", "d": None, "e": True}
    assert finite(nested) == {"a": [1, [None, {"b": None}]], "c": "nan", "d": None, "e": True}
    assert nested["a"][1][0] == math.inf  # type: ignore[index]


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_resumed_training_forgets_what_it_will_do_again(tmp_path, on_disk):
    path = tmp_path / "log.jsonl" if on_disk else None
    with RunLog(path) as log:
        log.write("note", message="before")
        for step in (1, 2, 3):
            log.write("step", step=step)
        log.write("evaluation", split="validation", step=2)
        if path is not None:
            path.write_text(path.read_text() + '{"event": "st')
        log.go_back(2, 100.0)
        log.write("step", step=3, loss=0.5)
    kept = [event.get("step") for event in log.events]
    assert kept == [None, 1, 2, 2, 3]
    assert log.events[-1]["loss"] == 0.5
    assert 100 <= log.events[-1]["seconds"] < 110
    if path is not None:
        assert [json.loads(line) for line in path.read_text().splitlines()] == log.events


def test_the_clock_goes_on_from_the_last_event_that_is_kept(tmp_path):
    path = tmp_path / "log.jsonl"
    events = [{"event": "step", "step": step, "seconds": 50.0 * step} for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    with RunLog(path) as log:
        log.go_back(2)
        log.write("step", step=3)
    assert 100 <= log.events[-1]["seconds"] < 110


def test_a_training_that_is_over_is_tested_again_and_noted_once(tmp_path):
    path = tmp_path / "log.jsonl"
    with RunLog(path) as log:
        log.write("note", message="strand")
        log.write("step", step=1)
        log.write("note", message="between")
        log.write("step", step=2)
        log.write("evaluation", split="validation", step=2)
        kept = list(log.events)
        log.write("note", message="best epoch: 1")
        log.write("evaluation", split="test", step=2)
    with RunLog(path) as log:
        assert log.events[:5] == kept
        assert log.has_note("strand")
        assert not log.has_note("start")
        log.go_back(2)
        assert log.events == kept
        log.go_back(0)
        assert [event["event"] for event in log.events] == ["note"]
    assert len(path.read_text().splitlines()) == 1


def test_a_full_disk_is_told_in_one_line(tmp_path):
    path = tmp_path / "log.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RunLog(path) as log:
        log.write("note", message="short")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            with pytest.raises(OutputError, match=r"log\.jsonl: cannot be written"):
                log.write("note", message="long" * 100)
            log.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with RunLog(path) as log:
        assert [event["message"] for event in log.events] == ["short"]
