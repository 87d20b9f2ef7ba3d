import json
import math

import numpy as np
import pytest

from hyena_glt.evaluation.detailed import evaluate_predictions
from hyena_glt.interpretability.report_evaluation import evaluation_figures
from hyena_glt.interpretability.run_records import Metrics


def metrics_of_run(found):
    """As a run writes and reads them: by way of JSON, where nan is null."""
    tree = {"task": found.task, "temperature": found.temperature, "evaluation": found.as_tree()}
    text = json.dumps(tree).replace("NaN", "null")
    return Metrics.model_validate(json.loads(text))


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=200)
    chance = np.clip(0.4 * labels + 0.6 * rng.random(200), 0, 1)
    scores = np.stack([1 - chance, chance], axis=1)
    return evaluate_predictions(
        "single_label", labels, scores, lengths=rng.integers(50, 90, 200),
        validation=(labels, scores), resamples=50,
    )  # fmt: skip


def test_lengths_and_temperature_are_drawn(found):
    by_length, calibration = evaluation_figures(metrics_of_run(found))
    assert by_length.title == "By length"
    for row in found.lengths:
        assert f"{row.shortest:,} to {row.longest:,} letters: {row.figures['mcc']:.3f}" in (
            by_length.svg.replace("\N{MINUS SIGN}", "-")
        )
    assert f"at temperature {found.temperature:.3g}" in calibration.svg
    assert [one.note for one in calibration.legend[:2]] == [
        f"error {found.calibration.ece:.3f}",
        f"error {found.calibration_at_temperature.ece:.3f}",
    ]


def test_parts_without_a_value_are_left_out(found):
    rows = [found.lengths[0]._replace(figures={"mcc": math.nan}), *found.lengths[1:]]
    by_length, _ = evaluation_figures(metrics_of_run(found._replace(lengths=rows)))
    assert f"{rows[0].shortest:,} to {rows[0].longest:,} letters" not in by_length.svg
    assert f"{rows[1].shortest:,} to {rows[1].longest:,} letters" in by_length.svg
    one_left = found._replace(lengths=found.lengths[:1], calibration_at_temperature=None)
    assert evaluation_figures(metrics_of_run(one_left)) == []


def test_an_older_run_has_none():
    assert evaluation_figures(Metrics(task="single_label")) == []
