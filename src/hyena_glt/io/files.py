"""Files opened for reading and writing, gzipped or not, whose faults are told in one line.

A missing file, a folder, a file that may not be read, an empty one, gzip data that stop early or
are damaged, bytes that are no text, formats that hold no text at all: each becomes a
:class:`~hyena_glt.errors.DataError` that names the file.  ``"-"`` is the standard input.
"""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from hyena_glt.errors import DataError
from hyena_glt.io.atomic import atomic_write

try:  # What dnaio itself unpacks with, several times faster; not made for every platform.
    from isal import igzip, isal_zlib

    _open_gzip = igzip.open
    _ZLIB_ERRORS = (zlib.error, cast("type[Exception]", isal_zlib.error))
except ImportError:
    _open_gzip = gzip.open
    _ZLIB_ERRORS = (zlib.error, zlib.error)

STANDARD_INPUT = "-"
PACKED_SUFFIXES = (".gz", ".bgz", ".bgzf")

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_HEAD = 4096  # bytes
_NO_TEXT = {
    b"\x43\x27\x41\x1a": "a 2bit genome; twoBitToFa turns it into FASTA",
    b"\x1a\x41\x27\x43": "a 2bit genome; twoBitToFa turns it into FASTA",
    b"BAM\x01": "BAM; samtools fastq turns it into FASTQ",
    b"CRAM\x02": "CRAM; samtools fastq turns it into FASTQ",
    b"CRAM\x03": "CRAM; samtools fastq turns it into FASTQ",
    b"BCF\x02": "BCF; bcftools view turns it into VCF",
    b"PAR1\x15": "a Parquet file, and text is wanted here",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"BZh91AY&SY": "packed with bzip2; unpack it, or use gzip",
    b"\xfd7zXZ\x00": "packed with xz; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or use gzip",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xfe": "text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "text in UTF-16; save it as UTF-8",
}


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file as bytes, unpacked where its first two bytes say gzip.

    Files of several gzip members, such as those of bgzip, are read through.  A mark of UTF-8 at the
    start is left out.  Faults that show up while the caller reads are told as well.

    Args:
        path: The file; pipes work too, and ``"-"`` is the standard input.

    Yields:
        The bytes, unpacked.

    Raises:
        DataError: If the file is missing, empty, unreadable, damaged, cut short or of a kind that
            holds no text.
    """
    with faults_told(path), _open_raw(path) as raw:
        start = raw.peek(_HEAD)
        if not start:
            raise DataError("the file is empty", path=path)
        if start.startswith(_GZIP_MAGIC):
            if start[12:14] == b"BC":
                _check_bgzf_end(path)
            with _open_gzip(raw, "rb") as unpacked:
                yield _after_mark(cast("io.BufferedReader", unpacked), path)
        elif str(path).lower().endswith(PACKED_SUFFIXES):
            ending = Path(path).suffix
            raise DataError(f"the name ends in {ending} but there is no gzip data in it", path=path)
        else:
            yield _after_mark(raw, path)


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, unpacked where it is gzipped.

    Line ends come through as they are in the file, as :mod:`csv` wants them.

    Args:
        path: The file; pipes work too, and ``"-"`` is the standard input.

    Yields:
        The text, without a byte order mark.

    Raises:
        DataError: As :func:`open_bytes` does, and if the file is no text.
    """
    with (
        open_bytes(path) as handle,
        io.TextIOWrapper(handle, encoding="utf-8", newline="") as text,
    ):
        yield text


@contextmanager
def write_text(path: str | Path) -> Iterator[TextIO]:
    r"""Open a file to write UTF-8 text, which appears when it is complete.

    Args:
        path: Where to; gzipped if the name ends in ``.gz``, always to the same bytes.

    Yields:
        What to write to; lines end in ``"\n"`` only.

    Raises:
        DataError: If something is written that UTF-8 has no bytes for.
        OutputError: If the file cannot be written there.
    """
    with atomic_write(path) as unfinished, unfinished.open("wb") as raw:
        handle: BinaryIO = raw
        if str(path).lower().endswith(".gz"):
            packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)
            handle = cast("BinaryIO", packed)
        try:
            with io.TextIOWrapper(handle, encoding="utf-8", newline="\n") as text:
                yield text
        except UnicodeEncodeError as error:
            sign = error.object[error.start]
            raise DataError(f"{sign!r} cannot be written as UTF-8") from None


def read_head(path: str | Path) -> bytes:
    """Look at the start of a file without taking anything from the standard input.

    Args:
        path: A file, or ``"-"`` for the standard input.

    Returns:
        Up to 4,096 bytes, unpacked, without blank space and mark of UTF-8 at the start.

    Raises:
        DataError: If the file cannot be read; also for other pipes, which can be read only once.
    """
    with faults_told(path):
        if str(path) == STANDARD_INPUT:
            head = _peek_standard_input()
        elif Path(path).exists() and not (Path(path).is_file() or Path(path).is_dir()):
            raise DataError(
                "the format of a pipe cannot be seen before it is read; hand it over as the "
                "standard input, with the name '-'",
                path=path,
            )
        else:
            with Path(path).open("rb") as raw:
                head = raw.read(_HEAD)
        if head.startswith(_GZIP_MAGIC):
            head = zlib.decompressobj(31).decompress(head, _HEAD)
    return head.removeprefix(_BYTE_ORDER_MARK).lstrip()


def refuse_no_text(start: bytes, path: str | Path) -> None:
    """Refuse what begins like a format that holds no text.

    Args:
        start: First bytes of a file, unpacked.
        path: The file, for the message.

    Raises:
        DataError: Says what the file is.
    """
    for magic, what in _NO_TEXT.items():
        if start.startswith(magic):
            raise DataError(f"this is {what}", path=path)


def plain_suffix(path: str | Path) -> str:
    """Ending of a name in lower case, without that of gzip.

    Args:
        path: Name of a file.

    Returns:
        For example ``.fa`` for ``x.FA.gz``.
    """
    name = Path(path).name.lower()
    for packed in PACKED_SUFFIXES:
        name = name.removesuffix(packed)
    return Path(name).suffix


@contextmanager
def faults_told(path: str | Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a ``DataError`` that names it.

    Args:
        path: The file.

    Raises:
        DataError: Says what is wrong.
    """
    try:
        yield
    except FileNotFoundError:
        raise DataError("no such file", path=path) from None
    except IsADirectoryError:
        raise DataError("this is a folder, a file is wanted", path=path) from None
    except NotADirectoryError:
        raise DataError("a part of this path is no folder", path=path) from None
    except PermissionError:
        raise DataError("no permission to read this file", path=path) from None
    except EOFError:
        raise DataError("the gzip data stop early: the file is cut short", path=path) from None
    except (gzip.BadGzipFile, *_ZLIB_ERRORS) as error:
        raise DataError(f"the gzip data are damaged ({error})", path=path) from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"this is no text file: it holds the byte 0x{byte:02x}", path=path
        ) from None


class _StandardInput(io.RawIOBase):
    """The standard input, which stays open when its reader is closed."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        data = cast("io.BufferedReader", sys.stdin.buffer).read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _open_raw(path: str | Path) -> io.BufferedReader:
    if str(path) == STANDARD_INPUT:
        return io.BufferedReader(_StandardInput())
    return Path(path).open("rb")


def _peek_standard_input() -> bytes:
    handle = sys.stdin.buffer
    if isinstance(handle, io.BufferedReader):
        return handle.peek(_HEAD)
    position = handle.tell()  # in memory, as a test or a notebook puts it there
    head = handle.read(_HEAD)
    handle.seek(position)
    return head


def _after_mark(handle: io.BufferedReader, path: str | Path) -> io.BufferedReader:
    start = handle.peek(16)
    refuse_no_text(start, path)
    if start.startswith(_BYTE_ORDER_MARK):
        handle.read(len(_BYTE_ORDER_MARK))
    return handle


def _check_bgzf_end(path: str | Path) -> None:
    """Every block of bgzip is whole by itself; only the last, empty one tells the end."""
    if not Path(path).is_file():
        return
    with Path(path).open("rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, size - len(_BGZF_END)))
        if handle.read() != _BGZF_END:
            raise DataError("the last block of bgzip is missing: the file is cut short", path=path)
