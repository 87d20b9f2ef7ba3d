"""The picture of docs/performance.md, drawn from the measured results.

    python benchmarks/plot.py

Reads ``forward.json``, ``forward-16.json``, ``hyenadna-16.json``, ``scaling.json``,
``scaling-16.json`` and ``generation.json`` from ``--results``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_ROOT = Path(__file__).resolve().parents[1]
_OURS, _OURS_MERGED, _ESM, _HYENADNA = "#3b6ea5", "#7fb069", "#444444", "#c06c3e"


def label_of(result: dict[str, Any]) -> str:
    """Our model and how much it merges.

    Args:
        result: Of a benchmark with rows.
    """
    patch = result["rows"][-1]["nucleotides_per_patch"]
    return f"Hyena-GLT, {patch:.0f} nt per patch"


def draw_forward(axes: Axes, results: dict[str, dict[str, Any]]) -> None:
    """Forward pass beside the other models.

    Args:
        axes: Where.
        results: By file name.
    """
    plain, merged, hyenadna = (results[n] for n in ("forward", "forward-16", "hyenadna-16"))
    curves = (
        (plain, "hyena_glt", label_of(plain), _OURS),
        (merged, "hyena_glt", label_of(merged), _OURS_MERGED),
        (plain, "esm", "ESM of equal size", _ESM),
        (hyenadna, "hyenadna", "HyenaDNA of equal width and depth", _HYENADNA),
    )
    for result, model, label, color in curves:
        points = [(row["nucleotides"], row["milliseconds"][model]) for row in result["rows"]]
        measured = [(x, y / 1e3) for x, y in points if y is not None]
        axes.plot(*zip(*measured, strict=True), "o-", label=label, color=color)
    axes.set(title="Forward pass", xlabel="nucleotides", ylabel="seconds")


def draw_scaling(axes: Axes, results: dict[str, dict[str, Any]], field: str, unit: float) -> None:
    """A figure of long sequences, streamed.

    Args:
        axes: Where.
        results: By file name.
        field: Of a row.
        unit: What the field is multiplied by.
    """
    for name, color in (("scaling", _OURS), ("scaling-16", _OURS_MERGED)):
        rows = results[name]["rows"]
        lengths = [row["nucleotides"] for row in rows]
        values = [row[field] * unit for row in rows]
        axes.plot(lengths, values, "o-", label=label_of(results[name]), color=color)


def draw_generation(axes: Axes, result: dict[str, Any]) -> None:
    """Time per generated token.

    Args:
        axes: Where.
        result: Of the benchmark.
    """
    for field, label, color in (
        ("milliseconds_per_token", "with the cache", _OURS),
        ("milliseconds_without_cache", "without", _ESM),
    ):
        points = [(row["context"], row[field]) for row in result["rows"] if row[field] is not None]
        axes.plot(*zip(*points, strict=True), "o-", label=label, color=color)
    axes.set(title="One generated token", xlabel="context (nucleotides)", ylabel="milliseconds")


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=_ROOT / "benchmarks" / "results")
    parser.add_argument(
        "--output", type=Path, default=_ROOT / "docs" / "_static" / "performance.svg"
    )
    options = parser.parse_args()
    names = ("forward", "forward-16", "hyenadna-16", "scaling", "scaling-16", "generation")
    results = {name: json.loads((options.results / f"{name}.json").read_text()) for name in names}

    # Letters stay letters, and the same results give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "performance"}):
        figure = Figure(figsize=(10, 7.5), layout="constrained")
        (forward, generation), (seconds, memory) = figure.subplots(2, 2)
        draw_forward(forward, results)
        draw_generation(generation, results["generation"])
        draw_scaling(seconds, results, "seconds", 1.0)
        seconds.set(title="Streamed: time", xlabel="nucleotides", ylabel="seconds")
        draw_scaling(memory, results, "megabytes_peak", 1e-3)
        memory.set(title="Streamed: peak memory", xlabel="nucleotides", ylabel="GB", ylim=(0, None))
        for axes in (forward, generation, seconds):
            axes.set_yscale("log")
        for axes in (forward, generation, seconds, memory):
            axes.set_xscale("log")
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.legend(frameon=False, fontsize="small")
        figure.savefig(options.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
