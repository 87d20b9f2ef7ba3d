"""Experiment trackers that are told how a training goes: Weights & Biases, trackio, MLflow.

Their packages are no dependencies of this one; each is imported when its callback is made, so that
a missing one is found before the training starts.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError
from hyena_glt.training.callbacks import Callback, Status, evaluation_scalars, step_scalars
from hyena_glt.training.step import StepFigures

_MLFLOW_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class _Tracker(Callback):
    """What the trackers share: names, and steps left out.

    Args:
        package: Name of the package.
        every: Steps between two that are sent; evaluations always are.
    """

    def __init__(self, package: str, every: int) -> None:
        if every < 1:
            raise ConfigError(f"{type(self).__name__}: every must be at least 1 step, got {every}")
        try:
            self._package: Any = importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:  # it is there, and lacks something itself
                raise
            raise ConfigError(
                f"{type(self).__name__} needs the package {package}, which is not installed: "
                f"pip install {package}"
            ) from None
        self._every = every

    def on_step(self, step: int, figures: StepFigures) -> None:
        """Send the figures of a step, if it is its turn.

        Args:
            step: Its number, from 1.
            figures: What it showed.
        """
        if step % self._every == 0:
            self._send(step_scalars(figures), step)

    def on_evaluation(
        self, split: str, epoch: float, step: int, loss: float, metrics: Mapping[str, float]
    ) -> None:
        """Send the figures of an evaluation.

        Args:
            split: ``validation`` or ``test``.
            epoch: Passes over the training data so far.
            step: Steps so far.
            loss: Mean loss.
            metrics: By name.
        """
        self._send({"epoch": epoch, **evaluation_scalars(split, loss, metrics)}, step)

    def _send(self, scalars: Mapping[str, float], step: int) -> None:
        raise NotImplementedError


class WandbCallback(_Tracker):
    """Send figures to Weights & Biases.

    Args:
        project: Its name there.
        every: Steps between two that are sent.
        config: Settings to be shown with the run.
        **options: Of ``wandb.init``, such as ``name``, ``mode="offline"``, ``id`` and ``resume``.

    Raises:
        ConfigError: If the package ``wandb`` is missing.
    """

    def __init__(
        self,
        project: str,
        *,
        every: int = 10,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__("wandb", every)
        self._options = {"project": project, "config": dict(config or {}), **options}
        self._run: Any = None

    def on_start(
        self, total_steps: int, step: int = 0, model: PreTrainedModel | None = None
    ) -> None:
        """Begin a run there.

        Args:
            total_steps: Steps of the whole training.
            step: Steps that were taken before.
            model: What is trained.
        """
        self._run = self._package.init(**self._options)

    def on_end(self, status: Status) -> None:
        """End the run there.

        Args:
            status: How the training ended.
        """
        if self._run is not None:
            self._run.finish(exit_code=0 if status == "finished" else 1)
            self._run = None

    def _send(self, scalars: Mapping[str, float], step: int) -> None:
        self._run.log(dict(scalars), step=step)


class TrackioCallback(_Tracker):
    """Write figures to trackio, which keeps them on this machine.

    Args:
        project: Its name there.
        every: Steps between two that are written.
        config: Settings to be shown with the run.
        **options: Of ``trackio.init``, such as ``name``.

    Raises:
        ConfigError: If the package ``trackio`` is missing.
    """

    def __init__(
        self,
        project: str,
        *,
        every: int = 10,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__("trackio", every)
        self._options = {"project": project, "config": dict(config or {}), **options}

    def on_start(
        self, total_steps: int, step: int = 0, model: PreTrainedModel | None = None
    ) -> None:
        """Begin a run there.

        Args:
            total_steps: Steps of the whole training.
            step: Steps that were taken before.
            model: What is trained.
        """
        self._package.init(**self._options)

    def on_end(self, status: Status) -> None:
        """End the run there.

        Args:
            status: How the training ended.
        """
        self._package.finish()

    def _send(self, scalars: Mapping[str, float], step: int) -> None:
        self._package.log(dict(scalars), step=step)


class MlflowCallback(_Tracker):
    """Send figures to MLflow, wherever ``MLFLOW_TRACKING_URI`` points.

    Args:
        experiment: Its name there.
        every: Steps between two that are sent.
        config: Settings to be shown with the run.
        **options: Of ``mlflow.start_run``, such as ``run_name`` and ``run_id``.

    Raises:
        ConfigError: If the package ``mlflow`` is missing.
    """

    def __init__(
        self,
        experiment: str,
        *,
        every: int = 10,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__("mlflow", every)
        self._experiment = experiment
        self._config = dict(config or {})
        self._options = options

    def on_start(
        self, total_steps: int, step: int = 0, model: PreTrainedModel | None = None
    ) -> None:
        """Begin a run there.

        Args:
            total_steps: Steps of the whole training.
            step: Steps that were taken before.
            model: What is trained.
        """
        self._package.set_experiment(self._experiment)
        self._package.start_run(**self._options)
        if self._config and step == 0:
            self._package.log_params(self._config)

    def on_end(self, status: Status) -> None:
        """End the run there.

        Args:
            status: How the training ended.
        """
        self._package.end_run(status=_MLFLOW_STATUS[status])

    def _send(self, scalars: Mapping[str, float], step: int) -> None:
        self._package.log_metrics(dict(scalars), step=step)
