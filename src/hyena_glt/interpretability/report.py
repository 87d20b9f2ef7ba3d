"""The report of a training run: one HTML page that needs nothing but a browser.

Reading order: ``run_folder`` reads the run, ``report_headlines`` picks what stands on top,
``report_training``, ``report_testing``, ``report_pretraining`` and ``sequence_view`` draw its parts
with ``svg_plots``, **this file** puts them on the page of ``templates/report.html.j2``.  The page
loads nothing: style and script are inside, and its content security policy forbids the rest.
"""

import base64
import hashlib
import math
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hyena_glt.interpretability import readable
from hyena_glt.interpretability.page_templates import page_templates
from hyena_glt.interpretability.report_evaluation import evaluation_figures
from hyena_glt.interpretability.report_headlines import (
    Headline,
    headlines,
    metric_headlines,
    tokens_per_second,
    verdict,
)
from hyena_glt.interpretability.report_pretraining import SampleRow, bits_figure, sample_rows
from hyena_glt.interpretability.report_testing import Assessment, assess, assess_bases
from hyena_glt.interpretability.report_training import (
    compression_figure,
    step_axis_of,
    training_figures,
)
from hyena_glt.interpretability.run_folder import RunFolder, read_run
from hyena_glt.interpretability.run_records import Metrics, MultiTaskMetrics, PretrainingMetrics
from hyena_glt.interpretability.sequence_view import patch_length_figure, view_sequence
from hyena_glt.interpretability.svg_plots import shorten
from hyena_glt.io.atomic import atomic_write

REPORT_NAME = "report.html"
MAX_EXAMPLES = 12
TASK_WORDS = {
    "single_label": "classification",
    "multi_label": "multi-label classification",
    "regression": "regression",
    "token": "labels per base",
}
OBJECTIVE_WORDS = {
    "clm": "Language model: each base from those before it",
    "mlm": "Language model: hidden bases from both sides",
}
VERSIONED = ("hyena-glt", "torch", "transformers", "numpy", "scikit-learn")


def write_report(run_directory: Path, *, refresh: int | None = None) -> Path:
    """Write ``report.html`` into the folder of a training run.

    The page shows what the run has left so far and lists what is missing, so it can be written
    for a run that crashed or is still going.  An older report is replaced in one step.

    Args:
        run_directory: Folder of the run; holds at least ``log.jsonl``.
        refresh: Seconds after which a browser that shows the page shall load it again; None: never.

    Returns:
        Path of the page.

    Raises:
        DataError: If the folder holds no training run.
        OutputError: If the page cannot be written there.
    """
    run = read_run(Path(run_directory))
    target = run.directory / REPORT_NAME
    # A lone surrogate may stand in a YAML string but has no UTF-8 form.
    content = render_report(run, refresh=refresh).encode("utf-8", errors="replace")
    with atomic_write(target) as unfinished:
        unfinished.write_bytes(content)
    return target


def render_report(run: RunFolder, *, refresh: int | None = None) -> str:
    """Put a run on a page.

    Args:
        run: A run as far as it got.
        refresh: Seconds after which a browser loads the page again; None: never.

    Returns:
        A whole HTML document.
    """
    assessment = Assessment()
    if run.metrics is not None and run.metrics.task == "token":
        assessment = assess_bases(run.metrics)
    elif run.predictions:
        assessment = assess(run.predictions, run.metrics)
    if run.metrics is not None:
        assessment.figures += evaluation_figures(run.metrics)
    listed = [] if run.examples is None else run.examples.examples
    views = [view_sequence(example) for example in listed[:MAX_EXAMPLES]]
    problems = [*run.problems, *assessment.problems]
    if len(listed) > MAX_EXAMPLES:
        problems.append(f"{len(listed)} examples were saved; the first {MAX_EXAMPLES} are shown.")
    lengths = run.examples and patch_length_figure(run.examples.patch_length_histogram)
    environment = page_templates()
    for text in (readable.number, readable.score, readable.difference, readable.duration):
        environment.filters[text.__name__] = text
    environment.filters |= {
        "count": readable.count,
        "metric_name": readable.metric_name,
        "shorten": shorten,
    }
    final, found, columns = run.final, headlines(run), _metric_columns(run.metrics)
    training = training_figures(run.steps, run.evaluations, run.weights)
    bits = bits_figure(run, step_axis_of([*run.steps, *run.evaluations]))
    script = _template_file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        name=run.directory.resolve().name,
        task=_task_sentence(run, assessment),
        run=run,
        refresh=refresh,
        final=final,
        metrics=run.metrics,
        verdict=verdict(found) if final is not None else "",
        headlines=found,
        speed=tokens_per_second(run),
        pretraining=final if isinstance(final, PretrainingMetrics) else None,
        sample_rows=_sample_rows(final),
        task_rows=_task_rows(final),
        metric_columns=columns,
        metric_rows=list(zip(*columns.values(), strict=True)),
        last_step=run.steps[-1] if run.steps else None,
        changed=datetime.fromtimestamp((run.directory / "log.jsonl").stat().st_mtime).astimezone(),
        problems=problems,
        training=[bits, *training] if bits is not None else training,
        assessment=assessment,
        patches=[figure for figure in (lengths, compression_figure(run.steps)) if figure],
        compression=_compression(run),
        views=views,
        settings=_settings(run.config),
        versions=_versions(),
        letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        style=Markup(_template_file("report.css")),
        script=Markup(script),
        script_digest=digest,
    )


def _template_file(name: str) -> str:
    folder = resources.files("hyena_glt.interpretability") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def _task_sentence(run: RunFolder, assessment: Assessment) -> str:
    final, metrics, parts = run.final, run.metrics, []
    if isinstance(final, PretrainingMetrics):
        parts.append(OBJECTIVE_WORDS[final.objective])
        held_out = final.regions.get("test", [])
        if held_out:
            more = f" and {len(held_out) - 3} more" if len(held_out) > 3 else ""
            parts.append(f"held out: {', '.join(shorten(one, 40) for one in held_out[:3])}{more}")
    if isinstance(final, MultiTaskMetrics):
        parts.append(f"One model, {len(final.tasks)} tasks")
    if metrics is not None:
        task = TASK_WORDS[metrics.task]
        if metrics.labels and metrics.task != "regression":
            names = ", ".join(shorten(label, 40) for label in metrics.labels[:8])
            names += ", …" if len(metrics.labels) > 8 else ""
            task += f" into {len(metrics.labels)} classes ({names})"
        parts.append(task[:1].upper() + task[1:])
    if assessment.sequences:
        unit = "bases" if metrics is not None and metrics.task == "token" else "sequences"
        parts.append(f"{assessment.sequences:,} test {unit}")
    return " · ".join(parts)


def _sample_rows(final: object) -> list[SampleRow]:
    if isinstance(final, PretrainingMetrics) and final.generated is not None:
        return sample_rows(final.generated)
    return []


def _task_rows(final: object) -> list[tuple[str, Headline]]:
    """The leading test figures of each of several tasks."""
    if not isinstance(final, MultiTaskMetrics):
        return []
    return [(name, one) for name, own in final.tasks.items() for one in metric_headlines(own)]


def _metric_columns(metrics: Metrics | None) -> dict[str, list[str]]:
    """Lay all final metrics out: validation, test and baseline side by side."""
    if metrics is None:
        return {}
    baseline = metrics.baseline
    parts = [metrics.validation, metrics.test, {} if baseline is None else baseline.test]
    names = list(dict.fromkeys(name for part in parts for name in part))
    validation, test, other = ([readable.score(part.get(name)) for name in names] for part in parts)
    columns = {
        "Metric": [readable.metric_name(name) for name in names],
        "Validation": validation,
        "Test": test,
    }
    if metrics.evaluation is not None and metrics.evaluation.intervals:
        ranges = [metrics.evaluation.intervals.get(name, (None, None)) for name in names]
        columns["95 % interval"] = [readable.interval(*ends) for ends in ranges]
    if baseline is not None:
        columns[f"Test, {shorten(baseline.name, 40)}"] = other
    return columns


def _compression(run: RunFolder) -> float | None:
    """Find the compression ratio of the model; that of the last step if nobody measured it."""
    ratio = math.nan
    if run.metrics is not None:
        ratio = run.metrics.compression_ratio
        if math.isnan(ratio) and run.examples is not None:
            ratio = run.examples.compression_ratio
    elif run.steps:
        ratio = run.steps[-1].compression_ratio
    return None if math.isnan(ratio) else ratio


def _settings(config: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Flatten the configuration: sections with dotted names and values as written in YAML."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for name, section in config.items():
        if isinstance(section, Mapping):
            if section:
                sections[name] = list(_flat(section))
        else:
            sections.setdefault("run", []).append((name, _setting(section)))
    return list(sections.items())


def _flat(section: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _setting(value)


def _setting(value: Any) -> str:
    words = {None: "none", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, list):
        return shorten(", ".join(map(str, value)), 500)
    return shorten(str(value), 500)


def _versions() -> list[tuple[str, str]]:
    """Name what wrote this page."""
    found = [("Python", platform.python_version())]
    for package in VERSIONED:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    return found
