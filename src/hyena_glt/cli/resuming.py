"""Going on with a run that was interrupted: what is needed of it, and what may not change."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from hyena_glt.errors import ConfigError, DataError, OutputError, TrainingStopped
from hyena_glt.interpretability.report import write_report
from hyena_glt.io.atomic import remove_unfinished
from hyena_glt.training.distributed import is_first_rank
from hyena_glt.training.fingerprints import fingerprint

CHECKPOINTS = "checkpoints"
_DECISIONS = "decisions.json"
_TEST_DATA = "test_data"


def settings_file(output: Path) -> Path:
    """The settings of an interrupted run.

    Args:
        output: Folder of the run.

    Raises:
        OutputError: If there is no run in the folder, or it is finished.
    """
    own = output / "config.yaml"
    if not own.is_file():
        raise OutputError(f"{output} holds no run to resume; leave out --resume to start one")
    done = (output / "metrics.json").exists() and not (output / CHECKPOINTS).exists()
    if done and is_first_rank():  # which for another may have finished it a moment ago
        raise OutputError(f"{output}: the run is finished, there is nothing to resume")
    return own


def finish(output: Path) -> Path:
    """Write the report of a run whose figures are written, and remove its checkpoints.

    They go last: a run that has none is finished.

    Args:
        output: Folder of the run.

    Returns:
        The report.
    """
    report = write_report(output)
    shutil.rmtree(output / CHECKPOINTS)
    return report


def finished_meanwhile(output: Path) -> dict[str, Any] | None:
    """Clear up behind a run that died; if its figures are written, finish it.

    Args:
        output: Folder of the run.

    Returns:
        What ``metrics.json`` holds; None if there is more to be done.
    """
    if is_first_rank():
        remove_unfinished(output)
    path = output / "metrics.json"
    if not path.exists():
        return None
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if is_first_rank():
        report = finish(output)
        Console(stderr=True).print(f"report: {report}", highlight=False, soft_wrap=True)
    return metrics


def refuse_changes(settings: BaseModel, asked: BaseModel) -> None:
    """Refuse settings that differ from those that a run was started with.

    A strand that was to be decided has been, so asking for that again changes nothing.

    Args:
        settings: Of the run.
        asked: As given now.

    Raises:
        ConfigError: Names the first that differs.
    """
    before, now = (_flat(tree.model_dump(mode="json")) for tree in (settings, asked))
    for name in before | now:
        decided = name.endswith(".strand") and now.get(name) == "auto"
        if before.get(name) != now.get(name) and not decided:
            raise ConfigError(
                f"--resume: the run was started with {name}={before.get(name)}, not "
                f"{now.get(name)}; leave the option out"
            )


def with_test_data(decisions: dict[str, Any], test: Any) -> dict[str, Any]:
    """Decisions to be kept, and what tells the test data from others.

    Args:
        decisions: What was found out before a training.
        test: Data set; what the training sees is told apart by its checkpoints.
    """
    return {**decisions, _TEST_DATA: fingerprint(test)}


def refuse_other_test_data(decisions: dict[str, Any], test: Any) -> None:
    """Refuse test data that differ from those that a run was started with.

    Args:
        decisions: As they were kept; what tells the test data apart is taken out.
        test: Data set, as read now.

    Raises:
        DataError: If they differ.
    """
    # An earlier version of the program kept nothing of it.
    before, now = decisions.pop(_TEST_DATA, "not known which"), fingerprint(test)
    if before != now:
        raise DataError(f"the run was started with other test data: {before}; now there are {now}")


def keep_decisions(output: Path, decisions: dict[str, Any]) -> None:
    """Keep what a run found out before its training, so that it need not do so again.

    Args:
        output: Folder of the run.
        decisions: What JSON can hold.
    """
    from hyena_glt.cli.experiment import write_json

    write_json(output / CHECKPOINTS / _DECISIONS, decisions)


def kept_decisions(output: Path) -> dict[str, Any]:
    """What :func:`keep_decisions` kept.

    Args:
        output: Folder of the run.

    Raises:
        OutputError: If it is not there: the run ended before its training began.
    """
    path = output / CHECKPOINTS / _DECISIONS
    if not path.is_file():
        raise OutputError(
            f"{output}: the run ended before its training began; remove the folder and start anew"
        )
    decisions: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return decisions


@contextmanager
def telling_how_to_go_on(command: str, output: Path) -> Iterator[None]:
    """Let a training that is asked to end say how it can be gone on with.

    Args:
        command: ``train`` or ``pretrain``.
        output: Folder of the run.

    Raises:
        TrainingStopped: The same, with the command.
    """
    try:
        yield
    except TrainingStopped as stopped:
        raise TrainingStopped(
            f"{stopped}; go on with: hyena-glt {command} --resume --output {output}"
        ) from None


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
