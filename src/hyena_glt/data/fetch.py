"""Files from the internet, fetched whole, checked, and resumed where a connection broke.

A file grows as ``NAME.part`` and takes its name when it is complete and its checksum is right; its
SHA-256 then lies beside it as ``NAME.sha256``, in the format of ``sha256sum``, and is verified
whenever the file is asked for again.  What ``NAME.part`` is a part of (address, length, version on
the server) stands in ``NAME.part.json``: if the file on the server changes, the download starts
again.
"""

import errno
import hashlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hyena_glt.data.public_sets import RemoteFile, find_set
from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.io.atomic import atomic_write

Progress = Callable[[str, int, int | None], None]
"""Called with the name of the file, the bytes that are there, and the bytes of the whole."""

_BLOCK = 1 << 18
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers of a server that has a bad moment
_TRIES = 5
_SECONDS = 30.0  # without a byte


@dataclass(frozen=True)
class Fetched:
    """A file that is there and right.

    Attributes:
        path: Where it is.
        size: Bytes.
        sha256: Its checksum.
        new: Whether it was downloaded now; False if it was there already.
        checked: What the checksum was compared with.
    """

    path: Path
    size: int
    sha256: str
    new: bool
    checked: str


def fetch(
    name_or_url: str,
    folder: str | Path,
    *,
    sha256: str | None = None,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    wait: float = 1.0,
) -> list[Fetched]:
    """Fetch a public set by its name, or any file by its address.

    Args:
        name_or_url: A name of :data:`~hyena_glt.data.public_sets.PUBLIC_SETS`, or an address that
            begins with ``https://`` or ``http://``.
        folder: Where to; a set gets a folder of its own in it, called by its name.
        sha256: The checksum that the file must have; only with an address.
        overwrite: Forget a file that is there, and its checksum, and fetch it again.
        on_progress: Told how far it is, after every block.
        wait: Seconds before the first new try; they double with each that fails.

    Returns:
        The files, all of them complete and verified.

    Raises:
        ConfigError: If the name is unknown or the address is none.
        DataError: If the server cannot be reached, has no such file, or sends another one than the
            checksum says; names the address.
        OutputError: If the file cannot be written, for example on a full disk.
    """
    if "://" in name_or_url:
        name = _name_in(name_or_url)
        if name in ("", ".", ".."):
            raise ConfigError(f"{name_or_url}: the address ends in no name of a file")
        files: tuple[RemoteFile, ...] = (RemoteFile(name, name_or_url, sha256),)
        target = Path(folder)
    else:
        if sha256 is not None:
            raise ConfigError("a checksum goes with an address, not with the name of a set")
        chosen = find_set(name_or_url)
        files, target = chosen.files, Path(folder) / chosen.name
    return [
        fetch_file(file, target, overwrite=overwrite, on_progress=on_progress, wait=wait)
        for file in files
    ]


def fetch_file(
    file: RemoteFile,
    folder: Path,
    *,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    wait: float = 1.0,
) -> Fetched:
    """Fetch one file; see :func:`fetch`.

    Args:
        file: Address and checksums.
        folder: Where to.
        overwrite: Fetch again what is there.
        on_progress: Told how far it is.
        wait: Seconds before the first new try.

    Returns:
        The file.

    Raises:
        ConfigError: If the address is none.
        DataError: If the file cannot be had, or is not the one it should be.
        OutputError: If it cannot be written.
    """
    if urlsplit(file.url).scheme not in ("http", "https") or not urlsplit(file.url).hostname:
        raise ConfigError(f"{file.url}: an address begins with https:// or http://")
    try:
        return _fetch_file(file, folder / file.name, overwrite, on_progress, wait)
    except OutputError:
        raise
    except OSError as error:
        raise _cannot_write(folder / file.name, error) from error


def _fetch_file(
    file: RemoteFile, target: Path, overwrite: bool, on_progress: Progress | None, wait: float
) -> Fetched:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{file.name}.sha256")
    if overwrite:
        for old in (target, beside, *_Part(target).paths):
            old.unlink(missing_ok=True)
    known = file.sha256 or _read_checksum(beside)
    if target.exists():
        return _already_there(target, beside, known)
    part = _download(file.url, target, on_progress, wait)
    found, checked = _checksum(part, "sha256"), "length"
    if known is not None:
        _compare(part, target, file.url, known.lower(), found, "SHA-256")
        checked = "known SHA-256" if file.sha256 else "SHA-256 of the first download"
    elif file.md5_list is not None:
        listed = _listed_md5(file, wait)
        if listed is not None:
            _compare(part, target, file.url, listed, _checksum(part, "md5"), "MD5")
            checked = "MD5 of the source"
    size = part.stat().st_size
    part.replace(target)
    _Part(target).forget()
    with atomic_write(beside) as unfinished:
        unfinished.write_text(f"{found}  {file.name}\n", encoding="utf-8")
    return Fetched(target, size, found, new=True, checked=checked)


class _Part:
    """A download under way, and what it is a part of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.state = target.with_name(f"{target.name}.part.json")
        self.paths = (self.path, self.state)

    def version(self) -> "_Version | None":
        """What the part was begun from; None where nothing usable is there."""
        try:
            if self.path.stat().st_size:
                return _Version(**json.loads(self.state.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            pass
        return None

    def begin(self, version: "_Version") -> None:
        """Start with nothing."""
        self.path.write_bytes(b"")
        self.state.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def forget(self) -> None:
        """Remove all but the finished file."""
        for path in self.paths:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Version:
    """What a server says of a file; two downloads with one version are of the same bytes."""

    url: str
    size: int | None
    etag: str | None
    modified: str | None

    @property
    def validator(self) -> str | None:
        """What ``If-Range`` may hold: a weak ETag promises no equal bytes."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.modified


def _download(url: str, target: Path, on_progress: Progress | None, wait: float) -> Path:
    """Get the whole file into ``NAME.part``, in as many tries as it takes while there is hope."""
    part = _Part(target)
    failures = 0
    while True:
        before = part.path.stat().st_size if part.path.exists() else 0
        try:
            _continue(url, part, target.name, on_progress)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _PASSING:
                raise DataError(_refusal(url, error)) from None
            problem = f"the server answers {error.code} {error.reason}"
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise DataError(
                    f"{url}: the server's certificate is not trusted ({error.reason})"
                ) from None
            problem = f"the server cannot be reached ({error.reason}); is there a network?"
        except (
            http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError,
        ) as error:  # fmt: skip
            problem = f"the connection broke ({error or type(error).__name__})"
        else:
            return part.path
        grown = part.path.exists() and part.path.stat().st_size > before
        failures = 1 if grown else failures + 1
        if failures >= _TRIES:
            kept = part.path.stat().st_size if part.path.exists() else 0
            more = f"; {kept:,} bytes are kept, the same command goes on from there" if kept else ""
            raise DataError(f"{url}: {problem}{more}")
        time.sleep(wait * 2 ** (failures - 1))


def _continue(url: str, part: _Part, name: str, on_progress: Progress | None) -> None:
    """Get what is missing, or all if the file has changed on the server.

    Raises:
        http.client.IncompleteRead: If the connection ends before the file does.
    """
    version = part.version()
    if version is not None and version.url != url:
        version = None
    have = part.path.stat().st_size if version is not None else 0
    if version is not None and have == version.size:
        return
    headers = {"User-Agent": "hyena-glt", "Accept-Encoding": "identity"}
    if version is not None:
        headers["Range"] = f"bytes={have}-"
        if version.validator is not None:
            headers["If-Range"] = version.validator
    try:
        answer = _open(url, headers)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing behind what is there: the file became shorter
            raise
        error.close()
        part.forget()
        _continue(url, part, name, on_progress)
        return
    with answer:
        start, found = _version(url, answer)
        if start == 0:
            part.begin(found)
            have = 0
        elif start != have or found != version:  # a piece of another file
            part.forget()
            _continue(url, part, name, on_progress)
            return
        total = found.size
        with part.path.open("ab") as sink:
            for block in iter(lambda: answer.read(_BLOCK), b""):
                sink.write(block)
                have += len(block)
                if on_progress is not None:
                    on_progress(name, have, total)
    if total is not None and have != total:
        raise http.client.IncompleteRead(b"", total - have)


def _open(url: str, headers: dict[str, str]) -> Any:
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_SECONDS)


def _version(url: str, answer: Any) -> tuple[int, _Version]:
    """First byte of an answer, and the version of the whole file."""
    start, size = 0, None
    if answer.status == 206:
        span, _, whole = answer.headers.get("Content-Range", "").partition("/")
        first = span.removeprefix("bytes ").partition("-")[0]
        start = int(first) if first.isdigit() else -1
        size = int(whole) if whole.isdigit() else None
    else:
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else None
    headers = answer.headers
    return start, _Version(url, size, headers.get("ETag"), headers.get("Last-Modified"))


def _already_there(target: Path, beside: Path, known: str | None) -> Fetched:
    found = _checksum(target, "sha256")
    if known is None:
        raise OutputError(
            f"{target}: a file is there that was not fetched by this command; move it away, or "
            "overwrite it"
        )
    if found != known.lower():
        raise DataError(
            f"{target}: the file has changed since it was fetched: its SHA-256 is {found}, "
            f"{known} was expected; remove it or overwrite it to fetch it again"
        )
    if not beside.exists():
        with atomic_write(beside) as unfinished:
            unfinished.write_text(f"{found}  {target.name}\n", encoding="utf-8")
    return Fetched(
        target, target.stat().st_size, found, new=False, checked="SHA-256 of the first download"
    )


def _compare(part: Path, target: Path, url: str, expected: str, found: str, kind: str) -> None:
    """Refuse a file with a wrong checksum, and put it aside for a look at it."""
    if found == expected:
        return
    aside = target.with_name(f"{target.name}.rejected")
    part.replace(aside)
    _Part(target).forget()
    raise DataError(
        f"{url}: not the file that was expected: its {kind} is {found}, {expected} was expected; "
        f"what came is kept as {aside}"
    )


def _listed_md5(file: RemoteFile, wait: float) -> str | None:
    """Look the file up in the list of its source; None where the list does not name it."""
    name = _name_in(file.url)
    for failures in range(_TRIES):
        try:
            with _open(str(file.md5_list), {"User-Agent": "hyena-glt"}) as answer:
                text = answer.read().decode("utf-8", "replace")
            break
        except OSError as error:
            if failures == _TRIES - 1:
                raise DataError(f"{file.md5_list}: the checksums cannot be had ({error})") from None
            time.sleep(wait * 2**failures)
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[1].removeprefix("*").removeprefix("./") == name:
            return fields[0].lower()
    return None


def _name_in(url: str) -> str:
    # Unquoted first: a quoted stroke must not lead out of the folder.
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _checksum(path: Path, kind: str) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()


def _read_checksum(beside: Path) -> str | None:
    try:
        text = beside.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    if not text or len(text[0]) != 64:
        raise DataError("not a SHA-256 checksum; remove this file to fetch anew", path=beside)
    return text[0]


def _refusal(url: str, error: urllib.error.HTTPError) -> str:
    reasons = {
        401: "the server wants a login, and this command has none",
        403: "the server forbids it",
        404: "there is no such file on the server",
        410: "the file was removed from the server",
    }
    return f"{url}: {reasons.get(error.code, 'the server refuses')} ({error.code} {error.reason})"


def _cannot_write(target: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"{target}: the disk is full; what came so far is kept, make room and run the same "
            "command again"
        )
    return OutputError(f"{target}: cannot be written ({error.strerror or error})")
