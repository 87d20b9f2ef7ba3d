"""Several processes that train one model, each on its share of every batch.

``torchrun`` starts them; one alone needs none of this.  ``ddp``: every process holds the whole
model.  ``fsdp``: each holds a part of every weight, gradient and optimiser state, and the weights
of a layer are put together when it is their turn.  Either way a step is that of one process with
the whole batch, but for the order in which numbers are added.

Source: PyTorch's DistributedDataParallel and ``fully_shard`` (Zhao et al. 2023, arXiv:2304.11277).
"""

import copy
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError, TrainingError
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.training.precision import Arithmetic
from hyena_glt.training.shards import whole

Parallel = Literal["auto", "ddp", "fsdp"]

# The others wait while the first process validates.
_PATIENCE = timedelta(days=1)
# Of the first process; torchrun looks after its processes ten times a second.
_SECONDS_TO_SPEAK = 5

_Value = TypeVar("_Value")


class Processes:
    """All processes of a training, as one of them sees it.

    Args:
        parallel: How the model is divided; ``auto`` is ``ddp``.
        device: Where this process computes.
        alone: Leave the others aside, for what one process does by itself.

    Attributes:
        rank: Number of this process, from 0.
        count: How many there are.
        sharded: Whether each holds a part of the weights only.
    """

    def __init__(self, parallel: Parallel, device: torch.device, *, alone: bool = False) -> None:
        together = not alone and dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.count = dist.get_world_size() if together else 1
        self.device = device
        self.sharded = parallel == "fsdp" and self.count > 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that validates, writes and prints."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Add numbers up over the processes, each by its place.

        Args:
            values: Of this process.
        """
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.tolist()

    def any(self, flag: bool) -> bool:
        """Whether something holds for any of the processes.

        Args:
            flag: Whether it holds here.
        """
        return self.sum([float(flag)])[0] > 0

    def from_first(self, value: _Value) -> _Value:
        """What the first process has.

        Args:
            value: Of this process; only that of the first counts.
        """
        if self.count == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def wait(self) -> None:
        """Go on when all processes have come this far."""
        self.any(False)

    def copy_first(self, model: nn.Module) -> None:
        """Give a model the weights and buffers that it has in the first process.

        Args:
            model: The same in all processes.
        """
        if self.count > 1:
            for value in model.state_dict().values():
                dist.broadcast(value.detach(), src=0)


@contextmanager
def joined(parallel: Parallel, device: torch.device) -> Iterator[Processes]:
    """Meet the other processes that ``torchrun`` started, if it did.

    Args:
        parallel: How the model is divided.
        device: Where this process computes; a GPU of its own, or the CPU.

    Raises:
        TrainingError: If another process ended before its time; it has said why.
    """
    own = rank_count() > 1 and not dist.is_initialized()
    if own:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(parallel, device)
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "/gloo/" in str(error):
            raise TrainingError(
                "another process of the training has ended; look for what it said"
            ) from error
        raise
    finally:
        if own:
            dist.destroy_process_group()


def rank_count() -> int:
    """Processes that ``torchrun`` started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_rank() -> bool:
    """Whether this process writes and prints: all but the first of ``torchrun``'s do not."""
    return int(os.environ.get("RANK", "0")) == 0


def let_first_speak() -> None:
    """Give the first process the time to say what is wrong, where it is the same in all.

    ``torchrun`` ends the others when one has failed; a process that is still there had an error of
    its own.
    """
    if not is_first_rank():
        time.sleep(_SECONDS_TO_SPEAK)


class TrainedModel:
    """A model while it is trained: alone, or as one of several processes holds it.

    Args:
        model: In one process, or the same in all.
        processes: None: this one alone.
        compiled: Compile the blocks; the first steps take long.

    Attributes:
        model: The model that is evaluated and saved.
        module: Holds the weights that move: ``model`` itself, or a copy in shards.
    """

    def __init__(
        self, model: PreTrainedModel, processes: Processes | None = None, *, compiled: bool = False
    ) -> None:
        self.model = model
        self.processes = processes or Processes("auto", model.device, alone=True)
        self.module: PreTrainedModel = model
        # FSDP2 does not take single numbers; they stay whole, and are averaged here.
        self._whole: list[nn.Parameter] = []
        if self.processes.sharded:
            self.module = copy.deepcopy(model)
            self._whole = [p for p in self.module.parameters() if p.dim() == 0]
            _shard(self.module, self.processes, set(self._whole))
        self._call: Any = self.module
        if compiled:
            # The blocks alone: the merger's running threshold changes within a forward pass.
            for layer in _blocks(self.module):
                layer.compile()
        self._ddp: DistributedDataParallel | None = None
        if self.processes.count > 1 and not self.processes.sharded:
            # A batch has no use for the heads of other tasks.
            unused = isinstance(model, HyenaGLTForMultiTask)
            self._ddp = DistributedDataParallel(self._call, find_unused_parameters=unused)
            self._call = self._ddp

    def __call__(self, **batch: Tensor) -> Any:
        """Run the forward pass.

        Args:
            batch: Arguments of the model.
        """
        return self._call(**batch)

    def accumulating(self, more: bool) -> AbstractContextManager[object]:
        """Forward and backward pass of a part of a batch.

        Args:
            more: Parts of the batch follow; their gradients are added before processes share them.
        """
        if isinstance(self.module, FSDPModule):
            self.module.set_requires_gradient_sync(not more)
        return self._ddp.no_sync() if self._ddp is not None and more else nullcontext()

    def clip(
        self, arithmetic: Arithmetic, optimizer: torch.optim.Optimizer, max_norm: float
    ) -> float:
        """Scale the gradients down to a norm, which is that over all processes.

        Args:
            arithmetic: Takes the scale of the loss out of them.
            optimizer: Of the model.
            max_norm: Largest L2 norm.

        Returns:
            The norm before.
        """
        if not self.processes.sharded:
            return float(arithmetic.clip(optimizer, self.module.parameters(), max_norm))
        for parameter in self._whole:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad, op=dist.ReduceOp.AVG)
        moved = [p for p in self.module.parameters() if p.grad is not None]
        kinds = [[p for p in moved if p.dim() > 0], [p for p in moved if p.dim() == 0]]
        norms = [whole(get_total_norm([p.grad for p in kind])) for kind in kinds if kind]  # type: ignore[misc]
        norm = torch.stack([value.to(self.processes.device) for value in norms]).norm()
        for kind in kinds:
            if kind:
                clip_grads_with_norm_(kind, max_norm, norm)
        return float(norm)

    def running_state(self) -> dict[str, Tensor]:
        """Copies of what the merger follows while it is trained: threshold, spread, share."""
        return {name: value.clone() for name, value in self._running().items()}

    def set_running_state(self, state: dict[str, Tensor]) -> None:
        """Put it back, or put a mean in its place.

        Args:
            state: As :meth:`running_state` gives it.
        """
        for name, value in self._running().items():
            value.copy_(state[name])

    def mean_running_state(self, parts: Sequence[tuple[float, dict[str, Tensor]]]) -> None:
        """Follow the mean over the parts of a batch, those of other processes among them.

        Args:
            parts: Share of each part in the whole batch, and what the merger followed on it.
        """
        mean = {}
        for name, last in parts[-1][1].items():
            mean[name] = last
            if last.is_floating_point():
                total = torch.stack([share * state[name] for share, state in parts]).sum(dim=0)
                if self.processes.count > 1:
                    dist.all_reduce(total)
                mean[name] = total
        self.set_running_state(mean)

    def show(self) -> None:
        """Let ``model`` hold, in the first process, the weights as they are now."""
        if self.module is self.model:
            return
        for name, value in self.module.state_dict().items():
            gathered = whole(value)
            if self.processes.is_first:
                self.model.state_dict()[name].copy_(gathered)

    def _running(self) -> dict[str, Tensor]:
        return dict(trunk_of(self.module).initial_merger.named_buffers(recurse=False))


def _shard(model: PreTrainedModel, processes: Processes, kept: set[nn.Parameter]) -> None:
    mesh = init_device_mesh(processes.device.type, (processes.count,))
    for layer in _blocks(model):
        fully_shard(layer, mesh=mesh, ignored_params=kept)
    fully_shard(model, mesh=mesh, ignored_params=kept)


def _blocks(model: PreTrainedModel) -> list[nn.Module]:
    trunk = trunk_of(model)
    return [*trunk.local_encoder, *trunk.layers, *trunk.local_decoder]


def refuse_scaled_shards(processes: Processes, arithmetic: Arithmetic) -> None:
    """Refuse fp16 with shards, whose overflows the loss scaler would see on one process only.

    Args:
        processes: How the model is divided.
        arithmetic: Number format.

    Raises:
        ConfigError: If it is so.
    """
    if processes.sharded and arithmetic.scaler is not None:
        raise ConfigError("parallel=fsdp does not go with precision=fp16; use bf16 or parallel=ddp")
