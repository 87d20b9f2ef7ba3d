"""Files opened for reading, gzipped or not, whose faults are told in one line.

A missing file, a folder, a file that may not be read, an empty one, gzip data that stop early or
are damaged, bytes that are no text: each becomes a :class:`~hyena_glt.errors.DataError` that
names the file.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from hyena_glt.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file as bytes, unpacked where its first two bytes say gzip.

    Faults that show up while the caller reads are told as well.

    Args:
        path: The file; pipes work too.

    Yields:
        The bytes, unpacked.

    Raises:
        DataError: If the file is missing, empty, unreadable or damaged.
    """
    try:
        with Path(path).open("rb") as raw:
            start = raw.peek(2)[:2]
            if not start:
                raise DataError("the file is empty", path=path)
            if start == _GZIP_MAGIC:
                with gzip.open(raw, "rb") as unpacked:
                    yield cast("BinaryIO", unpacked)
            elif str(path).endswith(".gz"):
                raise DataError("the name ends in .gz but there is no gzip data in it", path=path)
            else:
                yield raw
    except FileNotFoundError:
        raise DataError("no such file", path=path) from None
    except IsADirectoryError:
        raise DataError("this is a folder, a file is wanted", path=path) from None
    except PermissionError:
        raise DataError("no permission to read this file", path=path) from None
    except EOFError:
        raise DataError("the gzip data stop early: the file is cut short", path=path) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"the gzip data are damaged ({error})", path=path) from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"this is no text file: it holds the byte 0x{byte:02x}", path=path
        ) from None


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, unpacked where it is gzipped.

    Line ends come through as they are in the file, as :mod:`csv` wants them.

    Args:
        path: The file; pipes work too.

    Yields:
        The text, without a byte order mark.

    Raises:
        DataError: If the file is missing, empty, unreadable, damaged or no text.
    """
    with (
        open_bytes(path) as handle,
        io.TextIOWrapper(handle, encoding="utf-8-sig", newline="") as text,
    ):
        yield text
