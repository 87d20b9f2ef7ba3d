"""Where in a file each sequence stands, found in one pass and without holding the file.

Offsets are in bytes from the start of the file, 0-based and half-open.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

LINE_ENDS = b"\r\n"

_BLOCK = 1 << 22  # bytes
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-."

AddRecord = Callable[[bytes, int, int, int], None]
"""Takes the name of a record, its first byte, the end of its last line, and its letters."""


class TextFinder:
    """Looks for one text after the other in a file.

    Each is looked for behind the one before.  What stands between them is not looked at: so this
    does for every format that writes a sequence in one piece.  A text may be found before the place
    it was read from, in a name for example; that does no harm, for it is the same text.

    Args:
        path: The file, not compressed.
    """

    def __init__(self, path: str | Path) -> None:
        self._handle = Path(path).open("rb")  # noqa: SIM115 - see close()
        self._block = b""
        self._offset = 0  # of the block in the file
        self._at = 0  # in the block

    def find(self, text: bytes) -> int | None:
        """Offset of the next occurrence; None if there is none.

        Args:
            text: What to look for.
        """
        while True:
            found = self._block.find(text, self._at)
            if found >= 0:
                self._at = found + len(text)
                return self._offset + found
            keep = max(self._at, len(self._block) - len(text) + 1)
            more = self._handle.read(max(_BLOCK, len(text)))
            if not more:
                return None
            self._block = self._block[keep:] + more
            self._offset += keep
            self._at = 0

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def scan_fasta(handle: BinaryIO, add: AddRecord) -> bool:
    """Find the records of a FASTA file; lines may have any length.

    Args:
        handle: The file, at its start.
        add: Called for each record, in the order of the file.

    Returns:
        False as soon as anything is unusual, such as a comment, a record without letters or a sign
        that is no letter: a reader that knows all rules has to judge it then.
    """
    header: bytes | None = None  # what was read so far of a header line
    name, start, letters = b"", -1, 0
    offset, after_line_end = 0, True
    while block := handle.read(_BLOCK):
        strange = _strange(block)
        at = 0
        while at < len(block):
            if header is None:
                head = _next_head(block, at, after_line_end)
                letters += head - at - block.count(b"\n", at, head) - block.count(b"\r", at, head)
                at = head
                if start < 0 and (letters or head == len(block)):
                    return False  # something before the first record
                if head == len(block):
                    break
                if start >= 0:
                    if not letters:
                        return False
                    add(name, start, offset + head, letters)
                header, letters = b"", 0
            end = block.find(b"\n", at)
            piece = block[at : end if end >= 0 else len(block)]
            strange -= _strange(piece)
            header += piece
            if end < 0:
                break
            name = (header[1:].split(maxsplit=1) or [b""])[0]
            if not name or header[1:2].isspace() or not header.isascii():
                return False
            header, at = None, end + 1
            start = offset + at
        if strange:
            return False
        after_line_end = block.endswith(b"\n")
        offset += len(block)
    if header is not None or not letters:
        return False
    add(name, start, offset, letters)
    return True


def _next_head(block: bytes, at: int, after_line_end: bool) -> int:
    """Where the next header line begins; the end of the block if none does."""
    if at == 0 and after_line_end and block[:1] == b">":
        return 0
    found = block.find(b"\n>", max(at - 1, 0))
    return len(block) if found < 0 else found + 1


def _strange(text: bytes) -> int:
    """Count the bytes that are no letters of a sequence."""
    return len(text.translate(None, delete=_LETTERS + LINE_ENDS))
