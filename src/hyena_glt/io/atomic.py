"""Results that are there whole or not at all.

What is written goes to a hidden neighbour first and takes its final name in one step at the end,
so that a reader never meets half a file, and a run that dies leaves the old result as it was.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyena_glt.errors import OutputError

_UNFINISHED = re.compile(r"\.[0-9a-f]{8}\..+")


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    r"""Write a file that appears only when it is complete.

    Folders above it are made as needed.  Something that is no plain file, such as
    ``/dev/stdout`` or a pipe, is written to directly.

    Args:
        path: Where the file shall be; an old one is replaced.

    Yields:
        The path to write to meanwhile: same folder, same endings.

    Raises:
        OutputError: If the file cannot be written there.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "peaks.bed"
        >>> with atomic_write(target) as unfinished:
        ...     _ = unfinished.write_text("chr1\t0\t10\n")
        ...     target.exists()
        False
        >>> target.exists()
        True
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{target}: this is a folder, a file is to be written there")
    if target.exists() and not target.is_file():
        yield target
        return
    target = target.resolve()  # through a symbolic link, so that the link stays a link
    unfinished = _neighbour(target)
    with _telling(target, unfinished):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield unfinished
            _flush_to_disk(unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a folder that appears only when it is complete.

    Args:
        path: Where the folder shall be.  Folders above it are made as needed.
        overwrite: Replace a folder that is there and not empty, with all that is in it.

    Yields:
        An empty folder to fill meanwhile, beside the final one.

    Raises:
        OutputError: If the folder is there already, or cannot be written.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target}: this is a file, a folder is to be written there")
    if target.is_dir() and not overwrite and any(target.iterdir()):
        raise OutputError(f"{target}: the folder is there already and not empty")
    unfinished, old = _neighbour(target), _neighbour(target)
    with _telling(target, unfinished):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished.mkdir()
            yield unfinished
            for file in unfinished.rglob("*"):
                if file.is_file():
                    _flush_to_disk(file)
            if target.exists():
                target.rename(old)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            if old.exists() and not target.exists():
                old.rename(target)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def atomic_files(folder: str | Path) -> Iterator[Path]:
    """Put files into a folder that may hold others; none of them appears before all are complete.

    Args:
        folder: Where the files shall be; made if needed.  Old ones of the same name are replaced.

    Yields:
        An empty folder to fill meanwhile, inside the final one.

    Raises:
        OutputError: If they cannot be written there.
    """
    target = Path(folder).resolve()
    unfinished = _neighbour(target / "unfinished")
    with _telling(target, unfinished):
        try:
            unfinished.mkdir(parents=True)
            yield unfinished
            files = sorted(unfinished.iterdir())
            for file in files:
                _flush_to_disk(file)
            for file in files:
                file.replace(target / file.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers left unfinished in a folder, and in those inside it, when they died.

    Args:
        folder: In which nobody writes now; may be missing.
    """
    for path in [*folder.rglob(".*")]:
        if not _UNFINISHED.match(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def write_faults_told(path: str | Path) -> Iterator[None]:
    """Turn the operating system's complaint, such as a full disk, into an ``OutputError``.

    Args:
        path: What is written meanwhile.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _neighbour(target: Path) -> Path:
    # The endings stay: libraries choose the format by them, or add one that is missing.
    return target.with_name(f".{secrets.token_hex(4)}.{target.name}")


@contextmanager
def _telling(target: Path, unfinished: Path) -> Iterator[None]:
    """Turn the operating system's complaint about our own paths into an ``OutputError``."""
    ours = (target, unfinished, *target.parents)
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        about = error.filename
        if about is not None and Path(about) not in ours and unfinished not in Path(about).parents:
            raise
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
