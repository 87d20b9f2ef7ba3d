import json
import time

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyena_glt.training import throughput
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.monitor import TrainingMonitor
from hyena_glt.training.step import StepFigures
from hyena_glt.training.throughput import Throughput

FIGURES = StepFigures(0.5, 1e-3, 0.7, 4.0, 640)


class Witness(Callback):
    def __init__(self):
        self.heard = []

    def on_start(self, total_steps, step=0, model=None):
        self.heard.append(("start", total_steps, step))

    def on_end(self, status):
        self.heard.append(("end", status))


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_steps_and_evaluations_are_logged_drawn_and_shown(tmp_path, capsys):
    witness = Witness()
    with TrainingMonitor(tmp_path / "run", callbacks=[witness]) as monitor:
        monitor.on_start(2)
        monitor.on_step(1, FIGURES)
        monitor.on_step(2, FIGURES)
        monitor.on_evaluation("validation", 1.0, 2, 0.25, {"mcc": 0.5})
    steps = lines(tmp_path / "run")
    assert [event["event"] for event in steps] == ["step", "step", "evaluation"]
    assert steps[0]["tokens"] == 640
    assert steps[2]["metrics"] == {"mcc": 0.5}
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("loss/train")] == [1, 2]
    assert capsys.readouterr().err == "epoch     1  validation loss 0.2500  mcc 0.5000\n"
    assert witness.heard == [("start", 2, 0), ("end", "finished")]


def test_the_guides_loop_reports_once_an_epoch(tmp_path):
    monitor = TrainingMonitor(tmp_path, progress=False)
    for loss in (0.7, 0.5):
        monitor.log_metrics({"loss": loss}, {"loss": loss + 0.1, "mcc": 1 - loss})
    monitor.on_end("finished")
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    points = {
        tag: [(event.step, pytest.approx(event.value)) for event in found.Scalars(tag)]
        for tag in ("loss/train", "loss/validation", "validation/mcc")
    }
    assert points == {
        "loss/train": [(1, 0.7), (2, 0.5)],
        "loss/validation": [(1, 0.8), (2, 0.6)],
        "validation/mcc": [(1, 0.3), (2, 0.5)],
    }
    assert [event["epoch"] for event in lines(tmp_path)] == [1, 1, 2, 2]


def test_a_training_that_goes_on_is_told_once(tmp_path):
    first = TrainingMonitor(tmp_path, progress=False)
    first.on_start(4)
    for step in (1, 2, 3):
        first.on_step(step, FIGURES._replace(loss=9.0))
    first.log.close()  # and no end: it was killed
    with TrainingMonitor(tmp_path, progress=False) as second:
        second.on_start(4, step=1)
        for step in (2, 3, 4):
            second.on_step(step, FIGURES)
    assert [(event["step"], event["loss"]) for event in lines(tmp_path)] == [
        (1, 9.0), (2, 0.5), (3, 0.5), (4, 0.5),
    ]  # fmt: skip
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("loss/train")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "finished"), (KeyboardInterrupt, "stopped"), (RuntimeError, "failed")],
)
def test_callbacks_hear_how_it_ended(error, status):
    witness = Witness()
    monitor = TrainingMonitor(progress=False, callbacks=[witness])
    if error is None:
        with monitor:
            pass
    else:
        with pytest.raises(error), monitor:
            raise error
    assert witness.heard == [("end", status)]


def test_without_tensorboard_there_is_only_the_log(tmp_path):
    with TrainingMonitor(tmp_path, tensorboard=False, progress=False) as monitor:
        monitor.on_step(1, FIGURES)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_time_between_steps_counts_and_that_of_evaluations_does_not(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 60.0, 61.0])
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: next(clock))
    speed = Throughput()
    assert speed.step(100) == 100
    assert speed.step(200) == 100
    speed.go_on()
    assert speed.step(500) == 200


def test_speed_is_unknown_where_nobody_counts():
    speed = Throughput()
    time.sleep(0.001)
    assert speed.step(0) != speed.step(0)
