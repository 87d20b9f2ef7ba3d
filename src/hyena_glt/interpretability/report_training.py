"""How training went: loss, metrics, learning rate, gradient norm, speed, compression by step."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from hyena_glt.interpretability.readable import metric_name
from hyena_glt.interpretability.run_records import Evaluation, Step, Weights
from hyena_glt.interpretability.svg_axes import Axis, Frame, axis_over
from hyena_glt.interpretability.svg_plots import Figure, Series, describe, plot, shorten

SMOOTHED_SHARE = 20
MAX_CURVES = 6
LEADING_METRICS = (
    "mcc",
    "auroc",
    "auprc",
    "accuracy",
    "f1_macro",
    "pearson",
    "spearman",
    "r2",
)
ERROR_METRICS = frozenset({"mse", "rmse", "mae", "perplexity"})
# They have a figure of their own.
BITS_METRICS = frozenset({"bits_per_base", "bits_per_token"})


def training_figures(
    steps: Sequence[Step], evaluations: Sequence[Evaluation], weights: Sequence[Weights] = ()
) -> list[Figure]:
    """Draw what the log of a run says about its training.

    Args:
        steps: Optimizer steps in order.
        evaluations: Evaluations in order; only those on the validation set are drawn.
        weights: Weights of the losses of several tasks in order.

    Returns:
        The figures that have something to show.
    """
    validation = [event for event in evaluations if event.split == "validation"]
    step_axis = step_axis_of([*steps, *validation])
    figures: list[Figure | None] = [
        *_loss_figures(step_axis, steps, validation),
        *_metric_figures(step_axis, validation),
        _weights_figure(step_axis, weights),
        _step_figure(step_axis, steps, "Learning rate", "", lambda step: step.learning_rate),
        _step_figure(
            step_axis,
            steps,
            "Gradient norm",
            "L2 norm over all parameters, before clipping.",
            lambda step: step.grad_norm,
        ),
        _speed_figure(step_axis, steps, evaluations),
    ]
    return [figure for figure in figures if figure is not None]


def compression_figure(steps: Sequence[Step]) -> Figure | None:
    """Draw the compression ratio of the training batches by step.

    Args:
        steps: Optimizer steps in order.

    Returns:
        The figure, or None if the log holds no ratio.
    """
    return _step_figure(
        step_axis_of(steps),
        steps,
        "Compression during training",
        "Compression ratio of the training batches.",
        lambda step: step.compression_ratio,
        y_label="nucleotides per patch",
    )


def smooth(values: Sequence[float], span: int) -> list[float]:
    """Average each value with those before it, recent ones weighing more.

    Args:
        values: A noisy series; values that are not finite neither count nor give a result.
        span: The older half of the weight lies more than about a third of ``span`` values back.

    Returns:
        The exponential moving average with weight ``2 / (span + 1)`` on the newest value, corrected
        for its start, as long as ``values``.
    """
    keep = 1 - 2 / (span + 1)
    total = weight = 0.0
    averages = []
    for value in values:
        if not math.isfinite(value):
            averages.append(math.nan)
            continue
        total = keep * total + value
        weight = keep * weight + 1
        averages.append(total / weight)
    return averages


def _loss_figures(
    step_axis: Axis, steps: Sequence[Step], validation: Sequence[Evaluation]
) -> list[Figure | None]:
    """Losses, those of each task by themselves: together they would only show which was drawn."""
    return [
        _loss_figure(
            step_axis,
            [step for step in steps if step.task == task],
            [event for event in validation if event.task == task],
            f"Loss{_of(task)}",
        )
        for task in dict.fromkeys(
            [*(event.task for event in validation), *(step.task for step in steps)]
        )
    ]


def _loss_figure(
    step_axis: Axis, steps: Sequence[Step], validation: Sequence[Evaluation], title: str
) -> Figure | None:
    x = [float(step.step) for step in steps]
    raw = [step.loss for step in steps]
    span = len(steps) // SMOOTHED_SHARE
    series = [Series("train, each logged step", x, raw, 0, "faint" if span > 1 else "line")]
    caption = "Loss on the training batches"
    if span > 1:
        averaged = smooth(raw, span)
        series.append(Series("train, smoothed", x, averaged, 0))
        caption += f"; the smoothed line is an exponential average with a span of {span} points"
    seen = [(float(event.step), event.loss) for event in validation if math.isfinite(event.loss)]
    if seen:
        series.append(Series("validation", *_columns(seen), 1, marks=True))
        caption += "; dots mark evaluations on the validation set"
    series = [item for item in series if any(map(math.isfinite, item.y))]
    if not series:
        return None
    # One wild batch must not flatten the curve: the top percent of raw losses may leave the frame.
    finite = sorted(filter(math.isfinite, raw))
    body = finite[: max(math.ceil(0.99 * len(finite)), 1)]
    shown = body + [value for item in series[1:] for value in item.y]
    frame = Frame(step_axis, axis_over("loss", shown))
    words = f"{title} by step: " + "; ".join(describe(item, "step") for item in series[-2:])
    return Figure(title, plot(frame, series, words), series, caption + ".")


def _metric_figures(step_axis: Axis, validation: Sequence[Evaluation]) -> list[Figure | None]:
    """Scores and errors, for each task where there are several."""
    figures = []
    for task in dict.fromkeys(event.task for event in validation):
        own = [event for event in validation if event.task == task]
        figures += [
            _metric_figure(step_axis, own, f"Validation metrics{_of(task)}", "score", errors=False),
            _metric_figure(step_axis, own, f"Validation errors{_of(task)}", "error", errors=True),
        ]
    return figures


def _metric_figure(
    step_axis: Axis, validation: Sequence[Evaluation], title: str, y_label: str, *, errors: bool
) -> Figure | None:
    names = by_metric(
        name
        for event in validation
        for name, value in event.metrics.items()
        if (name in ERROR_METRICS) == errors and name not in BITS_METRICS and math.isfinite(value)
    )[:MAX_CURVES]
    if not names:
        return None
    x = [float(event.step) for event in validation]
    series = [
        Series(
            metric_name(name),
            x,
            [event.metrics.get(name, math.nan) for event in validation],
            index,
            marks=True,
        )
        for index, name in enumerate(names)
    ]
    values = [value for item in series for value in item.y]
    frame = Frame(step_axis, axis_over(y_label, values))
    words = f"{title} by step: " + "; ".join(describe(item, "step") for item in series)
    return Figure(title, plot(frame, series, words), series)


def _weights_figure(step_axis: Axis, weights: Sequence[Weights]) -> Figure | None:
    names = list(dict.fromkeys(name for event in weights for name in event.weights))[:MAX_CURVES]
    if not names:
        return None
    x = [float(event.step) for event in weights]
    series = [
        Series(name, x, [event.weights.get(name, math.nan) for event in weights], index, marks=True)
        for index, name in enumerate(names)
    ]
    frame = Frame(step_axis, axis_over("weight", [value for item in series for value in item.y]))
    words = "Weights of the losses: " + "; ".join(describe(item, "step") for item in series)
    caption = "Factor of each task's loss, learned."
    return Figure("Weights of the tasks", plot(frame, series, words), series, caption)


def _step_figure(
    step_axis: Axis,
    steps: Sequence[Step],
    title: str,
    caption: str,
    value_of: Callable[[Step], float],
    y_label: str = "",
) -> Figure | None:
    values = [value_of(step) for step in steps]
    if not any(map(math.isfinite, values)):
        return None
    y_label = y_label or title.lower()
    series = Series(y_label, [float(step.step) for step in steps], values, 0)
    frame = Frame(step_axis, axis_over(y_label, [0.0, *values], from_zero=True))
    return Figure(title, plot(frame, [series], describe(series, "step")), (), caption)


def _speed_figure(
    step_axis: Axis, steps: Sequence[Step], evaluations: Sequence[Evaluation]
) -> Figure | None:
    """Tokens per second; a step behind an evaluation lasted as long as both and is left out."""
    evaluated = {event.step for event in evaluations}
    x, rates = [], []
    for before, step in pairwise(steps):
        passed = step.seconds - before.seconds
        if step.tokens and passed > 0 and before.step not in evaluated:
            x.append(float(step.step))
            rates.append(step.tokens / passed)
    if not rates:
        return None
    span = len(rates) // SMOOTHED_SHARE
    series = [Series("each logged step", x, rates, 0, "faint" if span > 1 else "line")]
    if span > 1:
        series.append(Series("smoothed", x, smooth(rates, span), 0))
    usual = sorted(rates)[: max(math.ceil(0.99 * len(rates)), 1)]
    frame = Frame(step_axis, axis_over("tokens per second", [0.0, *usual], from_zero=True))
    words = describe(series[-1], "step")
    return Figure("Speed", plot(frame, series, words), series, "Evaluations are left out.")


def step_axis_of(events: Sequence[Step | Evaluation]) -> Axis:
    """Make the horizontal axis of all curves, from 0 to the last step.

    Args:
        events: What is to be drawn.
    """
    last = max((event.step for event in events), default=0)
    return Axis("optimizer step", 0.0, float(max(last, 1)))


def by_metric(names: Iterable[str]) -> list[str]:
    """Name each metric once, the ones readers look for first.

    Args:
        names: Keys of metrics.
    """
    rank = {name: index for index, name in enumerate(LEADING_METRICS)}
    return sorted(dict.fromkeys(names), key=lambda name: rank.get(name, len(rank)))


def _of(task: str) -> str:
    return f" of {shorten(task, 40)}" if task else ""


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
