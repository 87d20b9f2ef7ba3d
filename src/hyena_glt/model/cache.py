"""What a causal model remembers of a sequence, in a size that does not grow with it.

The cache holds, per row: the last token ids (for n-grams and patterns), the last inputs of every
short filter, the states of the long ones, the tokens of the patch that is open, and the keys and
values of the last closed patches.  Tokens that are not in it are not needed any more.

It speaks the language of Hugging Face's ``generate()`` without being one of its caches, whose
classes change from release to release.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hyena_glt.errors import ConfigError
from hyena_glt.layers.hyena import OperatorState
from hyena_glt.ops.recurrence import ModalTables


class HyenaGLTCache:
    """State of a causal model between two calls.

    Attributes:
        tensors: State by name, rows first; empty before the first token.
        columns: Columns of the caller's batch that went in, padding included.
        tables: Tables of the long filters by block; they belong to the weights, not to a row, and
            are made anew by every cache, so that they cannot outlive a change of the weights.
    """

    # True would make generate() replace the attention mask.
    is_compileable = False
    is_croppable = False
    is_sliding = ()

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.columns = 0
        self.tables: list[ModalTables | None] = []

    @property
    def is_empty(self) -> bool:
        """True before the first token."""
        return not self.tensors

    def nbytes(self) -> int:
        """Size in bytes, filter tables included."""
        held = [*self.tensors.values()]
        held += [table for layer in self.tables if layer is not None for table in layer]
        return sum(t.numel() * t.element_size() for t in held)

    def operator(self, name: str) -> OperatorState:
        """State of an operator.

        Args:
            name: Name of the layer.
        """
        return OperatorState(self.tensors[f"{name}.features"], self.tensors[f"{name}.memory"])

    def set_operator(self, name: str, state: OperatorState) -> None:
        """Replace the state of an operator.

        Args:
            name: Name of the layer.
            state: The new state.
        """
        self.tensors[f"{name}.features"], self.tensors[f"{name}.memory"] = state

    def rows_at(self, index: Tensor) -> "HyenaGLTCache":
        """A cache of some of the rows; the tables are shared.

        Args:
            index: (n,) numbers of the rows.
        """
        part = HyenaGLTCache()
        part.tensors = {name: t.index_select(0, index) for name, t in self.tensors.items()}
        part.tables = self.tables
        return part

    def write_rows(self, index: Tensor, part: "HyenaGLTCache") -> None:
        """Write rows back.

        Args:
            index: (n,) numbers of the rows.
            part: As :meth:`rows_at` made it, moved on since.
        """
        for name, tensor in part.tensors.items():
            self.tensors[name] = self.tensors[name].index_copy(0, index, tensor)

    def take(self, parts: list["HyenaGLTCache"]) -> None:
        """Become the rows of several caches, one behind the other.

        Args:
            parts: Caches of the same model.
        """
        names = parts[0].tensors
        self.tensors = {name: torch.cat([p.tensors[name] for p in parts]) for name in names}
        self.tables = parts[0].tables

    # What generate() calls.

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns of the batch that went in.

        Args:
            layer_idx: Has no effect.
        """
        return self.columns

    get_query_offset = get_seq_length

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """-1: there is no limit.

        Args:
            layer_idx: Has no effect.
        """
        return -1

    def get_max_cache_shape(self, layer_idx: int = 0) -> int:
        """-1: there is no limit.

        Args:
            layer_idx: Has no effect.
        """
        return -1

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """Length of the attention mask, and its offset.

        Args:
            query_length: New tokens.
            layer_idx: Has no effect.
        """
        return self.get_seq_length() + query_length, 0

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Let every beam go on from the row it was chosen from.

        Args:
            beam_idx: (b,) row of each beam.
        """
        self._map(lambda t: t.index_select(0, beam_idx.to(t.device)))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every row.

        Args:
            repeats: Times.
        """
        self._map(lambda t: t.repeat_interleave(repeats, 0))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows.

        Args:
            indices: Their numbers.
        """
        self._map(lambda t: t[indices])

    def reset(self) -> None:
        """Forget everything."""
        self.tensors, self.tables, self.columns = {}, [], 0

    def activate_past_recording(self) -> None:
        """Nothing to do."""

    def crop(self, max_length: int) -> None:
        """Refused: what was forgotten cannot be taken back.

        Args:
            max_length: Tokens to keep.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"the cache cannot go back to {max_length} tokens: it does not keep the past; start "
            "again from the prompt"
        )

    def __len__(self) -> int:
        return len(self.tensors)

    def _map(self, change: Callable[[Any], Tensor]) -> None:
        self.tensors = {name: change(tensor) for name, tensor in self.tensors.items()}
