"""The whole state of a training on disk, from which a run that died goes on as if it had not.

One safetensors file per checkpoint, and the numbers in its header: no pickle.  A file appears only
when it is whole; the newest few are kept.  What is random in a step is a function of its number, so
there is no random state to be saved.  Tensors are whole, however many processes trained them.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.io.atomic import atomic_write
from hyena_glt.training.optimization import WeightAverage
from hyena_glt.training.shards import like, local, whole

_KEPT = 2
_NUMBERS = "training"


class Best(NamedTuple):
    """The best weights so far.

    Attributes:
        step: Step after which they were evaluated, from 1; 0 if nothing was.
        score: What makes them the best; larger is better, the first number that differs decides.
        loss: Of that evaluation.
        metrics: Of that evaluation.
        state: Weights and buffers by name.
    """

    step: int
    score: tuple[float, ...]
    loss: float
    metrics: dict[str, float]
    state: dict[str, Tensor]


class Checkpoint(NamedTuple):
    """Where a training stands, besides what lies in model, optimiser and average.

    Attributes:
        step: Steps taken.
        seconds: Time they took.
        best: The best weights so far.
        data: What tells the data of the training from others.
    """

    step: int
    seconds: float
    best: Best
    data: str = ""


class Moved(NamedTuple):
    """What a training moves, and a checkpoint holds.

    Attributes:
        model: In training; perhaps in shards.
        optimizer: Of the model.
        average: Of the model's weights; None if there is none.
        scaler: Of the loss; None if there is none.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None = None
    scaler: torch.amp.GradScaler | None = None


def save_checkpoint(
    folder: Path, checkpoint: Checkpoint, moved: Moved, *, kept: int = _KEPT, writes: bool = True
) -> Path:
    """Write a checkpoint, and remove all but the newest few up to this one.

    Args:
        folder: Where; made if needed.
        checkpoint: Where the training stands.
        moved: What it moves.
        kept: How many checkpoints stay.
        writes: False in all processes but one; all have to call this.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    best, average = checkpoint.best, moved.average
    tensors = {
        **_under("model", moved.model.state_dict()),
        **_under("best", best.state),
        **{
            f"optimizer.{name}.{key}": value
            for name, parameter in moved.model.named_parameters()
            for key, value in moved.optimizer.state.get(parameter, {}).items()
        },
    }
    numbers: dict[str, Any] = {
        "step": checkpoint.step, "seconds": checkpoint.seconds, "data": checkpoint.data,
        "best": best._replace(state={}),
    }  # fmt: skip
    if average is not None:
        tensors |= _under("average", average.average)
        numbers["average_steps"] = average.steps
    if moved.scaler is not None:
        numbers["scaler"] = moved.scaler.state_dict()
    path = folder / f"step-{checkpoint.step:09d}.safetensors"
    gathered = {}
    for name, value in tensors.items():
        piece = whole(value.detach())
        if writes:
            gathered[name] = piece.contiguous()
    if writes:
        with atomic_write(path) as unfinished, _disk_errors(path):
            save_file(gathered, unfinished, metadata={_NUMBERS: json.dumps(numbers)})
        for old in _files(folder):
            if old > path:  # damaged: the training went on from one before it
                old.unlink()
        for old in _files(folder)[:-kept]:
            old.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """Find the newest whole checkpoint.

    Args:
        folder: Where checkpoints are; may be missing.

    Returns:
        Its file; None if there is none.
    """
    return next((path for path in reversed(_files(folder)) if _is_whole(path)), None)


def load_checkpoint(path: Path, moved: Moved, *, data: str = "") -> Checkpoint:
    """Bring a training back to where it was.

    Args:
        path: File of the checkpoint.
        moved: Made by the same settings; any number of processes may share it, and all have to
            call this.
        data: What tells the data from others.

    Raises:
        DataError: If the checkpoint was made with other data.
        ConfigError: If it is of another model or optimiser.
    """
    with safe_open(path, framework="pt") as file:
        numbers = json.loads(file.metadata()[_NUMBERS])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    if numbers["data"] != data:
        raise DataError(
            f"the training was on other data: {numbers['data']}; now there are {data}", path=path
        )
    own = moved.model.state_dict()
    saved = _part(tensors, "model")
    _check_same_model(path, saved, own)
    moved.model.load_state_dict({name: like(value, own[name]) for name, value in saved.items()})
    states: dict[str, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer").items():
        owner, _, key = name.rpartition(".")
        states.setdefault(owner, {})[key] = value
    for name, parameter in moved.model.named_parameters():
        if name in states:
            moved.optimizer.state[parameter] = {
                key: _placed(value, parameter) for key, value in states[name].items()
            }
    average = moved.average
    if average is not None:
        average.steps = numbers["average_steps"]
        for name, value in _part(tensors, "average").items():
            local(average.average[name]).copy_(local(like(value, average.average[name])))
    if moved.scaler is not None and "scaler" in numbers:
        moved.scaler.load_state_dict(numbers["scaler"])
    step, score, loss, metrics, _ = numbers["best"]
    best = Best(step, tuple(score), loss, metrics, _part(tensors, "best"))
    return Checkpoint(numbers["step"], numbers["seconds"], best, numbers["data"])


def _placed(value: Tensor, parameter: Tensor) -> Tensor:
    """A state of the optimiser where its parameter is, in shards if that is."""
    if value.shape == parameter.shape:
        return like(value, parameter).to(local(parameter).device)
    return value.to(local(parameter).device)


def _check_same_model(path: Path, saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    for name in sorted(saved.keys() | own.keys()):
        shapes = [tuple(part[name].shape) if name in part else None for part in (saved, own)]
        if shapes[0] != shapes[1]:
            there, here = ("none" if shape is None else str(shape) for shape in shapes)
            raise ConfigError(
                f"{path}: the checkpoint is of another model: {name} has shape {there} there and "
                f"{here} here"
            )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Say a full disk in the words of the other files; safetensors has an error of its own."""
    try:
        yield
    except SafetensorError as error:
        raise OutputError(f"{path}: cannot be written ({error})") from error


def _files(folder: Path) -> list[Path]:
    """All checkpoints, oldest first: the names sort by step."""
    return sorted(folder.glob("step-*.safetensors"))


def _is_whole(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return _NUMBERS in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
