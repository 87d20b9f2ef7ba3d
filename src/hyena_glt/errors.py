"""What can go wrong, as types.

The tree; everything the package raises on a user's mistake hangs on it::

    HyenaGLTError
    ├── ConfigError        a setting is unknown, out of range or at odds with another one
    ├── DataError          a file, record, sequence or label breaks a rule
    │   └── AlphabetError  letters that the alphabet does not have
    ├── OutputError        a result cannot be written where it was asked for
    └── TrainingError      training cannot go on (for example, a loss that is not a number)
        └── TrainingStopped  training was asked to end (SIGTERM) and can be gone on with

Configuration and data errors are ``ValueError`` too, so code that knows nothing of this package
catches them.  The command line prints the message alone and exits with code 2.
"""

from pathlib import Path

_LONGEST = 600  # signs of a message


class HyenaGLTError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(HyenaGLTError, ValueError):
    """A setting is unknown, out of range or at odds with another one."""


class DataError(HyenaGLTError, ValueError):
    """A file, record, sequence or label breaks a rule.

    Args:
        message: What is wrong and which rule it breaks.
        path: File the trouble sits in; put before the message.
        line: 1-based line in that file; put after the path.
    """

    def __init__(
        self, message: str, *, path: str | Path | None = None, line: int | None = None
    ) -> None:
        if len(message) > _LONGEST:  # it quotes what stands in the file, which may be a genome
            message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + message)
        self.path = path
        self.line = line


class AlphabetError(DataError):
    """A sequence holds letters that its alphabet does not have."""


class OutputError(HyenaGLTError, OSError):
    """A result cannot be written where it was asked for."""


class TrainingError(HyenaGLTError, RuntimeError):
    """Training cannot go on."""


class TrainingStopped(TrainingError):  # noqa: N818 - an end that was asked for
    """Training was asked to end, left a checkpoint, and can be gone on with."""
