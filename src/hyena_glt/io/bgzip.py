"""The blocks of bgzipped files, each of which is unpacked without the others.

A bgzipped file is gzip in blocks of at most 64 KiB, the last of which is empty.  A ``.gzi`` file
holds where each block begins.

Source:
    https://www.htslib.org/doc/bgzip.html and the SAM format, section 4.1,
    https://samtools.github.io/hts-specs/SAMv1.pdf
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hyena_glt.errors import DataError

_BGZF_MAGIC = b"\x1f\x8b\x08\x04"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def is_bgzip(start: bytes) -> bool:
    """Tell bgzip from ordinary gzip by its first bytes.

    Args:
        start: At least 18 bytes.
    """
    return start[:4] == _BGZF_MAGIC and start[12:14] == b"BC"


def scan_blocks(handle: BinaryIO, path: str | Path) -> bytes:
    """Make the content of the ``.gzi`` file of a bgzipped file.

    Args:
        handle: The packed bytes, from their beginning.
        path: Name of the file, for messages.

    Returns:
        The number of blocks but the first, and for each the offset in the packed and in the
        unpacked file; all 64-bit, little-endian.

    Raises:
        DataError: If the file is damaged or cut short.
    """
    pairs = list(_blocks(handle, path))
    handle.seek(-min(len(_BGZF_END), handle.tell()), os.SEEK_CUR)
    if handle.read() != _BGZF_END:
        raise DataError("the bgzip data stop early: the file is cut short", path=path)
    # Like bgzip, without the first block and without the empty one that marks the end.
    offsets = [number for pair in pairs[1:-1] for number in pair]
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets) // 2, *offsets)


def _blocks(handle: BinaryIO, path: str | Path) -> Iterator[tuple[int, int]]:
    """Offset of each block in the packed and in the unpacked file."""
    packed = unpacked = 0
    while start := handle.read(18):
        size = int.from_bytes(start[16:18], "little") + 1
        if len(start) < 18 or not is_bgzip(start) or size < len(_BGZF_END):
            raise DataError(f"the bgzip data are damaged at byte {packed}", path=path)
        handle.seek(packed + size - 4)
        tail = handle.read(4)
        if len(tail) < 4:
            raise DataError("the bgzip data stop early: the file is cut short", path=path)
        yield packed, unpacked
        packed, unpacked = packed + size, unpacked + int.from_bytes(tail, "little")


def unpacked_size(blocks: bytes, handle: BinaryIO) -> int | None:
    """Size of a bgzipped file when it is unpacked, without unpacking it.

    Args:
        blocks: Content of its ``.gzi`` file.
        handle: The packed bytes.

    Returns:
        Bytes; None if the ``.gzi`` file is that of another file.
    """
    count = int.from_bytes(blocks[:8], "little")
    if len(blocks) < 8 or len(blocks) != 8 + 16 * count:
        return None
    packed, unpacked = struct.unpack("<2Q", blocks[-16:]) if count else (0, 0)
    size = handle.seek(0, os.SEEK_END)
    handle.seek(min(packed, size))
    start = handle.read(18)
    end = packed + int.from_bytes(start[16:18], "little") + 1
    if not is_bgzip(start) or end + len(_BGZF_END) != size:
        return None
    handle.seek(end - 4)
    return int(unpacked) + int.from_bytes(handle.read(4), "little")
