"""The first things a reader of the report sees: headline figures, and a sentence on the baseline.

A finished run shows its test figures beside those of the simple model; one that has not finished
shows its last evaluation, and how fast it goes.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from hyena_glt.interpretability import readable
from hyena_glt.interpretability.report_training import LEADING_METRICS, by_metric
from hyena_glt.interpretability.run_folder import RunFolder
from hyena_glt.interpretability.run_records import (
    Evaluation,
    Metrics,
    MultiTaskMetrics,
    PretrainingMetrics,
    Reference,
)

HEADLINE_METRICS = {
    "regression": ("pearson", "spearman", "r2"),
    "single_label": ("mcc", "accuracy", "auroc"),
    "multi_label": ("f1_macro", "auroc", "auprc"),
    "token": ("mcc", "accuracy", "auroc"),
}
_BITS_DECIMALS = 4
_SHOWN = 3


class Headline(NamedTuple):
    """One figure, beside the baseline's where there is one.

    Attributes:
        title: What it is, as the page says it.
        name: What it is, inside a sentence.
        value: The model's figure.
        baseline: The baseline's; None without one.
        baseline_name: What the baseline is.
        bits: Whether the figure counts bits, of which fewer are better.
        remark: A few words below it.
    """

    title: str
    name: str
    value: float
    baseline: float | None = None
    baseline_name: str = ""
    bits: bool = False
    remark: str = ""

    @property
    def difference(self) -> float | None:
        """The model's value minus the baseline's, or None if either is undefined."""
        if self.baseline is None or not math.isfinite(self.value - self.baseline):
            return None
        return self.value - self.baseline

    @property
    def decimals(self) -> int:
        """Digits behind the point; bits of two good models differ in the third only."""
        return _BITS_DECIMALS if self.bits else 3

    @property
    def on_a_scale(self) -> bool:
        """Whether the figure lies between 0 and 1, where 1 is best."""
        return not self.bits and 0 <= self.value <= 1


def headlines(run: RunFolder) -> list[Headline]:
    """Pick the figures that stand on top of the page.

    Args:
        run: A run as far as it got.

    Returns:
        Test figures if there are any, else those of the last evaluation.
    """
    final = run.final
    if isinstance(final, Metrics):
        return metric_headlines(final)
    if isinstance(final, PretrainingMetrics):
        return _bits_headlines(final)
    if isinstance(final, MultiTaskMetrics):
        return [
            Headline("Test, mean over the tasks", "mean", final.mean_headline,
                     remark=f"headline metric of {len(final.tasks)} tasks")
        ]  # fmt: skip
    return _latest_headlines(run.evaluations) + _to_beat(run.reference)


def verdict(found: Sequence[Headline]) -> str:
    """Say in one sentence whether the model beats the baseline.

    Args:
        found: Headlines of a finished run; the first that has a baseline decides.

    Returns:
        The sentence; empty without a baseline.
    """
    for headline in found:
        gain = headline.difference
        if gain is None:
            continue
        places = headline.decimals
        own = readable.score(headline.value, places)
        other = f"the {headline.baseline_name} ({readable.score(headline.baseline, places)})"
        where = "On the held-out regions" if headline.bits else "On the test set"
        value = f"{where} the model's {headline.name} is {own}"
        if headline.bits:
            value = f"{where} the model needs {own} {headline.name}"
        if abs(gain) < 0.5 * 10**-places:
            return f"{value}, the same as {other}."
        size = readable.score(abs(gain), places)
        if headline.bits:
            sentence = f"{value}, {size} {'fewer' if gain < 0 else 'more'} than {other}."
        else:
            sentence = f"{value}, {size} {'above' if gain > 0 else 'below'} {other}."
        won = (gain < 0) == headline.bits
        return sentence if won else f"{sentence} The model has not learned more than it."
    return ""


def tokens_per_second(run: RunFolder) -> float:
    """The speed of the last steps.

    Args:
        run: A run as far as it got.

    Returns:
        Tokens per second over the last hundred steps, evaluations left out; NaN if not known.
    """
    evaluated = {event.step for event in run.evaluations}
    tokens, seconds = 0, 0.0
    for before, step in pairwise(run.steps[-101:]):
        if before.step not in evaluated and math.isfinite(step.seconds - before.seconds):
            tokens += step.tokens
            seconds += step.seconds - before.seconds
    return tokens / seconds if tokens and seconds > 0 else math.nan


def metric_headlines(metrics: Metrics) -> list[Headline]:
    """Pick the leading test figures of a training on labels.

    Args:
        metrics: Its final figures.

    Returns:
        At most three.
    """
    baseline: Mapping[str, float] = {}
    baseline_name = ""
    if metrics.baseline is not None:
        baseline, baseline_name = metrics.baseline.test, metrics.baseline.name
    present = [name for name in HEADLINE_METRICS[metrics.task] if name in metrics.test]
    present += [name for name in LEADING_METRICS if name in metrics.test and name not in present]
    return [
        Headline(
            f"Test {readable.metric_name(name)}",
            readable.metric_name(name),
            metrics.test[name],
            baseline.get(name),
            baseline_name,
        )
        for name in present[:_SHOWN]
    ]


def _bits_headlines(metrics: PretrainingMetrics) -> list[Headline]:
    unit = "bits per base" if metrics.objective == "clm" else "bits per hidden base"
    baseline = metrics.baseline
    test = Headline(f"Test {unit}", unit, metrics.test.bits_per_base, bits=True)
    if baseline is not None:
        test = test._replace(baseline=baseline.bits_per_base, baseline_name=baseline.name)
    step = metrics.best_step
    remark = "" if step is None else f"best of all evaluations, after step {step:,}"
    validation = metrics.validation.bits_per_base
    return [
        test,
        Headline(f"Validation {unit}", unit, validation, bits=True, remark=remark),
    ]


def _latest_headlines(evaluations: Sequence[Evaluation]) -> list[Headline]:
    """The last evaluation on the validation data."""
    found = [event for event in evaluations if event.split == "validation"]
    found = [event for event in found if event.step == found[-1].step] if found else []
    shown = []
    for event in found:
        for name in by_metric(event.metrics)[: _SHOWN if len(found) == 1 else 1]:
            words = " ".join(filter(None, (event.task, readable.metric_name(name))))
            shown.append(
                Headline(
                    f"Validation {words}", words, event.metrics[name],
                    bits=name.startswith("bits"), remark=f"after step {event.step:,}",
                )
            )  # fmt: skip
    return shown[: 2 * _SHOWN]


def _to_beat(reference: Reference | None) -> list[Headline]:
    """The figure of the simple model, which stands before the training ends."""
    if reference is None:
        return []
    return [
        Headline(
            f"To beat: test {readable.metric_name(name)}", readable.metric_name(name),
            reference.test[name], bits=name.startswith("bits"), remark=reference.name,
        )
        for name in by_metric(reference.test)[:1]
    ]  # fmt: skip
