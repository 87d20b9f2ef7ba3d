"""Alleles in their surroundings: one stretch with the reference, one with the alternative.

A model compares the two, so they are equally long and begin at the same base; what an insertion
adds or a deletion takes away is made up for at the far end.  How a file writes an indel in a repeat
does not matter: it is moved to the first place where it means the same.

Positions are 0-based, in bases, on the strand that is read.
"""

from typing import NamedTuple


class AlleleWindows(NamedTuple):
    """The surroundings of a variant with either allele.

    Attributes:
        reference: Bases with the reference allele.
        alternative: As many bases with the alternative one, from the same first base on.
        offset: First base at which an allele stands; those before it are the same.
        changed: Bases of the longer allele that lie within the windows; at least 1.
    """

    reference: str
    alternative: str
    offset: int
    changed: int


def minimal_alleles(at: int, reference: str, alternative: str) -> tuple[int, str, str]:
    """Take from two alleles what they share at either end.

    Args:
        at: First base of the reference allele.
        reference: Its bases; upper case.
        alternative: Bases of the other one.

    Returns:
        The new first base and the new alleles, either of which may be empty.

    Example:
        >>> minimal_alleles(10, "CAGAG", "CAG")
        (11, 'AG', '')
    """
    shared = 0
    while shared < min(len(reference), len(alternative)):
        if reference[-1 - shared] != alternative[-1 - shared]:
            break
        shared += 1
    if shared:
        reference, alternative = reference[:-shared], alternative[:-shared]
    shared = 0
    while shared < min(len(reference), len(alternative)) and (
        reference[shared] == alternative[shared]
    ):
        shared += 1
    return at + shared, reference[shared:], alternative[shared:]


def first_place(
    context: str, at: int, reference: str, alternative: str, *, most: int
) -> tuple[int, str, str]:
    """Move an insertion or a deletion to the first place where it gives the same sequence.

    Args:
        context: Bases around it, with the reference allele; upper case.
        at: First base of the reference allele in ``context``.
        reference: As :func:`minimal_alleles` gives it; what is neither an insertion nor a deletion
            stays where it is.
        alternative: The other allele.
        most: Most bases to move.

    Returns:
        The new first base and the new alleles.

    Example:
        >>> first_place("GCACACAT", 5, "CA", "", most=100)
        (1, 'CA', '')

    Source:
        Left-alignment: Tan, Abecasis and Kang 2015, Bioinformatics 31:2202.
    """
    allele = reference or alternative
    if bool(reference) == bool(alternative):
        return at, reference, alternative
    first = at
    moved = 0
    while first > 0 and moved < most and context[first - 1] == allele[-1 - moved % len(allele)]:
        first -= 1
        moved += 1
    turned = moved % len(allele)
    allele = allele[len(allele) - turned :] + allele[: len(allele) - turned]
    return (first, allele, "") if reference else (first, "", allele)


def allele_windows(
    context: str, at: int, reference: str, alternative: str, size: int
) -> AlleleWindows | None:
    """Cut the windows of two alleles out of their surroundings.

    The alleles stand in the middle, or as near to it as the ends of the context allow.  A context
    with too few bases for a window gives shorter ones, equally long still.

    Args:
        context: Bases around the variant, with the reference allele; upper case.  If it reaches
            ``2 * size`` bases beyond the alleles on both sides, its ends have no effect.
        at: First base of the reference allele in ``context``.
        reference: Its bases; upper case.
        alternative: Bases of the other allele.
        size: Bases of a window, at least 1.

    Returns:
        The windows; None if the alleles are the same, the longer one fills more than half a window,
        or no base of the context stands behind the place.

    Example:
        >>> allele_windows("AACCGGTTAACC", 4, "GG", "G", 6)
        AlleleWindows(reference='ACCGGT', alternative='ACCGTT', offset=3, changed=1)
    """
    at, reference, alternative = minimal_alleles(at, reference, alternative)
    at, reference, alternative = first_place(context, at, reference, alternative, most=size // 2)
    other = context[:at] + alternative + context[at + len(reference) :]
    shorter = min(len(context), len(other))
    size = min(size, shorter)
    longest = max(len(reference), len(alternative))
    if not longest or longest > size // 2:
        return None
    start = min(max(0, at + longest // 2 - size // 2), shorter - size)
    changed = min(longest, size - (at - start))
    if changed < 1:
        return None
    return AlleleWindows(
        context[start : start + size], other[start : start + size], at - start, changed
    )
