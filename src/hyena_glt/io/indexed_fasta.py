"""Genomes read at random places, from a file that stays on disk.

FASTA file, plain or bgzipped -> index beside it -> any stretch of any contig

A genome of any size costs the memory of its index.  Positions are 0-based and half-open, in bases,
on the strand of the file.
"""

import difflib
import gzip
import hashlib
import os
import weakref
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.bgzip import is_bgzip, scan_blocks, unpacked_size
from hyena_glt.io.fasta_index import Index, agrees, end_of, index_text, read_index, scan_fasta
from hyena_glt.io.files import STANDARD_INPUT, faults_told
from hyena_glt.io.records import strange_letter

_GZIP_MAGIC = b"\x1f\x8b"
_LINE_ENDS = b"\r\n"
_LONGEST_END = 64  # bytes of line ends behind the last base


class IndexedFasta:
    r"""The contigs of a FASTA file, any stretch of them at once.

    A missing index (``.fai``, for bgzipped files also ``.gzi``) is built and kept beside the file,
    or in the user's cache folder where that cannot be written.  One that is older than the file or
    does not fit it is built anew.

    The object may be pickled and may be used by forked processes; each opens the file for itself.

    Args:
        path: FASTA file, plain or compressed by bgzip; all lines of a contig but the last must be
            equally long.

    Raises:
        DataError: If the file cannot be read, is packed by ordinary gzip, or breaks a rule of
            FASTA; names the line.
        OutputError: If the index of a bgzipped file can be kept in neither place.

    Attributes:
        path: The file.
        contigs: Length of each contig in bases, in the order of the file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "genome.fa"
        >>> _ = path.write_text(">chr1\nACGTA\nCGTAC\nGT\n>chr2\nttga\n")
        >>> genome = IndexedFasta(path)
        >>> genome.contigs, genome.fetch("chr1", 4, 11)
        ({'chr1': 12, 'chr2': 4}, 'ACGTACG')
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with _open(self.path) as handle:
            start = handle.read(18)
            self._packed = start[:2] == _GZIP_MAGIC
            if self._packed and not is_bgzip(start):
                raise DataError(
                    "ordinary gzip cannot be read at random places: unpack the file (gunzip), or "
                    "pack it anew with bgzip",
                    path=path,
                )
            self._index_path, self._blocks_path = _index_paths(self.path)
            self._index = self._load(handle)
        self.contigs: dict[str, int] = {name: entry.bases for name, entry in self._index.items()}
        self._handle: tuple[int, Any] | None = None  # process, and what it reads from

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Read a stretch of a contig.

        Args:
            contig: Its name.
            start: First base, 0-based.
            end: Behind the last base.

        Returns:
            ``end - start`` letters, in the case of the file.

        Raises:
            DataError: If there is no such contig, the stretch does not lie within it, or the file
                holds something else than letters there.
        """
        return self._read(contig, start, end).decode("ascii")

    def fetch_bytes(self, contig: str, start: int, end: int) -> NDArray[np.uint8]:
        """Read a stretch of a contig as numbers.

        Args:
            contig: Its name.
            start: First base, 0-based.
            end: Behind the last base.

        Returns:
            (end - start,) ASCII codes, read-only, in the case of the file.

        Raises:
            DataError: As :meth:`fetch` does.
        """
        return np.frombuffer(self._read(contig, start, end), dtype=np.uint8)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handle": None}

    def _read(self, contig: str, start: int, end: int) -> bytes:
        entry = self._index.get(contig)
        if entry is None:
            raise DataError(self._unknown(contig), path=self.path)
        if not 0 <= start <= end <= entry.bases:
            raise DataError(
                f"{contig}:{start}-{end} (0-based, half-open) does not lie within the contig, "
                f"which has {entry.bases:,} bases",
                path=self.path,
            )
        if start == end:
            return b""
        if self._packed:
            letters = self._read_packed(contig, start, end)
        else:
            first, last = entry.byte_of(start), entry.byte_of(end - 1)
            raw = os.pread(self._descriptor(), last + 1 - first, first)
            letters = raw.translate(None, _LINE_ENDS)
        if len(letters) != end - start or not letters.isalpha():
            self._check(letters, contig, start, end)
        return letters

    def _read_packed(self, contig: str, start: int, end: int) -> bytes:
        try:
            return cast("str", self._htslib().fetch(contig, start, end)).encode("ascii")
        except (ValueError, OSError) as error:
            raise DataError(
                f"{contig}:{start}-{end} cannot be unpacked, the file is damaged ({error})",
                path=self.path,
            ) from None

    def _check(self, letters: bytes, contig: str, start: int, end: int) -> None:
        if len(letters) != end - start:
            raise DataError(
                f"{contig}:{start}-{end}: {end - start} letters expected, got {len(letters)}; the "
                "file has changed since its index was read",
                path=self.path,
            )
        strange = strange_letter(letters.decode("latin-1"))
        if strange is not None:
            raise DataError(
                f"{contig}:{start}-{end} holds {strange!r}, which is no letter of any sequence",
                path=self.path,
            )

    def _unknown(self, contig: str) -> str:
        twins = [f"chr{contig}", contig.removeprefix("chr")]
        close = [name for name in twins if name in self._index and name != contig]
        close += difflib.get_close_matches(contig, list(self._index)[:1000], n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        names = ", ".join(list(self._index)[:5]) + (", ..." if len(self._index) > 5 else "")
        return f"no contig {contig!r}{hint}; contigs of this file: {names}"

    def _descriptor(self) -> int:
        # Reading at an offset shares no position, so a forked process may use it as well.
        if self._handle is None:
            with _open(self.path) as handle:
                descriptor = os.dup(handle.fileno())
            weakref.finalize(self, os.close, descriptor)
            self._handle = (os.getpid(), descriptor)
        return cast("int", self._handle[1])

    def _htslib(self) -> Any:
        if self._handle is None or self._handle[0] != os.getpid():
            from pysam import FastaFile

            reader = FastaFile(
                str(self.path),
                filepath_index=str(self._index_path),
                filepath_index_compressed=str(self._blocks_path),
            )
            self._handle = (os.getpid(), reader)
        return self._handle[1]

    def _load(self, handle: BinaryIO) -> Index:
        """Read the index, or build and keep it."""
        for fai, gzi in (_index_paths(self.path), _cache_paths(self.path)):
            self._index_path, self._blocks_path = fai, gzi
            files = (fai, gzi) if self._packed else (fai,)
            if all(_is_newer(file, self.path) for file in files):
                index = read_index(_content(fai).decode("utf-8", "replace"))
                if index is not None and self._agrees(index, handle):
                    return index
        return self._build(handle)

    def _agrees(self, index: Index, handle: BinaryIO) -> bool:
        if not self._packed:
            return agrees(index, handle)
        size = unpacked_size(_content(self._blocks_path), handle)
        return size is not None and 0 <= size - end_of(index) <= _LONGEST_END

    def _build(self, handle: BinaryIO) -> Index:
        handle.seek(0)
        if self._packed:
            blocks = scan_blocks(handle, self.path)
            handle.seek(0)
            with faults_told(self.path), gzip.open(handle, "rb") as unpacked:
                index = scan_fasta(cast("BinaryIO", unpacked), self.path)
        else:
            blocks = b""
            index = scan_fasta(handle, self.path)
        for fai, gzi in (_index_paths(self.path), _cache_paths(self.path)):
            self._index_path, self._blocks_path = fai, gzi
            try:
                with atomic_write(fai) as unfinished:
                    unfinished.write_text(index_text(index), encoding="utf-8")
                if self._packed:
                    with atomic_write(gzi) as unfinished:
                        unfinished.write_bytes(blocks)
            except OutputError:
                continue
            return index
        if self._packed:
            raise OutputError(
                f"{self.path}: neither beside it nor in {fai.parent} can an index be written"
            )
        return index


def _open(path: Path) -> BinaryIO:
    if str(path) == STANDARD_INPUT:
        raise DataError("the standard input cannot be read at random places: a file is wanted")
    with faults_told(path):
        handle = path.open("rb")
    if not handle.seekable():
        handle.close()
        raise DataError("a pipe cannot be read at random places: a file is wanted", path=path)
    if not handle.peek(1):
        handle.close()
        raise DataError("the file is empty", path=path)
    return handle


def _index_paths(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}.fai"), path.with_name(f"{path.name}.gzi")


def _cache_paths(path: Path) -> tuple[Path, Path]:
    home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(home) if home else Path("~/.cache").expanduser()
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return _index_paths(folder / "hyena_glt" / "fasta" / key / path.name)


def _is_newer(index: Path, path: Path) -> bool:
    try:
        return index.stat().st_mtime_ns >= path.stat().st_mtime_ns
    except OSError:
        return False


def _content(index: Path) -> bytes:
    try:
        return index.read_bytes()
    except OSError:
        return b""
