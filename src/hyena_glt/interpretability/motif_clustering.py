"""Seqlets that show the same motif, gathered and laid over one another.

matrices of contributions -> cross-correlation of all pairs -> groups -> templates -> every seqlet
joins the template that it fits best

Two seqlets are as alike as the cosine of their matrices at the best shift, on either strand where
both count.  What lies beyond an edge counts as zero, so that a shift has its price.

Axes::

    n  seqlets
    w  positions of a seqlet, flanks included
    4  letters A, C, G, T (or U)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_COMPARED = 1500  # seqlets of which all pairs are compared; the others join later
_ROUNDS = 4
_SAME_GROUP = 0.55  # mean cosine of two groups that are still one
_SAME_TEMPLATE = 0.75


class Placed(NamedTuple):
    """A seqlet laid on a template.

    Attributes:
        seqlet: Its number.
        shift: Position of the template at which the seqlet begins; may be negative.
        minus: Whether it is turned to the other strand first.
        likeness: Cosine of the two, at most 1.
    """

    seqlet: int
    shift: int
    minus: bool
    likeness: float


class Likeness(NamedTuple):
    """How alike matrices are at their best shift.

    Attributes:
        cosine: (n, m) in [-1, 1].
        shift: (n, m) position of the first matrix at which the second one begins.
        minus: (n, m) whether the second one is turned to the other strand.
    """

    cosine: Floats
    shift: NDArray[np.int64]
    minus: NDArray[np.bool_]


def cluster_seqlets(
    matrices: Floats,
    *,
    both_strands: bool = True,
    least_members: int = 10,
    least_likeness: float = 0.4,
) -> list[list[Placed]]:
    """Gather the seqlets that show the same motif.

    Args:
        matrices: (n, w, 4) contribution of every letter at every position, most telling seqlets
            first.
        both_strands: Whether a seqlet may be turned to the other strand.
        least_members: Groups with fewer seqlets are given up.
        least_likeness: Cosine with a template below which a seqlet joins no group.

    Returns:
        For each template the seqlets that lie on it; the largest group first.  No seqlet lies on
        two.
    """
    norms = np.sqrt((matrices**2).sum(axis=(1, 2)))
    telling = np.flatnonzero(norms > 0)
    if len(telling) < max(least_members, 2):
        return []
    unit = matrices[telling] / norms[telling, None, None]
    templates = _first_templates(unit[:_MOST_COMPARED], both_strands, least_members)
    groups: list[list[Placed]] = []
    for _ in range(_ROUNDS):
        if not len(templates):
            return []
        groups = _join(unit, templates, both_strands, least_members, least_likeness)
        templates = _distinct([_mean(unit, group) for group in groups], both_strands)
    groups = _join(unit, templates, both_strands, least_members, least_likeness)
    return [
        [placed._replace(seqlet=int(telling[placed.seqlet])) for placed in group]
        for group in sorted(groups, key=len, reverse=True)
    ]


def likeness(first: Floats, second: Floats, *, both_strands: bool) -> Likeness:
    """Compare matrices at every shift, up to half their width either way.

    Args:
        first: (n, w, 4) matrices of length 1.
        second: (m, w, 4) likewise.
        both_strands: Whether the second ones are turned to the other strand too.

    Returns:
        The best shift for each pair.
    """
    width = first.shape[1]
    flat = first.reshape(len(first), -1)
    best = np.full((len(first), len(second)), -np.inf)
    shifts = np.zeros(best.shape, dtype=np.int64)
    minus = np.zeros(best.shape, dtype=np.bool_)
    for turned in (False, True)[: 1 + both_strands]:
        other = second[:, ::-1, ::-1] if turned else second
        for shift in range(-(width // 2), width // 2 + 1):
            cosine = flat @ _shifted(other, shift).reshape(len(second), -1).T
            better = cosine > best
            best[better] = cosine[better]
            shifts[better] = shift
            minus[better] = turned
    return Likeness(best, shifts, minus)


def _first_templates(unit: Floats, both_strands: bool, least_members: int) -> Floats:
    """Templates from groups that average linkage finds among the most telling seqlets."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    found = likeness(unit, unit, both_strands=both_strands)
    alike = np.maximum(found.cosine, found.cosine.T)
    apart = squareform(np.clip(1 - alike, 0, None), checks=False)
    labels = fcluster(linkage(apart, "average"), 1 - _SAME_GROUP, "distance")
    sizes = np.bincount(labels)
    # The compared ones are a part of all, and so are the members of a group among them.
    enough = max(3, least_members // 2)
    templates = []
    for label in np.argsort(-sizes, kind="stable"):
        if sizes[label] < enough:
            break
        members = np.flatnonzero(labels == label)
        centre = members[alike[np.ix_(members, members)].sum(axis=1).argmax()]
        group = [
            Placed(int(one), int(found.shift[centre, one]), bool(found.minus[centre, one]), 1.0)
            for one in members
        ]
        templates.append(_mean(unit, group))
    return _distinct(templates, both_strands)


def _join(
    unit: Floats,
    templates: Floats,
    both_strands: bool,
    least_members: int,
    least_likeness: float,
) -> list[list[Placed]]:
    """Lay every seqlet on the template that it fits best, if it fits one."""
    found = likeness(templates, unit, both_strands=both_strands)
    chosen = found.cosine.argmax(axis=0)
    groups: list[list[Placed]] = [[] for _ in templates]
    for seqlet, template in enumerate(chosen.tolist()):
        cosine = float(found.cosine[template, seqlet])
        if cosine >= least_likeness:
            shift, minus = found.shift[template, seqlet], found.minus[template, seqlet]
            groups[template].append(Placed(seqlet, int(shift), bool(minus), cosine))
    return [group for group in groups if len(group) >= least_members]


def _mean(unit: Floats, group: Sequence[Placed]) -> Floats:
    """The template of seqlets laid over one another, of length 1."""
    summed = np.zeros(unit.shape[1:])
    for one in group:
        matrix = unit[one.seqlet]
        summed += _shifted(matrix[::-1, ::-1] if one.minus else matrix, one.shift)
    length = float(np.sqrt((summed**2).sum()))
    return summed / length if length > 0 else summed


def _distinct(templates: Sequence[Floats], both_strands: bool) -> Floats:
    """Drop a template that looks like one before it."""
    kept: list[Floats] = []
    for template in templates:
        if kept:
            found = likeness(np.stack(kept), template[None], both_strands=both_strands)
            if found.cosine.max() >= _SAME_TEMPLATE:
                continue
        kept.append(template)
    return np.stack(kept) if kept else np.empty((0, 0, 4))


def _shifted(matrices: Floats, shift: int) -> Floats:
    """Move (..., w, 4) matrices to the right; what leaves is lost, what enters is zero."""
    moved = np.zeros_like(matrices)
    if shift > 0:
        moved[..., shift:, :] = matrices[..., :-shift, :]
    elif shift < 0:
        moved[..., :shift, :] = matrices[..., -shift:, :]
    else:
        moved[...] = matrices
    return moved
