"""The whole state of a training on disk, from which a run that died goes on as if it had not.

One safetensors file per checkpoint, and the numbers in its header: no pickle.  A file appears only
when it is whole; the two newest are kept.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hyena_glt.io.atomic import atomic_write
from hyena_glt.training.optimization import WeightAverage

_KEPT = 2
_NUMBERS = "training"


class Best(NamedTuple):
    """The best weights so far.

    Attributes:
        step: Step after which they were evaluated, from 1; 0 if nothing was.
        bits: Their score in bits; lower is better.
        state: Weights and buffers by name.
    """

    step: int
    bits: float
    state: dict[str, Tensor]


class Checkpoint(NamedTuple):
    """Where a training stands, besides what lies in model, optimiser and average.

    Attributes:
        step: Steps taken.
        seconds: Time they took.
        best: The best weights so far.
    """

    step: int
    seconds: float
    best: Best


def save_checkpoint(
    folder: Path,
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
) -> Path:
    """Write a checkpoint, and remove all but the newest two.

    Args:
        folder: Where; made if needed.
        checkpoint: Where the training stands.
        model: In training.
        optimizer: Of the model.
        average: Of the model's weights; None if there is none.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    best = checkpoint.best
    tensors = {
        "random": torch.get_rng_state(),
        **_under("model", model.state_dict()),
        **_under("best", best.state),
        **{
            f"optimizer.{number}.{name}": value
            for number, values in optimizer.state_dict()["state"].items()
            for name, value in values.items()
        },
    }
    if torch.cuda.is_available():
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    numbers: dict[str, Any] = {
        "step": checkpoint.step, "seconds": checkpoint.seconds,
        "best_step": best.step, "best_bits": best.bits,
    }  # fmt: skip
    if average is not None:
        tensors |= {f"average.{number}": value for number, value in enumerate(average.average)}
        numbers["average_steps"] = average.steps
    path = folder / f"step-{checkpoint.step:09d}.safetensors"
    with atomic_write(path) as unfinished:
        whole = {name: value.detach().contiguous() for name, value in tensors.items()}
        save_file(whole, unfinished, metadata={_NUMBERS: json.dumps(numbers)})
    for old in _files(folder)[:-_KEPT]:
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


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
) -> Checkpoint:
    """Bring model, optimiser, average and torch's random state back to where they were.

    Args:
        path: File of the checkpoint.
        model: Made by the same settings.
        optimizer: Of the model.
        average: Of the model's weights; None if there was none.
    """
    with safe_open(path, framework="pt") as file:
        numbers = json.loads(file.metadata()[_NUMBERS])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    model.load_state_dict(_part(tensors, "model"))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer").items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    if average is not None:
        average.steps = numbers["average_steps"]
        for number, value in _part(tensors, "average").items():
            average.average[int(number)].copy_(value)
    torch.set_rng_state(tensors["random"])
    if "random_cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random_cuda"])
    best = Best(numbers["best_step"], numbers["best_bits"], _part(tensors, "best"))
    return Checkpoint(numbers["step"], numbers["seconds"], best)


def _files(folder: Path) -> list[Path]:
    """All checkpoints, oldest first: the names sort by step."""
    return sorted(folder.glob("step-*.safetensors"))


def _is_whole(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return _NUMBERS in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
