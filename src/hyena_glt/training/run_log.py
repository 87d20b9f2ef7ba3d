"""The log of a run: one JSON object a line, written as it happens.

Events: ``step`` (a training step), ``evaluation`` (loss and metrics of a split), ``note`` (a
decision the program took for the user).
"""

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from hyena_glt.io.atomic import atomic_write, write_faults_told


class RunLog:
    """Append events to a JSONL file, and keep them in memory, with those that it holds already.

    Args:
        path: File to write; None keeps the events in memory only.

    Raises:
        OutputError: If the file cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.start = time.perf_counter()
        self._path = path
        self._file: TextIO | None = None
        if path is not None:
            with write_faults_told(path):
                self._file = path.open("a", encoding="utf-8")
            self.events = _events(path)

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; events stay in memory."""
        if self._file is not None:
            # What a full disk did not take was told when it was written.
            with suppress(OSError):
                self._file.close()

    def write(self, event: str, **values: Any) -> None:
        """Append an event.

        Args:
            event: ``step``, ``evaluation`` or ``note``.
            values: What happened; numbers that are not finite are written as null.

        Raises:
            OutputError: If it cannot be written.
        """
        seconds = round(time.perf_counter() - self.start, 3)
        entry = finite({"event": event, **values, "seconds": seconds})
        self.events.append(entry)
        if self._path is not None and self._file is not None:
            with write_faults_told(self._path):
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()

    def has_note(self, message: str) -> bool:
        """Whether a note is there already, as in the log of a training that goes on.

        Args:
            message: Its text.
        """
        return any(event.get("message") == message for event in self.events)

    def go_back(self, step: int, seconds: float | None = None) -> None:
        """Drop all that happened after a step, and read the clock as it stood then.

        For a training that goes on from a checkpoint: it will write these events again, and test
        again too.

        Args:
            step: Last step, from 1, whose events are kept; 0 keeps what came before the first.
            seconds: Time that had passed; None takes that of the last event that is kept.

        Raises:
            OutputError: If the file cannot be written.
        """
        self.events = _until(self.events, step)
        if self._path is not None and self._file is not None:
            self.close()
            with atomic_write(self._path) as unfinished:
                lines = "".join(json.dumps(event) + "\n" for event in self.events)
                unfinished.write_text(lines, encoding="utf-8")
            with write_faults_told(self._path):
                self._file = self._path.open("a", encoding="utf-8")
        if seconds is None:
            seconds = max((event.get("seconds", 0.0) for event in self.events), default=0.0)
        self.start = time.perf_counter() - seconds


def _events(path: Path) -> list[dict[str, Any]]:
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:  # cut short when the run died
            continue
    return events


def _until(events: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """The events up to a step; those without one as far as they came before its last."""
    end, begun = 0, False
    for number, event in enumerate(events, 1):
        at = event.get("step")
        begun = begun or at is not None
        if not begun or (at is not None and at <= step and event.get("split") != "test"):
            end = number
    return [event for event in events[:end] if event.get("step", 0) <= step]


@contextmanager
def warnings_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each warning once, however many epochs give it, when all is done.

    Args:
        tell: Takes a sentence.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(entry.message) for entry in caught):
        tell(f"warning: {text}")


def finite(value: Any) -> Any:
    """Replace numbers that JSON cannot hold (nan, infinity) by None, at any depth.

    Args:
        value: Numbers, strings, lists, dictionaries.
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
