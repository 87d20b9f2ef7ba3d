import math

import pytest
import torch

from hyena_glt.errors import ConfigError
from hyena_glt.tasks.multitask import TaskWeights, known_task, task_specs

TASK = {"task": "classification", "num_labels": 2}


def test_tasks_come_in_alphabetical_order_as_a_saved_configuration_has_them():
    assert list(task_specs({"b": TASK, "a": {**TASK, "weight": 2}})) == ["a", "b"]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "at least one task"),
        (None, "at least one task"),
        ({"a b": TASK}, "'a b' must be made of letters"),
        ({"": TASK}, "must be made of letters"),
        ({"a": 3}, "tasks.a must hold fields, got 3"),
        ({"a": {"task": "regression"}}, "tasks.a lacks num_labels"),
        ({"a": {**TASK, "num_lables": 2}}, "no field 'num_lables'; did you mean num_labels"),
        ({"a": {**TASK, "task": "guess"}}, "tasks.a.task must be one of classification"),
        ({"a": {**TASK, "num_labels": 1}}, "tasks.a.num_labels must be at least 2, got 1"),
        ({"a": {**TASK, "num_labels": "2"}}, "tasks.a.num_labels must be at least 2, got '2'"),
        ({"a": {**TASK, "label_names": ["x"]}}, "label_names has 1 names for 2 labels"),
        ({"a": {**TASK, "molecule": "mixed"}}, "molecule must be one of dna, rna, protein"),
        ({"a": {**TASK, "reverse_complement": "both"}}, "must be one of none, average"),
        ({"a": {**TASK, "weight": 0}}, "weight must be above 0 and finite, got 0"),
        ({"a": {**TASK, "weight": math.inf}}, "weight must be above 0 and finite"),
        ({"a": {**TASK, "weight": "1"}}, "weight must be a number"),
    ],
)
def test_what_breaks_a_rule_is_refused(tasks, message):
    with pytest.raises(ConfigError, match=message):
        task_specs(tasks)


def test_an_unknown_task_is_answered_with_all_and_the_nearest():
    with pytest.raises(ConfigError, match=r"'tat'; did you mean tata\? \(its tasks: gata, tata\)"):
        known_task("tat", {"gata": 1, "tata": 1})


def test_given_weights_are_factors():
    weights = TaskWeights(task_specs({"a": {**TASK, "weight": 3.0}, "b": TASK}), "fixed")
    assert float(weights(torch.tensor(2.0), "a")) == 6.0
    assert not list(weights.parameters())


@pytest.mark.parametrize(
    ("kind", "count", "share"), [("classification", 2, 1.0), ("regression", 1, 0.5)]
)
@pytest.mark.parametrize("loss", [0.2, 1.0, 3.0])
def test_learned_weights_settle_where_the_paper_says(kind, count, share, loss):
    # share * L * exp(-s) + s / 2 is least at exp(-s) = 1 / (2 * share * L).
    weights = TaskWeights(task_specs({"a": {"task": kind, "num_labels": count}}), "uncertainty")
    optimizer = torch.optim.SGD(weights.parameters(), lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        weights(torch.tensor(loss), "a").backward()
        optimizer.step()
    settled = float(torch.exp(-weights.log_variances.detach()[0]))
    assert settled == pytest.approx(1 / (2 * share * loss), rel=1e-3)
    assert weights.factors()["a"] == pytest.approx(1 / (2 * loss), rel=1e-3)


def test_an_unknown_weighting_is_refused():
    with pytest.raises(ConfigError, match="fixed or uncertainty, got 'gradnorm'"):
        TaskWeights(task_specs({"a": TASK}), "gradnorm")
