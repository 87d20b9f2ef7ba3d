import math

import pytest
import torch

from hyena_glt.errors import DataError
from hyena_glt.tasks.losses import causal_loss, infer_problem_type, sequence_loss, token_loss

LN3, LN4 = math.log(3), math.log(4)


@pytest.mark.parametrize(
    ("num_labels", "labels", "kind"),
    [
        (1, torch.tensor([0.5, 1.0]), "regression"),
        (1, torch.tensor([0, 1]), "regression"),
        (2, torch.tensor([0, 1]), "single_label_classification"),
        (2, torch.tensor([[0.0, 1.0]]), "multi_label_classification"),
    ],
)
def test_labels_tell_the_task(num_labels, labels, kind):
    assert infer_problem_type(num_labels, labels) == kind


def test_classes_pay_the_cross_entropy():
    logits = torch.tensor([[0.0, 0.0], [0.0, LN3]])  # probabilities 1/2, 1/2 and 1/4, 3/4
    loss = sequence_loss(logits, torch.tensor([0, 1]), None)
    assert float(loss) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_several_labels_pay_one_by_one():
    logits = torch.tensor([[0.0, LN3]])
    loss = sequence_loss(logits, torch.tensor([[1.0, 0.0]]), None)
    assert float(loss) == pytest.approx((math.log(2) + math.log(4)) / 2)
    whole = sequence_loss(logits, torch.tensor([[1, 0]]), "multi_label_classification")
    assert float(whole) == float(loss)


@pytest.mark.parametrize("labels", [torch.tensor([1.0, 5.0]), torch.tensor([[1.0], [5.0]])])
def test_values_pay_the_squared_error(labels):
    assert float(sequence_loss(torch.tensor([[2.0], [3.0]]), labels, None)) == 2.5


def test_several_values_pay_the_mean_squared_error():
    logits, labels = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])
    assert float(sequence_loss(logits, labels, "regression")) == 2.0


@pytest.mark.parametrize(
    ("logits", "labels", "kind", "message"),
    [
        (torch.zeros(2, 2), torch.tensor([0, 2]), None, r"class 2 does not exist; expected \[0, 2"),
        (torch.zeros(2, 2), torch.tensor([0, -1]), None, "class -1 does not exist"),
        (
            torch.zeros(2, 3),
            torch.zeros(2, 2),
            None,
            r"multi-label needs shape \(2, 3\), got \(2, 2\)",
        ),
        (
            torch.zeros(2, 3),
            torch.zeros(2),
            "regression",
            r"regression with 3 outputs needs shape \(2, 3\), got \(2,\)",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(logits, labels, kind, message):
    with pytest.raises(DataError, match=message):
        sequence_loss(logits, labels, kind)


def test_ignored_tokens_pay_nothing():
    logits = torch.zeros(2, 3, 4)
    logits[0, 1] = 100.0 * torch.arange(4)  # very wrong about token 1, which is ignored
    labels = torch.tensor([[2, -100, 0], [-100, -100, 3]])
    assert float(token_loss(logits, labels)) == pytest.approx(LN4)


def test_a_batch_without_labels_pays_nothing_and_still_has_a_gradient():
    logits = torch.randn(2, 3, 4, requires_grad=True)
    loss = token_loss(logits, torch.full((2, 3), -100))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert not bool(logits.grad.any())


def test_token_classes_must_exist():
    with pytest.raises(DataError, match="class 4 does not exist"):
        token_loss(torch.zeros(1, 2, 4), torch.tensor([[-100, 4]]))


def test_a_causal_model_pays_for_the_next_token():
    ids = torch.tensor([[1, 3, 0, 2]])
    logits = torch.zeros(1, 4, 4)
    for place, following in enumerate([3, 0, 2]):
        logits[0, place, following] = 50.0  # sure and right about what comes next
    logits[0, 3] = torch.tensor([50.0, 0, 0, 0])  # what comes last is about nothing
    assert float(causal_loss(logits, ids)) == pytest.approx(0.0, abs=1e-6)
    assert float(causal_loss(torch.zeros(1, 4, 4), ids)) == pytest.approx(LN4)
    assert float(causal_loss(logits.roll(1, dims=1), ids)) > 10
