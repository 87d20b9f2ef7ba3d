"""The class of every base of a genome, and the features that follow from it.

bases of a contig -> overlapping windows -> probabilities, block after block -> runs of one class

A contig of any length is read in windows as long as the model takes, which overlap by half; a base
gets the probabilities of the window in whose middle half it lies.  Memory does not grow with the
contig.  Positions are 0-based and half-open, on the strand of the file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.annotation import OTHER
from hyena_glt.data.genome import Codes, reverse_complement_codes
from hyena_glt.data.windows import TOKEN_OF_BASE
from hyena_glt.errors import ConfigError
from hyena_glt.inference.loading import load_pair
from hyena_glt.model.faces import HyenaGLTForTokenClassification
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.tasks.strands import other_strand_classes

Probabilities = NDArray[np.float32]

SHORTEST_FEATURE = 30
"""Runs of one class with fewer bases are not called."""

_SOURCE = "hyena_glt"


class ContigBases(Protocol):
    """The bases of a contig, in memory or not; an array of codes is one."""

    def __len__(self) -> int:
        """Bases."""
        ...

    def __getitem__(self, place: slice, /) -> Codes:
        """The bases from one position to another: numbers 0 to 4."""
        ...


class GenomeAnnotator:
    """Give every base of a genome a class, with a model that labels bases.

    Args:
        model: A token-classification model of DNA in single-nucleotide tokens.
        tokenizer: Its tokenizer.

    Raises:
        ConfigError: If the tokens are others.

    Attributes:
        labels: Names of the classes, in the order of their numbers.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        config = model.config
        if config.kmer_size != 1 or tokenizer.alphabet_size != 4 or config.joint_vocabulary:
            raise ConfigError("genomes are annotated by models of DNA in single-nucleotide tokens")
        device: Any = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model
        self.model.to(device)
        self.tokenizer = tokenizer
        names: Any = config.id2label
        self.labels: list[str] = [names[i] for i in range(len(names))]

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "GenomeAnnotator":
        """Load model and tokenizer from a run's folder.

        Args:
            folder: What ``hyena-glt train --annotation ... --output`` wrote.

        Raises:
            DataError: If the folder holds no such model.
        """
        kinds = {"HyenaGLTForTokenClassification": HyenaGLTForTokenClassification}
        return cls(*load_pair(folder, kinds))

    @property
    def stranded(self) -> bool:
        """Whether classes change places on the other strand, as ``CDS+`` and ``CDS-`` do."""
        return other_strand_classes(self.labels) != list(range(len(self.labels)))

    @torch.no_grad()
    def iter_probabilities(
        self, codes: ContigBases, *, batch_size: int = 16, both_strands: bool = False
    ) -> Iterator[tuple[int, Probabilities]]:
        """Give the probabilities of all bases of a contig, block after block.

        Args:
            codes: (length,) bases 0 to 3 for A, C, G, T; 4 is unknown.
            batch_size: Windows per forward pass.
            both_strands: Average over the two strands, if classes are stranded and the model does
                not do so by itself (``reverse_complement="average"``).

        Yields:
            Position of the first base of a block, and (n, C) probabilities.
        """
        length = len(codes)
        size = min(length, self.model.config.max_position_embeddings)
        step, last = max(1, size // 2), length - size
        count = -(-last // step) + 1 if length else 0
        average = both_strands and self.stranded
        average &= self.model.config.reverse_complement == "none"
        done = 0
        with inference_mode_of(self.model):
            for first in range(0, count, batch_size):
                some = [
                    min(number * step, last)
                    for number in range(first, min(first + batch_size, count))
                ]
                begin = some[0]
                own = codes[begin : some[-1] + size]
                rows = np.stack([own[start - begin : start - begin + size] for start in some])
                found = self._probabilities(rows, average=average)
                block: list[Probabilities] = []
                at = done
                for start, row in zip(some, found, strict=True):
                    until = length if start == last else start + size - size // 4
                    block.append(row[at - start : until - start])
                    at = until
                yield done, np.concatenate(block)
                done = at

    def _probabilities(self, rows: Codes, *, average: bool) -> Probabilities:
        """Probabilities (b, l, C) of windows (b, l)."""
        found = self._one_strand(rows)
        if average:
            turned = np.stack([reverse_complement_codes(row) for row in rows])
            other = self._one_strand(turned)[:, ::-1, other_strand_classes(self.labels)]
            found = (found + other) * np.float32(0.5)
        return found

    def _one_strand(self, rows: Codes) -> Probabilities:
        ids = torch.from_numpy(TOKEN_OF_BASE[rows])
        logits = self.model(input_ids=ids.to(self.model.device)).logits
        return logits.float().softmax(dim=-1).cpu().numpy()


class FeatureCaller:
    """Turn the probabilities of the bases of one contig into features: runs of one class.

    Args:
        contig: Name of the contig.
        labels: Names of the classes; one that ends in ``+`` or ``-`` gives the strand, ``other``
            is no feature.
        start: Position of the first base.
        shortest: Runs with fewer bases are left out.
        number: Features called before, which the IDs go on from.

    Attributes:
        number: Features called so far.
    """

    def __init__(
        self,
        contig: str,
        labels: Sequence[str],
        *,
        start: int = 0,
        shortest: int = SHORTEST_FEATURE,
        number: int = 0,
    ) -> None:
        self.contig = contig
        self.labels = labels
        self.shortest = shortest
        self.number = number
        self._position = self._start = start
        self._class = -1
        self._sum = 0.0

    def add(self, probabilities: Probabilities) -> Iterator[Feature]:
        """Take the next bases.

        Args:
            probabilities: (n, C), behind those before.

        Yields:
            The features that end within them.
        """
        if not len(probabilities):
            return
        best = probabilities.argmax(axis=1)
        chance = probabilities[np.arange(len(best)), best]
        edges = np.flatnonzero(np.diff(best)) + 1
        for low, high in zip([0, *edges.tolist()], [*edges.tolist(), len(best)], strict=True):
            if int(best[low]) != self._class:
                yield from self._end(self._position + low)
                self._class, self._start, self._sum = int(best[low]), self._position + low, 0.0
            self._sum += float(chance[low:high].sum())
        self._position += len(best)

    def finish(self) -> Iterator[Feature]:
        """Yield the feature that reaches to the end, if there is one."""
        yield from self._end(self._position)
        self._class = -1

    def _end(self, end: int) -> Iterator[Feature]:
        length = end - self._start
        if self._class < 0 or self.labels[self._class] == OTHER or length < self.shortest:
            return
        name = self.labels[self._class]
        kind, strand = (name[:-1], name[-1]) if name[-1:] in {"+", "-"} else (name, ".")
        self.number += 1
        yield Feature(
            self.contig, self._start, end, kind, strand, _SOURCE, round(self._sum / length, 4),
            attributes={"ID": f"{kind}_{self.number}"},
        )  # fmt: skip
