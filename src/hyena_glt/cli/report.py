"""The report of a run, written anew at any moment: what ``hyena-glt report`` does."""

import time
from pathlib import Path

from rich.console import Console

from hyena_glt.interpretability.report import write_report

_PAUSE = 10  # seconds between two looks at the run, and between two reloads of the page


def run_report(folder: Path, *, watch: bool = False) -> Path:
    """Write ``report.html`` from what a run has left in its folder so far.

    Args:
        folder: Of a run that goes on, has crashed or is finished.
        watch: Write it again whenever the run goes on, until the run is finished or Ctrl-C; the
            page reloads itself meanwhile.

    Returns:
        The page.

    Raises:
        DataError: If the folder holds no run.
        OutputError: If the page cannot be written there.
    """
    console = Console(stderr=True)
    page = write_report(folder, refresh=_PAUSE if watch else None)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
    if watch:
        console.print("watching until the run is finished; Ctrl-C ends it", highlight=False)
        try:
            _follow(folder)
        finally:
            write_report(folder)  # the last page shall not reload itself
    return page


def _follow(folder: Path) -> None:
    log, metrics = folder / "log.jsonl", folder / "metrics.json"
    seen = log.stat().st_mtime_ns
    while not metrics.exists():
        time.sleep(_PAUSE)
        if log.stat().st_mtime_ns != seen:
            seen = log.stat().st_mtime_ns
            write_report(folder, refresh=_PAUSE)
