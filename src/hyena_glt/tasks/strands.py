"""Which class a base has when the sequence is read from the other strand.

A class whose name ends in ``+`` or ``-`` lies on that strand: what is ``CDS+`` on one strand is
``CDS-`` on the other.  A class without a sign holds for both.
"""

from collections.abc import Sequence

_OPPOSITE = {"+": "-", "-": "+"}


def other_strand_classes(names: Sequence[str]) -> list[int]:
    """Number of the class that each class becomes on the other strand.

    Args:
        names: Names of the classes, in the order of their numbers.

    Returns:
        One number per class; its own where the class holds for both strands, or where its
        counterpart is not among the names.

    Example:
        >>> other_strand_classes(["other", "CDS+", "CDS-"])
        [0, 2, 1]
    """
    number = {name: at for at, name in enumerate(names)}
    twins = [name[:-1] + _OPPOSITE[name[-1]] if name[-1:] in _OPPOSITE else name for name in names]
    return [number.get(twin, at) for at, twin in enumerate(twins)]
