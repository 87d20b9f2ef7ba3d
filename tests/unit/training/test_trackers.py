import sys
from types import ModuleType

import pytest

from hyena_glt.errors import ConfigError
from hyena_glt.training.step import StepFigures
from hyena_glt.training.trackers import MlflowCallback, TrackioCallback, WandbCallback

FIGURES = StepFigures(0.5, 1e-3, float("inf"), 4.0, 640)


class Recorder:
    """Stands in for a tracker's module and its run: notes every call."""

    def __init__(self, calls):
        self.calls = calls

    def __getattr__(self, name):
        def call(*args, **options):
            self.calls.append((name, args, options))
            return Recorder(self.calls)

        return call


@pytest.fixture
def calls(monkeypatch):
    noted = []
    for name in ("wandb", "trackio", "mlflow"):
        module = ModuleType(name)
        module.__getattr__ = Recorder(noted).__getattr__
        monkeypatch.setitem(sys.modules, name, module)
    return noted


def train(callback, status="finished"):
    callback.on_start(4, 0, None)
    for step in range(1, 5):
        callback.on_step(step, FIGURES)
    callback.on_evaluation("validation", 1.0, 4, 0.25, {"mcc": 0.5, "auroc": float("nan")})
    callback.on_end(status)


STEP = {"loss/train": 0.5, "training/learning_rate": 1e-3, "training/compression_ratio": 4.0}
SCORES = {"epoch": 1.0, "loss/validation": 0.25, "validation/mcc": 0.5}


def test_wandb_gets_every_second_step_and_all_evaluations(calls):
    train(WandbCallback("promoters", every=2, config={"seed": 1}, mode="offline"))
    assert calls == [
        ("init", (), {"project": "promoters", "config": {"seed": 1}, "mode": "offline"}),
        ("log", (STEP,), {"step": 2}),
        ("log", (STEP,), {"step": 4}),
        ("log", (SCORES,), {"step": 4}),
        ("finish", (), {"exit_code": 0}),
    ]


def test_trackio_likewise(calls):
    train(TrackioCallback("promoters", every=4, name="first"))
    assert calls == [
        ("init", (), {"project": "promoters", "config": {}, "name": "first"}),
        ("log", (STEP,), {"step": 4}),
        ("log", (SCORES,), {"step": 4}),
        ("finish", (), {}),
    ]


def test_mlflow_likewise(calls):
    train(MlflowCallback("promoters", every=4, config={"seed": 1}, run_name="first"))
    assert calls == [
        ("set_experiment", ("promoters",), {}),
        ("start_run", (), {"run_name": "first"}),
        ("log_params", ({"seed": 1},), {}),
        ("log_metrics", (STEP,), {"step": 4}),
        ("log_metrics", (SCORES,), {"step": 4}),
        ("end_run", (), {"status": "FINISHED"}),
    ]


def test_a_training_that_fails_is_said_to_have_failed(calls):
    train(WandbCallback("promoters"), "failed")
    assert calls[-1] == ("finish", (), {"exit_code": 1})
    train(MlflowCallback("promoters"), "stopped")
    assert calls[-1] == ("end_run", (), {"status": "KILLED"})


@pytest.mark.parametrize(
    ("kind", "package"),
    [(WandbCallback, "wandb"), (TrackioCallback, "trackio"), (MlflowCallback, "mlflow")],
)
def test_a_missing_package_is_named_before_the_training(monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    wanted = rf"{kind.__name__} needs the package {package}, .* pip install {package}"
    with pytest.raises(ConfigError, match=wanted):
        kind("promoters")


def test_a_package_that_lacks_something_itself_says_so(monkeypatch, tmp_path):
    (tmp_path / "trackio.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        TrackioCallback("promoters")


def test_no_step_at_all_cannot_be_asked_for(calls):
    with pytest.raises(ConfigError, match="every must be at least 1 step, got 0"):
        WandbCallback("promoters", every=0)
