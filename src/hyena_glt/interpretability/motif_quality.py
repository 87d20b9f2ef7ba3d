"""How well discovered motifs agree with motifs that are known to be there."""

from collections.abc import Sequence
from typing import NamedTuple

from hyena_glt.biology.motif_comparison import MotifMatch
from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention import AttentionPatterns
from hyena_glt.interpretability.attention_motifs import motifs_from_attention
from hyena_glt.interpretability.motif_database import Method, match_database
from hyena_glt.interpretability.motif_discovery import DiscoveredMotif


class RecoveredMotif(NamedTuple):
    """A known motif and what was found of it.

    Attributes:
        known: The known motif.
        found: The discovered motif that names it first, with the smallest q-value; None if none
            does.
        q_value: Of that match; 1 where there is none.
    """

    known: Motif
    found: Motif | None
    q_value: float


def recover_motifs(
    motifs: Sequence[Motif | DiscoveredMotif],
    known_motifs: Sequence[Motif],
    *,
    database: Sequence[Motif] | None = None,
    most_q: float = 0.01,
    method: Method = "own",
) -> list[RecoveredMotif]:
    """Say of every known motif whether it was discovered.

    It was if a discovered motif looks more like it than like any other motif of the database, with
    a q-value of at most ``most_q``.

    Args:
        motifs: Discovered motifs.
        known_motifs: Motifs that are known to be there.
        database: What is compared with; must hold the known motifs by name.  None: these alone.
        most_q: Greatest q-value of a match that counts.
        method: See :func:`~hyena_glt.interpretability.motif_database.match_database`.

    Returns:
        One entry for each known motif, in their order.

    Raises:
        DataError: If there is no known motif, or the database lacks one.
    """
    first: dict[str, tuple[Motif, float]] = {}
    for query, best in _best(motifs, known_motifs, database, method):
        name, q = best.target.name, best.q_value
        if q <= most_q and (name not in first or q < first[name][1]):
            first[name] = (query, q)
    return [RecoveredMotif(motif, *first.get(motif.name, (None, 1.0))) for motif in known_motifs]


def evaluate_motif_quality(
    motifs: Sequence[Motif | DiscoveredMotif | AttentionPatterns],
    known_motifs: Sequence[Motif],
    *,
    database: Sequence[Motif] | None = None,
    most_q: float = 0.01,
    method: Method = "own",
) -> dict[str, float]:
    """Compare discovered motifs with those that are known to be there.

    Args:
        motifs: Discovered motifs; or attention patterns, in which motifs are looked for, see
            :func:`~hyena_glt.interpretability.attention_motifs.motifs_from_attention`.
        known_motifs: Motifs that are known to be there.
        database: See :func:`recover_motifs`.
        most_q: See :func:`recover_motifs`.
        method: See :func:`recover_motifs`.

    Returns:
        ``discovered``, ``known`` and ``recovered`` motifs as numbers; ``recall``, the share of the
        known ones that were recovered; ``precision``, the share of the discovered ones that name a
        known one first, nan if there is none; ``f1`` of the two.

    Raises:
        DataError: If there is no known motif, the database lacks one, or attention patterns come
            without letters.

    Source: Technical Guide, "Model Evaluation".
    """
    patterns = [one for one in motifs if isinstance(one, AttentionPatterns)]
    given = [one for one in motifs if not isinstance(one, AttentionPatterns)]
    found = [*given, *(motifs_from_attention(patterns) if patterns else [])]
    best = [match for _, match in _best(found, known_motifs, database, method)]
    names = {motif.name for motif in known_motifs}
    named = [one.target.name for one in best if one.q_value <= most_q and one.target.name in names]
    recovered = len(set(named))
    recall = recovered / len(known_motifs)
    precision = len(named) / len(best) if best else float("nan")
    return {
        "discovered": float(len(best)),
        "known": float(len(known_motifs)),
        "recovered": float(recovered),
        "recall": recall,
        "precision": precision,
        "f1": 2 * precision * recall / (precision + recall) if recovered else 0.0,
    }


def _best(
    motifs: Sequence[Motif | DiscoveredMotif],
    known_motifs: Sequence[Motif],
    database: Sequence[Motif] | None,
    method: Method,
) -> list[tuple[Motif, MotifMatch]]:
    """Every discovered motif with the motif of the database that it looks like most."""
    if not known_motifs:
        raise DataError("there is no known motif to compare with")
    compared = known_motifs if database is None else database
    names = {motif.name for motif in compared}
    for motif in known_motifs:
        if motif.name not in names:
            raise DataError(f"the database holds no motif {motif.name!r}")
    queries = [one.motif if isinstance(one, DiscoveredMotif) else one for one in motifs]
    matches = match_database(queries, compared, method=method, most=1).matches
    return [(query, first) for query, (first,) in zip(queries, matches, strict=True)]
