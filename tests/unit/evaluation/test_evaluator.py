import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import DataError
from hyena_glt.evaluation.evaluator import evaluate, probabilities
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForMaskedLM
from hyena_glt.tasks.losses import sequence_loss, token_loss
from hyena_glt.tokenizers import DNATokenizer


class StandIn(nn.Module):
    """Looks its logits up by the first token (by every token, if per_token)."""

    def __init__(self, table, *, per_token=False):
        super().__init__()
        self.table = nn.Parameter(torch.tensor(table))
        self.inner = nn.Dropout(0.9)
        self.per_token = per_token
        self.modes: list[bool] = []

    def forward(self, input_ids, attention_mask=None, labels=None):
        self.modes.append(self.training)
        logits = self.inner(self.table[input_ids if self.per_token else input_ids[:, 0]])
        loss = None
        if labels is not None:
            loss = (token_loss if self.per_token else sequence_loss)(
                logits, labels, *(() if self.per_token else (None,))
            )
        return SimpleNamespace(logits=logits, loss=loss)


def batch(ids, labels=None, mask=None):
    ids = torch.tensor(ids)
    made = {"input_ids": ids, "attention_mask": torch.ones_like(ids) if mask is None else mask}
    return made if labels is None else {**made, "labels": torch.tensor(labels)}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("classification", [[0.25, 0.75]]),
        ("token_classification", [[0.25, 0.75]]),
        ("multi_label", [[0.5, 0.75]]),
        ("regression", [[0.0, math.log(3)]]),
    ],
)
def test_logits_become_what_a_person_reads(task, expected):
    torch.testing.assert_close(
        probabilities(torch.tensor([[0.0, math.log(3)]]), task), torch.tensor(expected)
    )


def test_classes_over_batches_of_unequal_size():
    model = StandIn([[0.0, math.log(3)], [math.log(3), 0.0]])  # 75 % class 1, 75 % class 0
    loader = [batch([[0], [0], [1]], [1, 1, 0]), batch([[1]], [1])]
    result = evaluate(model, loader, "classification")  # type: ignore[arg-type]
    right, wrong = math.log(4 / 3), math.log(4)
    assert result.loss == pytest.approx((3 * right + wrong) / 4)
    assert result.labels.tolist() == [1, 1, 0, 1]
    np.testing.assert_allclose(
        result.scores, [[0.25, 0.75], [0.25, 0.75], [0.75, 0.25], [0.75, 0.25]], rtol=1e-6
    )
    assert result.metrics["accuracy"] == 0.75


def test_without_labels_there_are_scores_and_no_metrics():
    model = StandIn([[0.0, 0.0], [0.0, 0.0]])
    result = evaluate(model, [batch([[0], [1]]), batch([[1]])], "classification")  # type: ignore[arg-type]
    assert math.isnan(result.loss)
    assert result.metrics == {}
    assert result.labels.size == 0
    assert result.scores.tolist() == [[0.5, 0.5]] * 3


def test_values_keep_their_unit():
    model = StandIn([[10.0], [20.0], [40.0]])
    result = evaluate(model, [batch([[0], [1], [2]], [11.0, 20.0, 38.0])], "regression")  # type: ignore[arg-type]
    assert result.loss == pytest.approx((1 + 0 + 4) / 3)
    assert result.scores.tolist() == [[10.0], [20.0], [40.0]]
    assert result.metrics["mae"] == pytest.approx(1.0)
    assert result.metrics["spearman"] == pytest.approx(1.0)


def test_several_labels():
    model = StandIn([[9.0, -9.0], [-9.0, 9.0]])
    loader = [batch([[0], [1]], [[1.0, 0.0], [0.0, 1.0]])]
    result = evaluate(model, loader, "multi_label")  # type: ignore[arg-type]
    assert result.metrics["subset_accuracy"] == 1.0
    assert result.scores.shape == (2, 2)


def test_ignored_tokens_are_left_out_and_widths_may_differ():
    model = StandIn([[9.0, 0.0], [0.0, 9.0]], per_token=True)
    loader = [
        batch([[0, 1, 0]], [[0, 1, -100]]),
        batch([[1, 0], [1, 0]], [[0, -100], [-100, -100]]),
    ]
    result = evaluate(model, loader, "token_classification")  # type: ignore[arg-type]
    assert result.labels.tolist() == [0, 1, 0]
    assert result.scores.argmax(axis=1).tolist() == [0, 1, 1]
    assert result.metrics["accuracy"] == pytest.approx(2 / 3)
    # Three tokens have a label; two are right and one is wrong by nine nats.
    assert result.loss == pytest.approx(3.0, abs=1e-3)


def test_tokens_without_labels_are_scored_where_they_are_real():
    model = StandIn([[0.0, 0.0], [0.0, 0.0]], per_token=True)
    loader = [batch([[0, 1, 0]]), batch([[1, 0]], mask=torch.tensor([[1, 0]]))]
    result = evaluate(model, loader, "token_classification")  # type: ignore[arg-type]
    assert result.scores.tolist() == [[0.5, 0.5]] * 4


def test_the_mode_of_every_part_is_restored():
    model = StandIn([[0.0, 1.0], [1.0, 0.0]]).train()
    model.inner.eval()  # frozen by its owner
    evaluate(model, [batch([[0], [1]], [0, 1])], "classification")  # type: ignore[arg-type]
    assert model.modes == [False]
    assert (model.training, model.inner.training) == (True, False)
    with pytest.raises(DataError):
        evaluate(model, [batch([[0]], [5])], "classification")  # type: ignore[arg-type]
    assert (model.training, model.inner.training) == (True, False)
    model.eval()
    evaluate(model, [batch([[0], [1]], [0, 1])], "classification")  # type: ignore[arg-type]
    assert not model.training


@pytest.mark.parametrize(
    ("face", "causal", "objective"),
    [(HyenaGLTForCausalLM, True, "clm"), (HyenaGLTForMaskedLM, False, "mlm")],
)
def test_language_models_are_scored_on_sequences_of_any_length(face, causal, objective):
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=1, num_attention_heads=4, causal=causal
    )
    data = [{"sequence": "ACGT" * n} for n in (2, 5, 9)]
    loader = create_genomic_dataloaders(
        data, data, DNATokenizer(kmer_size=1), 1, task="language_modeling", objective=objective
    )["val"]
    model = face(config)
    with torch.no_grad():
        model.model.output_norm.weight.zero_()  # all tokens equally likely
    result = evaluate(model, loader, "language_modeling")
    assert result.loss == pytest.approx(math.log(12), rel=1e-5)
    assert result.metrics == pytest.approx({"bits_per_token": math.log2(12)}, rel=1e-5)
    assert result.scores.size == result.labels.size == 0


def test_a_long_sequence_counts_by_its_tokens():
    class LossOfLength(StandIn):
        def forward(self, input_ids, attention_mask=None, labels=None):
            return SimpleNamespace(logits=None, loss=torch.tensor(float(input_ids.shape[1])))

    loader = [batch([[1] * 2], [[1] * 2]), batch([[1] * 8], [[1] * 8])]
    result = evaluate(LossOfLength([[0.0]]), loader, "language_modeling")  # type: ignore[arg-type]
    assert result.loss == pytest.approx((2 * 2 + 8 * 8) / 10)
