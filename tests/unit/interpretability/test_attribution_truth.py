"""Attributions against what the simulator planted, and against nothing on shuffled labels."""

from typing import NamedTuple

import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.simulation import simulate_classification
from hyena_glt.interpretability.attribution import attribute
from hyena_glt.interpretability.gradient_attribution import integrated_gradients
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer


class Trained(NamedTuple):
    """A model, and held-out sequences that carry the motif, with the places where it lies."""

    model: HyenaGLTForSequenceClassification
    ids: Tensor
    planted: Tensor


def fitted(ids, labels, *, steps, hidden_size):
    """Train on sequences of one length."""
    model = HyenaGLTForSequenceClassification(
        HyenaGLTConfig(
            genomic_vocab_size=12, hidden_size=hidden_size, num_layers=2, num_attention_heads=4,
            causal=False, target_compression=4.0, dropout=0.0, head_dropout=0.0,
            max_position_embeddings=ids.shape[1], num_labels=int(labels.max()) + 1,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, steps)
    for _ in range(steps):
        batch = torch.randint(len(ids), (32,))
        optimizer.zero_grad()
        model(ids[batch], labels=labels[batch]).loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def trained(*, length, size, steps, hidden_size, shuffle):
    """Train on sequences with and without a TATA box."""
    torch.manual_seed(0)
    data = simulate_classification(size + 100, length=length, seed=1)
    tokenizer = DNATokenizer(kmer_size=1)
    ids = torch.tensor([tokenizer.encode(one.sequence) for one in data])
    positive = torch.tensor([one.label == "positive" for one in data])
    planted = torch.zeros(ids.shape, dtype=torch.bool)
    for row, one in enumerate(data):
        for feature in one.features:
            planted[row, feature.start : feature.stop] = True
    labels = positive.long()
    if shuffle:
        labels = labels[torch.randperm(len(labels))]
    model = fitted(ids[:size], labels[:size], steps=steps, hidden_size=hidden_size)
    chosen = size + positive[size:].nonzero()[:16, 0]
    return Trained(model, ids[chosen], planted[chosen])


@pytest.fixture(scope="module")
def informed():
    return trained(length=40, size=1024, steps=120, hidden_size=32, shuffle=False)


def mean_auroc(scores, planted):
    """How well scores tell the planted bases from the others of their sequence."""
    values = [
        roc_auc_score(where.numpy(), score.numpy())
        for score, where in zip(scores, planted, strict=True)
    ]
    return sum(values) / len(values)


@pytest.mark.parametrize("method", ["mutagenesis", "saliency", "input_x_gradient"])
def test_planted_bases_are_found(informed, method):
    found = attribute(informed.model, informed.ids, 1, method=method)
    assert mean_auroc([one.scores for one in found], informed.planted) >= 0.95


def test_integrated_gradients_find_them_too_and_say_what_they_miss(informed):
    """A trained model changes its mind within a hundredth of the way: few steps miss it."""
    found = [
        integrated_gradients(informed.model, ids, 1, boundaries="frozen", baselines=5)
        for ids in informed.ids[:3].split(1)
    ]
    assert mean_auroc([one.scores for one in found], informed.planted[:3]) >= 0.9
    for one in found:
        difference = one.prediction - one.baseline
        assert difference > 1  # shuffled, the motif is gone
        assert abs(one.delta) < 0.2 * difference
        assert one.delta == pytest.approx(float(one.scores.sum()) - difference, abs=1e-5)


def test_estimates_agree_with_mutagenesis(informed):
    ids = informed.ids[:4]
    measured = attribute(informed.model, ids, 1)
    frozen = attribute(informed.model, ids, 1, boundaries="frozen")
    estimated = attribute(informed.model, ids, 1, method="input_x_gradient")
    for one, held, guess in zip(measured, frozen, estimated, strict=True):
        assert spearmanr(one.effects.flatten(), held.effects.flatten()).statistic > 0.9
        assert spearmanr(one.effects.flatten(), guess.effects.flatten()).statistic > 0.8


def test_on_shuffled_labels_nothing_is_found():
    ignorant = trained(length=40, size=1024, steps=120, hidden_size=32, shuffle=True)
    for method in ("mutagenesis", "input_x_gradient"):
        found = attribute(ignorant.model, ignorant.ids, 1, method=method)
        size = mean_auroc([one.scores.abs() for one in found], ignorant.planted)
        assert 0.35 < size < 0.65
        sign = mean_auroc([one.scores for one in found], ignorant.planted)
        assert 0.35 < sign < 0.65


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_planted_bases_are_found_in_longer_sequences():
    long = trained(length=100, size=2048, steps=300, hidden_size=32, shuffle=False)
    for method in ("mutagenesis", "input_x_gradient"):
        found = attribute(long.model, long.ids, 1, method=method)
        assert mean_auroc([one.scores for one in found], long.planted) >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_introns_begin_with_gt_and_end_with_ag(shared_data):
    """Donor and acceptor sites of primates: the dinucleotide at the junction counts most."""
    tokenizer = DNATokenizer(kmer_size=1)
    path = shared_data / "classification" / "uci_splice" / "splice.data"
    rows = {}
    for line in path.read_text(encoding="ascii").splitlines():
        label, _, letters = (part.strip() for part in line.split(","))
        if set(letters) <= set("ACGT"):
            rows[letters] = ["N", "EI", "IE"].index(label)
    ids = torch.tensor([tokenizer.encode(letters) for letters in rows])
    labels = torch.tensor(list(rows.values()))
    order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(0))
    ids, labels = ids[order], labels[order]
    model = fitted(ids[400:], labels[400:], steps=300, hidden_size=32)
    with torch.no_grad():
        called = model(ids[:400]).logits.argmax(dim=1)
    assert float((called == labels[:400]).float().mean()) > 0.9
    for kind, (dinucleotide, start) in {1: ("GT", 30), 2: ("AG", 28)}.items():
        right = ids[:400][(called == kind) & (labels[:400] == kind)][:20]
        assert tokenizer.decode(right[0])[start : start + 2] == dinucleotide
        for method in ("mutagenesis", "input_x_gradient"):
            found = attribute(model, right, kind, method=method)
            mean = torch.stack([one.scores for one in found]).mean(dim=0)
            assert sorted(mean.topk(2).indices.tolist()) == [start, start + 1]
