import pytest
import torch
from scipy.stats import spearmanr

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability import gradient_attribution
from hyena_glt.interpretability.attribution import attribute
from hyena_glt.interpretability.attribution_result import alphabet_of, predict
from hyena_glt.interpretability.gradient_attribution import (
    _effects,
    _shuffled,
    compute_gradient_attributions,
    integrated_gradients,
)
from hyena_glt.interpretability.readout_share import (
    readout_effects,
    readout_scores,
    readout_share,
)
from hyena_glt.model import HyenaGLTForMultiTask


def dna(rows, length, unknown=()):
    ids = torch.randint(8, 12, (rows, length))
    ids[0, list(unknown)] = 5
    return ids


def test_what_leads_off_the_sequences_does_not_count():
    slope, shares = torch.randn(6, 5), torch.eye(5)[torch.tensor([0, 1, 3, 4, 2, 0])]
    found = _effects(slope, shares)
    moved = _effects(slope + torch.randn(6, 1), shares)
    torch.testing.assert_close(found, moved, rtol=1e-5, atol=1e-6)
    assert float(found[0, 0]) == float(found[1, 1]) == 0
    assert float(found[3].abs().min()) > 0  # a token without a letter has none for itself


@pytest.mark.parametrize("strands", ["none", "average"])
def test_the_readout_is_attributed_exactly(made_model, strands):
    model = made_model(reverse_complement=strands)
    model.classifier.scale.fill_(1.7)
    ids = dna(1, 14, unknown=[3])
    alphabet = alphabet_of(ids, model.config)
    effects = readout_effects(model, ids, 1, alphabet)
    own = readout_share(model, ids, 1, alphabet)
    for place in range(14):
        for letter in range(4):
            mutant = ids.clone()
            mutant[0, place] = 8 + letter
            change = readout_share(model, mutant, 1, alphabet) - own
            assert float(effects[place, letter]) == pytest.approx(float(change), abs=1e-5)
    generator = torch.Generator().manual_seed(0)
    others = torch.cat([_shuffled(ids, alphabet, generator) for _ in range(3)])
    assert not torch.equal(others[0], others[1])
    assert (others[:, 3] == 5).all()
    assert torch.equal(others.sort(dim=1).values, ids.sort(dim=1).values.expand(3, -1))
    scores = readout_scores(model, ids, others, 1, alphabet, generator)
    difference = own - readout_share(model, others, 1, alphabet).mean()
    assert float(scores.sum()) == pytest.approx(float(difference), abs=1e-4)
    assert float(scores[3]) == 0  # what does not change is worth nothing


def test_slopes_estimate_what_mutants_do(made_model):
    model = made_model()
    ids = dna(3, 24, unknown=[2])
    measured = attribute(model, ids, 1)
    for method in ("saliency", "input_x_gradient"):
        for one, truth in zip(attribute(model, ids, 1, method=method), measured, strict=True):
            assert one.prediction == pytest.approx(truth.prediction, abs=1e-5)
            assert spearmanr(one.effects.flatten(), truth.effects.flatten()).statistic > 0.9
            assert bool((one.effects[truth.effects == 0] == 0).all())
            expected = (
                one.effects.abs().amax(dim=1)
                if method == "saliency"
                else -one.effects.sum(dim=1) / (one.effects != 0).sum(dim=1)
            )
            torch.testing.assert_close(one.scores, expected)
            torch.testing.assert_close(one.contributions.sum(dim=1), torch.zeros(24))


def test_rows_of_a_batch_do_not_touch_each_other(made_model, monkeypatch):
    model = made_model()
    ids = dna(5, 20)
    together = attribute(model, ids, 0, method="input_x_gradient", batch_size=3)
    for row, one in zip(ids.split(1), together, strict=True):
        alone = attribute(model, row, 0, method="input_x_gradient")[0]
        torch.testing.assert_close(one.effects, alone.effects, rtol=1e-4, atol=1e-6)
    # Long sequences are taken in smaller batches, which changes nothing.
    options = {"baselines": 3, "steps": 6, "boundaries": "frozen"}
    whole = integrated_gradients(model, ids[:1], 0, **options)
    monkeypatch.setattr(gradient_attribution, "_MOST_TOKENS", 2 * 20)
    parts = integrated_gradients(model, ids[:1], 0, **options)
    torch.testing.assert_close(whole.scores, parts.scores, rtol=1e-4, atol=1e-6)
    for one, other in zip(
        attribute(model, ids, 0, method="input_x_gradient"), together, strict=True
    ):
        torch.testing.assert_close(one.effects, other.effects, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("strands", ["none", "average"])
def test_integrated_gradients_are_complete_with_frozen_boundaries(made_model, strands):
    model = made_model(reverse_complement=strands)
    ids = dna(1, 16, unknown=[3])
    found = integrated_gradients(model, ids, 1, boundaries="frozen", baselines=4, steps=24)
    difference = found.prediction - found.baseline
    assert found.delta == pytest.approx(float(found.scores.sum()) - difference, abs=1e-6)
    assert abs(difference) > 0.05
    assert abs(found.delta) < 0.02 * abs(difference)
    assert float(found.scores[3]) == 0
    again = integrated_gradients(model, ids, 1, boundaries="frozen", baselines=4, steps=24)
    assert torch.equal(found.scores, again.scores)


def test_integrated_gradients_know_what_they_miss_where_boundaries_move(made_model):
    model = made_model()
    ids = dna(1, 40)
    found = integrated_gradients(model, ids, 1, boundaries="remerged", baselines=2, steps=8)
    assert float(found.prediction) == pytest.approx(
        float(predict(model, ids, 1).detach()), abs=1e-5
    )
    expected = float(found.scores.sum()) - (found.prediction - found.baseline)
    assert found.delta == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", ["mutagenesis", "input_x_gradient"])
def test_both_strands_give_one_answer(made_model, method):
    model = made_model()
    ids = dna(1, 10)
    given = attribute(model, ids, 1, method=method, reverse_complement=True)[0]
    turned = (19 - ids).flip(1)
    other = attribute(model, turned, 1, method=method, reverse_complement=True)[0]
    torch.testing.assert_close(given.effects, other.effects.flip(0, 1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(given.scores, other.scores.flip(0), rtol=1e-4, atol=1e-6)
    plain = attribute(model, ids, 1, method=method)[0]
    assert float((given.effects - plain.effects).abs().max()) > 1e-3


def test_both_strands_are_the_model_that_averages(made_model):
    model = made_model()
    ids = dna(1, 12)
    found = attribute(model, ids, 1, reverse_complement=True)[0]
    model.config.reverse_complement = "average"
    averaged = attribute(model, ids, 1)[0]
    torch.testing.assert_close(found.effects, averaged.effects, rtol=1e-4, atol=1e-5)
    assert found.prediction == pytest.approx(averaged.prediction, abs=1e-5)


def test_sequences_of_many_lengths_and_targets(made_model):
    model = made_model().train()
    sequences = ["ACGTTAGGCATC", "TTAGGG", torch.tensor([8, 9, 10, 11, 8, 8]), "ACGTTAGGCATT"]
    found = compute_gradient_attributions(model, sequences, [0, 1, 1, 0])
    assert model.training
    assert [len(one.scores) for one in found] == [12, 6, 6, 12]
    for sequence, target, one in zip(sequences, [0, 1, 1, 0], found, strict=True):
        alone = compute_gradient_attributions(model, [sequence], target)[0]
        torch.testing.assert_close(one.effects, alone.effects, rtol=1e-4, atol=1e-6)
    with pytest.raises(ConfigError, match="targets: 2 are given for 4 sequences"):
        compute_gradient_attributions(model, sequences, [0, 1])
    with pytest.raises(DataError, match="empty"):
        compute_gradient_attributions(model, [""], 0)


def test_what_cannot_be_done_is_said(made_model):
    model = made_model()
    ids = dna(1, 6)
    for wrong, message in (
        ({"method": "guess"}, "method must be one of mutagenesis, saliency, .*, got 'guess'"),
        ({"method": "deeplift"}, "'deeplift' does not hold for this model"),
        ({"boundaries": "fluid"}, "boundaries must be 'frozen' or 'remerged', got 'fluid'"),
        ({"method": "saliency", "boundaries": "fluid"}, "boundaries must be"),
    ):
        with pytest.raises(ConfigError, match=message):
            attribute(model, ids, 0, **wrong)
    with pytest.raises(ConfigError, match=r"output must be in \[0, 2\), got 5"):
        attribute(model, ids, 5, method="saliency")
    with pytest.raises(DataError, match=r"ids: expected \(sequences, tokens\)"):
        attribute(model, ids[0], 0)
    with pytest.raises(ConfigError, match="logits of shape"):
        attribute(made_model().model, ids, 0)  # a language model
    # Nothing stays behind in the model.
    assert not any(part._forward_hooks for part in model.modules())
    assert model.config.reverse_complement == "none"


def test_a_model_of_several_tasks_is_explained_task_by_task():
    torch.manual_seed(0)
    tasks = {name: {"task": "classification", "num_labels": 2} for name in ("tata", "gata")}
    model = HyenaGLTForMultiTask(
        HyenaGLTConfig(
            genomic_vocab_size=12, hidden_size=32, num_layers=1, num_attention_heads=4,
            causal=False, tasks=tasks,
        )
    ).eval()  # fmt: skip
    ids = dna(1, 8)
    with pytest.raises(ConfigError, match=r"one task at a time; give model.for_task\(name\), one"):
        attribute(model, ids, 1)
    face = model.for_task("gata")
    torch.nn.init.normal_(face.kmer_readout.weight)
    found = attribute(face, ids, 1)[0]
    mutant = ids.clone()
    mutant[0, 3] = 8 + (ids[0, 3] - 7) % 4
    with torch.no_grad():
        change = model(mutant, task="gata").logits - model(ids, task="gata").logits
    effect = found.effects[3, int(mutant[0, 3]) - 8]
    assert float(effect) == pytest.approx(float(change[0, 1]), abs=1e-5)
    guess = attribute(face, ids, 1, method="input_x_gradient")[0]
    assert spearmanr(found.effects.flatten(), guess.effects.flatten()).statistic > 0.9
