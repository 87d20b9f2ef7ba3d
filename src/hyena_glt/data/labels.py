"""Labels as numbers: classes, several labels, values, one class per base."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError
from hyena_glt.tasks.losses import IGNORED

Task = Literal[
    "classification", "multi_label", "regression", "token_classification", "language_modeling"
]
TASKS: tuple[str, ...] = get_args(Task)


def class_names(labels: Sequence[Any]) -> list[str]:
    """Names of the classes, in the order of their numbers.

    Whole numbers are sorted as numbers, anything else as text.

    Args:
        labels: One label per sequence.
    """
    names = sorted({class_name(label) for label in labels})
    if all(name.removeprefix("-").isdecimal() for name in names):
        return sorted(names, key=int)
    return names


def class_numbers(
    labels: Sequence[Any], names: Sequence[str], ids: Sequence[str]
) -> NDArray[np.int64]:
    """Number of each label among the names.

    Args:
        labels: One label per sequence.
        names: Names of the classes, in the order of their numbers.
        ids: Name of each sequence, for messages.

    Raises:
        DataError: If a label is not among the names; gives the label and the names.
    """
    number = {name: i for i, name in enumerate(names)}
    unknown = sorted({class_name(label) for label in labels} - number.keys())
    if unknown:
        first = next(
            id_ for id_, label in zip(ids, labels, strict=True) if class_name(label) in unknown
        )
        raise DataError(
            f"label {', '.join(map(repr, unknown))} (first: {first}) is not among the labels that "
            f"training saw: {', '.join(map(repr, names))}"
        )
    return np.array([number[class_name(label)] for label in labels], dtype=np.int64)


def values(labels: Sequence[Any], ids: Sequence[str]) -> NDArray[np.float32]:
    """Labels as finite numbers: (n,) for single values, (n, t) for several.

    Args:
        labels: Numbers, or sequences of numbers of one length.
        ids: Name of each sequence, for messages.

    Raises:
        DataError: If a label is not a number, not finite, or of another length.
    """
    rows: list[NDArray[np.float32]] = []
    for id_, label in zip(ids, labels, strict=True):
        try:
            row = np.asarray(label, dtype=np.float32)
        except (TypeError, ValueError):
            raise DataError(f"{id_}: label {label!r} is not a number") from None
        if not np.isfinite(row).all():
            raise DataError(f"{id_}: label {label!r} is not a finite number")
        if rows and row.shape != rows[0].shape:
            raise DataError(
                f"{id_}: {row.size} labels, where {ids[0]} has {rows[0].size}; all need the same"
            )
        rows.append(row)
    return np.stack(rows)


def zeros_and_ones(labels: Sequence[Any], ids: Sequence[str]) -> NDArray[np.float32]:
    """Multi-label rows, (n, t) of 0 and 1.

    Args:
        labels: Sequences of 0 and 1 of one length.
        ids: Name of each sequence, for messages.

    Raises:
        DataError: If a label is neither 0 nor 1, or of another length.
    """
    rows = values(labels, ids)
    if rows.ndim != 2:
        raise DataError(
            f"{ids[0]}: multi-label needs a list of 0 and 1 per sequence, got {labels[0]!r}"
        )
    wrong = ~np.isin(rows, (0, 1)).all(axis=1)
    if wrong.any():
        first = int(wrong.argmax())
        raise DataError(f"{ids[first]}: multi-label needs 0 or 1 each, got {labels[first]!r}")
    return rows


def base_class_names(rows: Sequence[Any]) -> list[str]:
    """Names of the classes of single bases, in the order of their numbers.

    Args:
        rows: One label per base of each sequence; -100 is none.
    """
    known: set[Any] = set()
    for row in rows:
        known |= set(np.unique(row).tolist() if isinstance(row, np.ndarray) else row)
    return class_names(sorted(known - {IGNORED}, key=str))


def base_class_numbers(row: Any, names: Sequence[str], bases: int, id_: str) -> NDArray[np.int32]:
    """Number of each base's class among the names, (bases,); -100 where it is unknown.

    Args:
        row: One label per base, -100 where unknown.
        names: Names of the classes, in the order of their numbers.
        bases: How many bases the sequence has.
        id_: Name of the sequence, for messages.

    Raises:
        DataError: If there is not one label per base, or a label is not among the names.
    """
    if len(row) != bases:
        raise DataError(f"{id_}: {len(row)} labels for {bases} nucleotides")
    if isinstance(row, np.ndarray):
        labels, inverse = np.unique(row, return_inverse=True)
        kinds = labels.tolist()
    else:
        kinds = list(dict.fromkeys(row))
        place = {label: i for i, label in enumerate(kinds)}
        inverse = np.array([place[label] for label in row])
    number = {name: i for i, name in enumerate(names)}
    written = [None if label == IGNORED else class_name(label) for label in kinds]
    unknown = {name for name in written if name is not None} - number.keys()
    if unknown:
        raise DataError(f"{id_}: label {min(unknown)!r} is not among {list(names)}")
    numbers = [IGNORED if name is None else number[name] for name in written]
    return np.array(numbers, dtype=np.int32)[inverse]


def class_name(label: Any) -> str:
    """Write a label as the name of its class; 1, 1.0 and "1" are one class.

    Args:
        label: Text or number.
    """
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label).strip()
