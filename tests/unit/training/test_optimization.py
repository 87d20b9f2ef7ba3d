import math

import pytest
import torch
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.training.optimization import WeightAverage, learning_rate, make_optimizer
from hyena_glt.training.settings import TrainingSettings


def small_model():
    config = HyenaGLTConfig(
        hidden_size=32, num_layers=3, genomic_vocab_size=12, causal=False,
        boundary_scorer="entropy_pattern",
    )  # fmt: skip
    return HyenaGLTForSequenceClassification(config)


def test_weight_matrices_alone_decay():
    model = small_model()
    settings = TrainingSettings(weight_decay=0.3, learning_rate=2e-3)
    decayed, *others = make_optimizer(model, settings).param_groups
    assert decayed["weight_decay"] == 0.3
    assert all(group["weight_decay"] == 0.0 for group in others)
    assert all(group["lr"] == 2e-3 for group in (decayed, *others))
    names = {id(p): name for name, p in model.named_parameters()}
    decaying = {names[id(p)] for p in decayed["params"]}
    still = {names[id(p)] for group in others for p in group["params"]}
    assert decaying | still == set(names.values())
    assert not decaying & still
    assert "model.layers.0.mlp.up.weight" in decaying
    assert "classifier.out.weight" in decaying
    for part in ("norm", "bias", "ngrams", "filter", "taps", "featuriser", "patterns", "skip"):
        assert not [name for name in decaying if part in name], part
    for name in ("model.embeddings.weight", "model.ngrams.tables.0.weight",
                 "model.layers.2.operator.filter.log_decay", "classifier.out.bias"):  # fmt: skip
        assert name in still


def test_frozen_weights_are_left_out():
    model = small_model()
    model.model.requires_grad_(False)
    groups = make_optimizer(model, TrainingSettings()).param_groups
    trained = {id(p) for group in groups for p in group["params"]}
    heads = (model.classifier, model.kmer_readout)
    assert trained == {id(p) for head in heads for p in head.parameters()}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.1), (4, 0.5), (9, 1.0),  # ten steps of warm-up: each a tenth more
        (10, 1.0), (55, 0.02 + 0.98 / 2),  # half-way down the cosine
        (100, 0.02), (500, 0.02),
    ],
)  # fmt: skip
def test_a_linear_warm_up_and_half_a_cosine(step, expected):
    settings = TrainingSettings(learning_rate=3e-3, warmup_fraction=0.1, final_fraction=0.02)
    assert learning_rate(step, 100, settings) == pytest.approx(3e-3 * expected)


def test_the_schedule_rises_then_falls():
    settings = TrainingSettings()
    rates = [learning_rate(step, 50, settings) for step in range(50)]
    peak = rates.index(max(rates))
    assert max(rates) == settings.learning_rate
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_short_trainings_have_a_learning_rate(total):
    for warmup in (0.0, 0.9):
        settings = TrainingSettings(warmup_fraction=warmup)
        for step in range(total):
            assert 0 < learning_rate(step, total, settings) <= settings.learning_rate


def test_the_average_follows_its_formula():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    average, expected = WeightAverage(model, 0.5), 0.0
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert float(average.average["weight"]) == pytest.approx(expected)
    assert decay == 0.5  # the warm-up is over
    # With decay d the average lags d / (1 - d) steps behind a straight line.
    assert math.isclose(expected, 29 - 1, abs_tol=0.01)


def test_averages_stand_in_for_the_weights_and_go():
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 0.9)
    start = [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    trained = [p.detach().clone() for p in model.parameters()]
    with average:
        assert all(torch.equal(p, s) for p, s in zip(model.parameters(), start, strict=True))
    assert all(torch.equal(p, t) for p, t in zip(model.parameters(), trained, strict=True))
    with pytest.raises(KeyboardInterrupt), average:
        raise KeyboardInterrupt
    assert all(torch.equal(p, t) for p, t in zip(model.parameters(), trained, strict=True))


def test_the_average_does_not_disturb_training():
    losses = []
    for averaged in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        optimizer = torch.optim.AdamW(model.parameters(), 0.1)
        average = WeightAverage(model, 0.9)
        x = torch.randn(8, 3)
        for _ in range(5):
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if averaged:
                average.update()
                with average:
                    model(x)
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]
