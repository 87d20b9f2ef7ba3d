"""What ``hyena-glt data fetch`` does."""

from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from hyena_glt.data.fetch import fetch
from hyena_glt.data.public_sets import PUBLIC_SETS
from hyena_glt.errors import ConfigError


def run_list(part: str) -> None:
    """Print the public sets.

    Args:
        part: Only those with this in their names.

    Raises:
        ConfigError: If there is none.
    """
    sets = [one for one in PUBLIC_SETS.values() if part.lower() in one.name.lower()]
    if not sets:
        raise ConfigError(f"no public set has {part!r} in its name")
    table = Table(box=None, pad_edge=False)
    for title in ("name", "what", "source"):
        table.add_column(title, no_wrap=title == "name")
    for one in sets:
        table.add_row(one.name, one.description, one.source)
    Console().print(table)


def run_fetch(name: str, output: Path, sha256: str | None, overwrite: bool) -> None:
    """Fetch a set or an address, and say what came.

    Args:
        name: Name of a set, or an address.
        output: Folder to write to.
        sha256: Checksum that the file at an address must have.
        overwrite: Fetch again what is there.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def tell(file: str, have: int, total: int | None) -> None:
        if file not in tasks:
            tasks[file] = bar.add_task(file, total=total)
        bar.update(tasks[file], completed=have, total=total)

    with bar:
        results = fetch(name, output, sha256=sha256, overwrite=overwrite, on_progress=tell)
    for one in results:
        state = "fetched" if one.new else "there already"
        checked = f"checked against: {one.checked}"
        console.print(f"{one.path}: {state}, {one.size:,} bytes; {checked}", soft_wrap=True)
        console.print(f"  SHA-256 {one.sha256}", soft_wrap=True, highlight=False)
