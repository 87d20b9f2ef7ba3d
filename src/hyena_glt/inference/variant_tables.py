"""Scored variants as text: VCF records with INFO fields, or a table with a line per alternative."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from hyena_glt.errors import OutputError
from hyena_glt.inference.variant_methods import ScoreColumn
from hyena_glt.inference.variant_reference import REASONS
from hyena_glt.inference.variants import VariantScore
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.vcf import declare_info

UNSCORED = "HGLT_UNSCORED"
"""INFO field, and column, of the reason why an allele has no score."""

VCF_ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz")
TABLE_ENDINGS = (".tsv", ".tsv.gz")

_INFO = 7
_ROWS_AT_ONCE = 4096
_FIELDS = ("record", "allele", "delta")


class VariantText(Protocol):
    """A format of scored variants.

    Attributes:
        scores: The numbers of each allele.
    """

    scores: Sequence[ScoreColumn]

    def header(self, header: Sequence[str], note: str) -> list[str]:
        """Lines before the first variant.

        Args:
            header: Of the input.
            note: How the scores were made, in one line.
        """

    def lines(
        self, number: int, columns: Sequence[str], alleles: Sequence[VariantScore]
    ) -> Iterator[str]:
        """Lines of one record.

        Args:
            number: Which one, from 1 on.
            columns: Of the input.
            alleles: The score of each alternative.
        """


def text_for(path: Path, scores: Sequence[ScoreColumn]) -> VariantText:
    """Choose a format by the ending of a file.

    Args:
        path: The file.
        scores: The numbers of each allele.

    Raises:
        OutputError: If the ending is unknown.
    """
    name = path.name.lower()
    if name.endswith(VCF_ENDINGS):
        return _Vcf(scores)
    if name.endswith(TABLE_ENDINGS):
        return _Table(scores)
    raise OutputError(
        f"{path}: the name must end in {', '.join((*VCF_ENDINGS, *TABLE_ENDINGS))}, which says "
        "what is written"
    )


class _Vcf:
    """Records as they were, with INFO fields."""

    def __init__(self, scores: Sequence[ScoreColumn]) -> None:
        self.scores = scores
        self._own = {*(column.name for column in scores), UNSCORED}

    def header(self, header: Sequence[str], note: str) -> list[str]:
        lines = [*header[:-1], "\t".join(_names(header))]
        if not lines[0].startswith("##fileformat=VCF"):
            lines.insert(0, "##fileformat=VCFv4.3")
        for column in self.scores:
            lines = declare_info(lines, column.name, "A", "Float", column.meaning)
        meaning = f"Why an ALT has no score, one per ALT, . if it has: {', '.join(REASONS)}"
        lines = declare_info(lines, UNSCORED, ".", "String", meaning)
        return [*lines[:-1], f"##hyena_glt_variants={note}", lines[-1]]

    def lines(
        self, number: int, columns: Sequence[str], alleles: Sequence[VariantScore]
    ) -> Iterator[str]:
        old = [] if columns[_INFO] == "." else columns[_INFO].split(";")
        fields = [field for field in old if field.partition("=")[0] not in self._own]
        if any(one.values is not None for one in alleles):
            for at, column in enumerate(self.scores):
                fields.append(f"{column.name}={','.join(_cell(one, at) for one in alleles)}")
        if any(one.reason for one in alleles):
            fields.append(f"{UNSCORED}={','.join(one.reason or '.' for one in alleles)}")
        yield "\t".join([*columns[:_INFO], ";".join(fields), *columns[_INFO + 1 :]])


class _Table:
    """A line per alternative: number of the record, its columns, scores, reason."""

    def __init__(self, scores: Sequence[ScoreColumn]) -> None:
        self.scores = scores

    def header(self, header: Sequence[str], note: str) -> list[str]:
        names = _names(header)
        own = [column.name for column in self.scores]
        return ["\t".join(["record", names[0].removeprefix("#"), *names[1:], *own, UNSCORED])]

    def lines(
        self, number: int, columns: Sequence[str], alleles: Sequence[VariantScore]
    ) -> Iterator[str]:
        for one in alleles:
            cells = [_cell(one, at) for at in range(len(self.scores))]
            yield "\t".join(
                [str(number), *columns[:4], one.alternative, *columns[5:], *cells,
                 one.reason or "."]
            )  # fmt: skip


def _names(header: Sequence[str]) -> list[str]:
    """Names of the columns, which some files separate by blanks; else a sample's may hold one."""
    return header[-1].split("\t") if "\t" in header[-1] else header[-1].split()


def _cell(score: VariantScore, at: int) -> str:
    return "." if score.values is None else f"{score.values[at]:.6g}"


def embedding_bytes(number: int, alleles: Sequence[VariantScore]) -> bytes:
    """The embeddings of one record, as :func:`write_embeddings` takes them.

    Args:
        number: Of the record, from 1 on.
        alleles: The score of each alternative; those without one are left out.
    """
    return b"".join(
        np.array([number, one.number + 1], dtype="<i8").tobytes()
        + one.embedding.astype("<f4").tobytes()
        for one in alleles
        if one.embedding is not None
    )


def write_embeddings(path: Path, source: Path, width: int) -> None:
    """Write the embeddings of all scored alleles; memory does not grow with their number.

    Args:
        path: ``.npz`` or ``.parquet``: ``record`` (number of the record in the file, from 1 on),
            ``allele`` (which of its alternatives, from 1 on) and ``delta`` (its embedding).
        source: What :func:`embedding_bytes` gave, one behind the other.
        width: Numbers per embedding.

    Raises:
        OutputError: If the file cannot be written there.
    """
    row = np.dtype([("record", "<i8"), ("allele", "<i8"), ("delta", "<f4", (width,))])
    count = source.stat().st_size // row.itemsize
    rows = np.memmap(source, dtype=row, mode="r") if count else np.zeros(0, row)
    parts = range(0, count, _ROWS_AT_ONCE)
    with atomic_write(path) as unfinished:
        if path.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            kinds = (pa.int64(), pa.int64(), pa.list_(pa.float32(), width))
            schema = pa.schema(list(zip(_FIELDS, kinds, strict=True)))
            with pq.ParquetWriter(unfinished, schema) as table:
                for start in parts:
                    some = rows[start : start + _ROWS_AT_ONCE]
                    flat = pa.array(np.ascontiguousarray(some["delta"]).reshape(-1))
                    table.write_batch(
                        pa.record_batch(
                            [
                                pa.array(np.ascontiguousarray(some["record"])),
                                pa.array(np.ascontiguousarray(some["allele"])),
                                pa.FixedSizeListArray.from_arrays(flat, width),
                            ],
                            schema=schema,
                        )
                    )
            return
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name in _FIELDS:
                kind, _ = row.fields[name][:2]  # type: ignore[index]
                start_of_file = io.BytesIO()
                np.lib.format.write_array_header_1_0(
                    start_of_file,
                    {"descr": kind.base.str, "fortran_order": False,
                     "shape": (count, *kind.shape)},
                )  # fmt: skip
                with archive.open(f"{name}.npy", "w", force_zip64=True) as handle:
                    handle.write(start_of_file.getvalue())
                    for start in parts:
                        handle.write(rows[name][start : start + _ROWS_AT_ONCE].tobytes())
