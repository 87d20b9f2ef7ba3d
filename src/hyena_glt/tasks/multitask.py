"""Several tasks of one model: what each predicts, and how much its loss weighs."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from hyena_glt.errors import ConfigError
from hyena_glt.tasks.losses import MULTI_LABEL, REGRESSION, SINGLE_LABEL

TaskKind = Literal["classification", "multi_label", "regression", "token_classification"]
TaskWeighting = Literal["fixed", "uncertainty"]

PROBLEM_TYPES: dict[str, str] = {
    "classification": SINGLE_LABEL,
    "multi_label": MULTI_LABEL,
    "regression": REGRESSION,
}
"""Problem type, in the words of Hugging Face, of the tasks of whole sequences."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class TaskSpec(NamedTuple):
    """One task of a model.

    Attributes:
        task: Kind of the prediction.
        num_labels: Classes, labels or values.
        label_names: Of the classes or labels, in the order of their numbers; empty for values.
        molecule: What the letters are: ``dna``, ``rna`` or ``protein``.
        reverse_complement: ``average``: predictions are averaged over both strands.
        weight: Factor of its loss.
    """

    task: TaskKind
    num_labels: int
    label_names: tuple[str, ...] = ()
    molecule: Literal["dna", "rna", "protein"] = "dna"
    reverse_complement: Literal["none", "average"] = "none"
    weight: float = 1.0


def task_specs(tasks: Mapping[str, Any] | None) -> dict[str, TaskSpec]:
    """Check the tasks of a configuration.

    Args:
        tasks: Fields of :class:`TaskSpec` by name of the task.

    Returns:
        The tasks in alphabetical order: a saved configuration knows no other.

    Raises:
        ConfigError: Names the task, the field, its value and the rule.

    Example:
        >>> task_specs({"tata": {"task": "classification", "num_labels": 2}})["tata"].weight
        1.0
    """
    if not tasks:
        raise ConfigError("tasks must hold at least one task")
    specs = {name: _spec(name, fields) for name, fields in tasks.items()}
    return {name: specs[name] for name in sorted(specs)}


def known_task(name: str, names: Mapping[str, object]) -> str:
    """Check that a model has a task.

    Args:
        name: Of the task.
        names: Those that the model has.

    Raises:
        ConfigError: If it does not; gives the nearest name, and all.
    """
    if name in names:
        return name
    near = difflib.get_close_matches(name, list(names), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"the model has no task {name!r}{hint} (its tasks: {', '.join(names)})")


def check_task_name(name: str) -> None:
    """Refuse a name that could not stand in the names of weights and files.

    Args:
        name: Of a task.

    Raises:
        ConfigError: If it holds more than letters, digits, ``-`` and ``_``.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"tasks: the name {name!r} must be made of letters, digits, - and _, and begin with a "
            "letter or digit"
        )


def _spec(name: str, fields: Any) -> TaskSpec:
    check_task_name(name)
    if not isinstance(fields, Mapping):
        raise ConfigError(f"tasks.{name} must hold fields, got {fields!r}")
    for field in fields:
        if field not in TaskSpec._fields:
            near = difflib.get_close_matches(str(field), TaskSpec._fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"tasks.{name} has no field {field!r}{hint}")
    for field in ("task", "num_labels"):
        if field not in fields:
            raise ConfigError(f"tasks.{name} lacks {field}")
    spec = TaskSpec(**{**fields, "label_names": tuple(fields.get("label_names", ()))})
    choices = {
        "task": get_args(TaskKind),
        "molecule": ("dna", "rna", "protein"),
        "reverse_complement": ("none", "average"),
    }
    for field, allowed in choices.items():
        value = getattr(spec, field)
        if value not in allowed:
            raise ConfigError(
                f"tasks.{name}.{field} must be one of {', '.join(allowed)}, got {value!r}"
            )
    count = spec.num_labels
    least = 2 if spec.task in {"classification", "token_classification"} else 1
    if not isinstance(count, int) or count < least:
        raise ConfigError(f"tasks.{name}.num_labels must be at least {least}, got {count!r}")
    if spec.label_names and len(spec.label_names) != count:
        raise ConfigError(
            f"tasks.{name}.label_names has {len(spec.label_names)} names for {count} labels"
        )
    if isinstance(spec.weight, bool) or not isinstance(spec.weight, int | float):
        raise ConfigError(f"tasks.{name}.weight must be a number, got {spec.weight!r}")
    if not 0 < spec.weight < float("inf"):
        raise ConfigError(f"tasks.{name}.weight must be above 0 and finite, got {spec.weight}")
    return spec


class TaskWeights(nn.Module):
    """Weights of the losses of several tasks: given, or learned with the model.

    Learned weights are those of homoscedastic uncertainty: each task has a noise σ², and its loss L
    becomes ``L / σ² + log σ`` (``L / 2σ² + log σ`` for squared errors), so that tasks whose loss
    stays high weigh less.  Given weights multiply learned ones.

    Args:
        tasks: The tasks, in alphabetical order.
        weighting: ``fixed`` or ``uncertainty``.

    Raises:
        ConfigError: If there is no such weighting.

    Source: Kendall, Gal and Cipolla 2018, arXiv:1705.07115, equations 7 to 10.
    """

    def __init__(self, tasks: Mapping[str, TaskSpec], weighting: str) -> None:
        super().__init__()
        if weighting not in get_args(TaskWeighting):
            raise ConfigError(f"task_weighting must be fixed or uncertainty, got {weighting!r}")
        self.tasks = dict(tasks)
        self.log_variances = (
            nn.Parameter(torch.zeros(len(tasks))) if weighting == "uncertainty" else None
        )

    def forward(self, loss: Tensor, task: str) -> Tensor:
        """Weigh a loss.

        Args:
            loss: Of a batch of one task.
            task: Its name.

        Returns:
            What is minimised.
        """
        weighted = self.factor(task).to(loss.dtype) * loss
        if self.log_variances is None:
            return weighted
        log_variance = self.log_variances[list(self.tasks).index(task)].to(loss.dtype)
        return weighted + 0.5 * self.tasks[task].weight * log_variance

    def factor(self, task: str) -> Tensor:
        """What the loss of a task is multiplied by.

        Args:
            task: Its name.
        """
        spec = self.tasks[task]
        if self.log_variances is None:
            return torch.tensor(spec.weight, dtype=torch.float64)
        kind = 0.5 if spec.task == "regression" else 1.0
        log_variance = self.log_variances[list(self.tasks).index(task)]
        return spec.weight * kind * torch.exp(-log_variance)

    def factors(self) -> dict[str, float]:
        """What each task's loss is multiplied by now."""
        return {name: float(self.factor(name).detach()) for name in self.tasks}
