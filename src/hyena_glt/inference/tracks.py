"""Probabilities of classes as tracks for a genome browser: one bigWig file per class.

A bigWig file is written in one go, and the probabilities of all classes come together, block after
block; they wait in temporary files meanwhile, two bytes per base and class.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, Self

import numpy as np

from hyena_glt.inference.annotator import Probabilities
from hyena_glt.io.bigwig import Stretch, write_bigwig

_STEPS = 1000  # of a probability
_STRANDS = {"+": "_plus", "-": "_minus"}


class ProbabilityTracks:
    """Collect the probabilities of bases, and write them class by class.

    Args:
        labels: Classes to keep, by the column that holds their probabilities.

    Example:
        >>> with ProbabilityTracks({1: "CDS+"}) as tracks:
        ...     tracks.add("chr", 0, np.array([[0.2, 0.8], [0.2, 0.8], [0.9, 0.1]]))
        ...     list(tracks.stretches(1))
        [('chr', 0, 2, 0.8), ('chr', 2, 3, 0.1)]
    """

    def __init__(self, labels: Mapping[int, str]) -> None:
        self.labels = dict(labels)
        self._blocks: list[tuple[str, int, int]] = []

    def __enter__(self) -> Self:
        with ExitStack() as files:
            self._files: dict[int, IO[bytes]] = {
                column: files.enter_context(tempfile.TemporaryFile()) for column in self.labels
            }
            self._open = files.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def add(self, contig: str, start: int, probabilities: Probabilities) -> None:
        """Take some bases; contig after contig, by position.

        Args:
            contig: Its name.
            start: Position of the first one, 0-based.
            probabilities: (n, C).
        """
        self._blocks.append((contig, start, len(probabilities)))
        for column, file in self._files.items():
            steps = np.rint(probabilities[:, column] * _STEPS).astype(np.uint16)
            file.write(steps.tobytes())

    def stretches(self, column: int) -> Iterator[Stretch]:
        """Give the stretches of equal probability, to three digits, of one class.

        Args:
            column: Which class.
        """
        file = self._files[column]
        file.seek(0)
        for contig, start, count in self._blocks:
            steps = np.frombuffer(file.read(2 * count), dtype=np.uint16)
            edges = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), count]
            for low, high in pairwise(edges):
                if low < high:
                    yield contig, start + low, start + high, int(steps[low]) / _STEPS

    def write(self, path: Path, lengths: Mapping[str, int]) -> list[Path]:
        """Write the files.

        Args:
            path: Of the file, if there is one class; else each file has the name of its class
                before the ending: ``g.bw`` becomes ``g.CDS_plus.bw``.
            lengths: Bases of every contig.

        Returns:
            The files.

        Raises:
            OutputError: If one cannot be written.
        """
        paths = track_paths(path, list(self.labels.values()))
        for column, own in zip(self.labels, paths, strict=True):
            write_bigwig(own, lengths, self.stretches(column))
        return paths


def track_paths(path: Path, labels: Sequence[str]) -> list[Path]:
    """Name the file of each class.

    Args:
        path: As asked for.
        labels: Names of the classes.
    """
    if len(labels) == 1:
        return [path]
    return [path.with_name(f"{path.stem}.{_plain(label)}{path.suffix}") for label in labels]


def _plain(label: str) -> str:
    """A name that every file system takes."""
    if label[-1:] in _STRANDS:
        label = label[:-1] + _STRANDS[label[-1]]
    return "".join(sign if sign.isalnum() or sign in "_-" else "_" for sign in label)
