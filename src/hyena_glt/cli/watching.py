"""Who follows a training of the command line: TensorBoard, with the first validation data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from hyena_glt.training.callbacks import Callback
from hyena_glt.training.distributed import is_first_rank
from hyena_glt.training.monitor import TENSORBOARD_NAME
from hyena_glt.training.probes import Probes
from hyena_glt.training.settings import OptimizerSettings
from hyena_glt.training.tensorboard import TensorBoardCallback

PROBED_SEQUENCES = 16


def watchers(
    settings: OptimizerSettings, output: Path, probes: Mapping[str, Tensor] | None
) -> list[Callback]:
    """Make the callbacks of a run; of several processes the first alone has any.

    Args:
        settings: Whether TensorBoard is wanted.
        output: Folder of the run.
        probes: Batch of sequences whose patches are drawn in each evaluation; None draws none.
    """
    if not settings.tensorboard or not is_first_rank():
        return []
    watched = None if probes is None else Probes(probes)
    return [TensorBoardCallback(output / TENSORBOARD_NAME, watched)]


def first_sequences(loader: DataLoader[Any]) -> Mapping[str, Tensor]:
    """Make a batch of the first sequences of a loader's data, whatever its order.

    Args:
        loader: Validation data.
    """
    dataset: Any = loader.dataset
    rows = range(min(PROBED_SEQUENCES, len(dataset)))
    batch: Mapping[str, Tensor] = loader.collate_fn([dataset[row] for row in rows])
    return batch
