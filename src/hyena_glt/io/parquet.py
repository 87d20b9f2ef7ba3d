"""Parquet files of sequences, read in batches and written with checksums."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from hyena_glt.errors import DataError
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.columns import Header, Row
from hyena_glt.io.files import STANDARD_INPUT, faults_told
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.io.rows import row_objects

_BATCH = 1024  # rows


def iter_parquet(path: str | Path) -> Iterator[Row]:
    """Read a Parquet file, a batch of rows at a time.

    Args:
        path: Parquet file.

    Yields:
        The rows, in the order of the file.

    Raises:
        DataError: If the file is missing, damaged or no Parquet; also for the standard input, for
            Parquet is read from its end.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if str(path) == STANDARD_INPUT:
        raise DataError("Parquet cannot be read from the standard input", path=path)
    with faults_told(path), Path(path).open("rb") as raw:
        if not raw.peek(1):
            raise DataError("the file is empty", path=path)
        try:
            with pq.ParquetFile(raw, page_checksum_verification=True) as file:
                header = Header(tuple(file.schema_arrow.names))
                number = 0
                for batch in file.iter_batches(_BATCH, use_threads=False):
                    for cells in zip(
                        *(column.to_pylist() for column in batch.columns), strict=True
                    ):
                        number += 1
                        yield Row(header, cells, None, number)
        except (pa.ArrowException, OSError) as error:
            told = str(error).strip().split("\n", 1)[0]
            raise DataError(f"no Parquet file, or a damaged one ({told})", path=path) from None


def write_parquet(
    path: str | Path, records: Iterable[SequenceRecord] | Iterable[LabelledRecord]
) -> int:
    """Write a Parquet file, whole or not at all.

    Args:
        path: Where to.
        records: What to write; see :func:`~hyena_glt.io.rows.row_objects` for the columns.

    Returns:
        How many records were written.

    Raises:
        DataError: If a record breaks a rule.
        OutputError: If the file cannot be written there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = row_objects(records)
    chunk = list(islice(rows, _BATCH))
    schema = pa.schema({name: _arrow_type(cell) for name, cell in chunk[0].items()})
    whole = "label" in chunk[0] and _whole(chunk[0]["label"])
    count = 0
    with (
        atomic_write(path) as unfinished,
        pq.ParquetWriter(unfinished, schema, write_page_checksum=True) as writer,
    ):
        while chunk:
            for number, row in enumerate(chunk, start=count + 1):
                # pyarrow cuts fractions off without a word where whole numbers stand.
                if whole and not _whole(row["label"]):
                    raise DataError(
                        f"record {number}: the label {row['label']!r} is no whole number, as that "
                        "of the first record is"
                    )
            writer.write_batch(pa.RecordBatch.from_pylist(chunk, schema))
            count += len(chunk)
            chunk = list(islice(rows, _BATCH))
    return count


def _whole(label: object) -> bool:
    if isinstance(label, list):
        return all(isinstance(value, int) for value in label)
    return isinstance(label, int)


def _arrow_type(cell: object) -> Any:
    import pyarrow as pa

    if isinstance(cell, str) or cell is None:
        return pa.string()
    number = pa.int64() if _whole(cell) else pa.float64()
    return pa.list_(number) if isinstance(cell, list) else number
