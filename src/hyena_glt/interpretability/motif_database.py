"""Discovered motifs beside those that are known, such as JASPAR's.

TOMTOM of memelite does the comparison where it is installed (``pip install "hyena-glt[motifs]"``);
without it the package's own (:mod:`~hyena_glt.biology.motif_comparison`), which follows the same
paper.  p-values of the two agree in order of magnitude and not to the digit.
"""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np

from hyena_glt.biology.motif_comparison import (
    Alignments,
    MotifMatch,
    align_motifs,
    best_matches,
)
from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import ConfigError, DataError

Method = Literal["auto", "tomtom", "own"]

SMALL_DATABASE = 25
"""With fewer known motifs p-values depend much on which these are."""


class DatabaseMatches(NamedTuple):
    """Known motifs for each of several motifs.

    Attributes:
        matches: For each motif the known ones, best first.
        method: ``tomtom`` or ``own``.
    """

    matches: list[list[MotifMatch]]
    method: str


def match_database(
    queries: Sequence[Motif],
    database: Sequence[Motif],
    *,
    both_strands: bool = True,
    method: Method = "auto",
    most: int = 10,
) -> DatabaseMatches:
    """Find the known motifs that each motif looks like.

    Args:
        queries: Motifs to name.
        database: Known motifs.
        both_strands: Whether a known motif may be turned to the other strand.
        method: ``tomtom`` (memelite), ``own``, or ``auto`` for the first where it is installed.
        most: Matches given for each query.

    Returns:
        The matches; q-values are over all pairs.

    Raises:
        ConfigError: If TOMTOM is asked for and memelite is not installed.
        DataError: If there is no known motif.
    """
    if not database:
        raise DataError("there is no known motif to compare with")
    if method not in {"auto", "tomtom", "own"}:
        raise ConfigError(f"method must be auto, tomtom or own, got {method!r}")
    installed = find_spec("memelite") is not None
    if method == "tomtom" and not installed:
        raise ConfigError('tomtom needs memelite: pip install "hyena-glt[motifs]"')
    chosen = "tomtom" if installed and method != "own" else "own"
    if not queries:
        return DatabaseMatches([], chosen)
    align = _tomtom if chosen == "tomtom" else align_motifs
    aligned = align(queries, database, both_strands=both_strands)
    return DatabaseMatches(best_matches(aligned, database, most=most), chosen)


def _tomtom(
    queries: Sequence[Motif], database: Sequence[Motif], *, both_strands: bool
) -> Alignments:
    from memelite import tomtom

    with warnings.catch_warnings():
        # It warns of a small database, which callers say in their own words.
        warnings.simplefilter("ignore")
        p, _, offsets, overlaps, strands = tomtom(
            [np.array(motif.probabilities.T) for motif in queries],
            [np.array(motif.probabilities.T) for motif in database],
            reverse_complement=both_strands,
        )
    return Alignments(
        np.clip(p, 0.0, 1.0), -offsets.astype(np.int64), overlaps.astype(np.int64), strands > 0
    )
