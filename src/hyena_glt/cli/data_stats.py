"""What ``hyena-glt data stats`` does."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from hyena_glt.cli.data_files import Columns, Record, read_records
from hyena_glt.data.sketches import MoleculeName
from hyena_glt.data.statistics import compute_statistics, plot_statistics, statistics_table
from hyena_glt.io.atomic import atomic_write


def run_stats(
    files: Mapping[str, Path],
    output: Path | None,
    identity: float,
    molecule: MoleculeName,
    columns: Columns,
) -> None:
    """Print, and if asked for write, the statistics of files of sequences.

    Args:
        files: File of each part; ``train`` first.
        output: Folder for the numbers and the plots; None only prints.
        identity: What counts as alike in the search for leaks.
        molecule: ``dna``, ``rna`` or ``protein``.
        columns: Which columns hold what.
    """
    console = Console(stderr=True)
    parts: dict[str, list[Record]] = {}
    with console.status("reading"):
        for name, path in files.items():
            parts[name] = read_records(path, columns)
    with console.status("comparing"):
        statistics = compute_statistics(parts, molecule=molecule, identity=identity)
    Console().print(statistics_table(statistics))
    for (train, test), examples in statistics.examples.items():
        for one, other, alike in examples[:3]:
            console.print(
                f"{test} {one} is like {train} {other} (identity {alike:.2f})",
                highlight=False,
                markup=False,
            )
    if output is not None:
        with atomic_write(output / "stats.json") as unfinished:
            text = json.dumps(statistics.as_dict(), indent=2, ensure_ascii=False)
            unfinished.write_text(text + "\n", encoding="utf-8")
        for suffix in ("png", "svg"):
            plot_statistics(statistics, output / f"stats.{suffix}")
        console.print(f"numbers and plots: {output}", highlight=False, soft_wrap=True)
