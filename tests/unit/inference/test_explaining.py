import math

import numpy as np
import pytest
import torch

from hyena_glt.biology.intervals import Feature
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.explaining import LONGEST, Explainer, Stretch
from hyena_glt.inference.scoring import iter_log_likelihoods, score_sequence
from hyena_glt.model import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer

SMALL = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "merge_threshold": 0.02,
    "max_position_embeddings": 400,
}  # fmt: skip
DRAW = np.random.default_rng(0)
LETTERS = "".join(DRAW.choice(list("ACGT"), 24))


def explainer_of(kind, tokenizer=None, labels=(), **settings):
    torch.manual_seed(0)
    tokenizer = tokenizer or DNATokenizer(kmer_size=1)
    fields = {"causal": kind is HyenaGLTForCausalLM, **SMALL, **settings}
    if labels:
        fields["num_labels"] = len(labels)
    config = HyenaGLTConfig.for_tokenizer(tokenizer, **fields)
    if labels:
        config.id2label = dict(enumerate(labels))
    return Explainer(kind(config), tokenizer)


def classifier(**settings):
    return explainer_of(HyenaGLTForSequenceClassification, labels=("other", "promoter"), **settings)


def stretch(letters=LETTERS, **around):
    return Stretch("x", "chr1", 100, letters, **around)


def test_a_classifier_is_explained_by_what_it_predicts():
    explainer = classifier()
    found = explainer.explain(stretch())
    outputs = dict(found.outputs)
    name = max(outputs, key=outputs.__getitem__)
    assert sum(outputs.values()) == pytest.approx(1.0)
    assert found.verdict.startswith(
        f"Predicted class: {name}, with probability {outputs[name]:.3f}"
    )
    assert found.explained == f"the logit of class {name}"
    assert found.place == "chr1:101-124"
    ids = torch.tensor([explainer.tokenizer.encode(LETTERS)])
    column = list(outputs).index(name)
    with torch.no_grad():
        assert found.attribution.prediction == pytest.approx(
            float(explainer.model(ids).logits[0, column]), abs=1e-5
        )
    assert sum(found.patches.lengths) == 24
    assert list(found.attention.blocks) == [0, 1]


def test_another_class_can_be_asked_for():
    named = [classifier().explain(stretch(), output=name) for name in ("other", "promoter")]
    assert [one.explained.split()[-1] for one in named] == ["other", "promoter"]
    assert not torch.equal(named[0].attribution.scores, named[1].attribution.scores)
    with pytest.raises(ConfigError, match="--class 'exon': the model has other, promoter"):
        classifier().explain(stretch(), output="exon")


def test_several_labels_and_values_are_said_in_words():
    labels = ("H3K4me3", "H3K27ac", "H3K9me3")
    explainer = explainer_of(
        HyenaGLTForSequenceClassification, labels=labels, problem_type="multi_label_classification"
    )
    found = explainer.explain(stretch(), method="none")
    above = [name for name, chance in found.outputs if chance > 0.5]
    assert found.verdict == f"Predicted: {', '.join(above) or 'none of the labels'}"
    chosen = explainer.explain(stretch(), output="H3K27ac", method="saliency")
    assert chosen.explained == "the log-odds of H3K27ac"
    explainer = explainer_of(
        HyenaGLTForSequenceClassification, labels=("activity",), problem_type="regression"
    )
    found = explainer.explain(stretch(), method="input_x_gradient")
    assert found.verdict.startswith("Predicted value: activity: ")
    assert found.attribution.prediction == pytest.approx(dict(found.outputs)["activity"], abs=1e-5)


def test_one_task_of_several_is_explained(tmp_path):
    tokenizer = DNATokenizer(kmer_size=1)
    tasks = {
        "tata": {"task": "classification", "num_labels": 2, "label_names": ["no", "yes"]},
        "genes": {"task": "token_classification", "num_labels": 3, "label_names": ["o", "+", "-"]},
    }
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(tokenizer, causal=False, tasks=tasks, **SMALL)
    HyenaGLTForMultiTask(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"several tasks; name one with --task: genes, tata"):
        Explainer.from_pretrained(tmp_path)
    found = Explainer.from_pretrained(tmp_path, "tata").explain(stretch(), method="none")
    assert [name for name, _ in found.outputs] == ["no", "yes"]
    found = Explainer.from_pretrained(tmp_path, "genes").explain(stretch())
    assert [column.label for column in found.classes] == ["o", "+", "-"]
    assert found.attribution.effects.shape == (24, 4)


def test_rna_is_read_with_t_and_u_alike():
    explainer = explainer_of(HyenaGLTForCausalLM, RNATokenizer(kmer_size=1))
    one, other = (explainer.explain(stretch(text)) for text in ("ACGUUGCAU", "ACGTTGCAT"))
    assert one.sequence == other.sequence == "ACGUUGCAU"
    assert one.alphabet == "ACGU"
    assert torch.equal(one.attribution.effects, other.attribution.effects)


def test_every_base_of_a_labelling_model_has_a_probability_with_what_stands_around_it():
    explainer = explainer_of(HyenaGLTForTokenClassification, labels=("other", "CDS+", "CDS-"))
    left, right = "ACGTTGCA", "TTGGCA"
    found = explainer.explain(stretch(left=left, right=right))
    ids = torch.tensor([explainer.tokenizer.encode(left + LETTERS + right)])
    with torch.no_grad():
        chances = explainer.model(ids).logits[0, 8:32].softmax(dim=-1)
    for column, name in enumerate(("other", "CDS+", "CDS-")):
        np.testing.assert_allclose(found.classes[column].values, chances[:, column], atol=1e-5)
        assert found.classes[column].name == f"p_{name}"
    assert "CDS" in found.explained
    assert found.attribution.effects.shape == (24, 4)
    assert any("8 bases before and 6 behind" in remark for remark in found.remarks)


def test_bases_of_long_stretches_are_labelled_in_windows():
    explainer = explainer_of(
        HyenaGLTForTokenClassification, labels=("other", "CDS+", "CDS-"),
        max_position_embeddings=40,
    )  # fmt: skip
    letters = "".join(np.random.default_rng(1).choice(list("ACGTN"), 100))
    found = explainer.explain(stretch(letters, left="ACGTACGT"))
    ids = torch.tensor([explainer.tokenizer.encode("ACGTACGT" + letters)])
    with torch.no_grad():
        middle = explainer.model(ids[:, 20:60]).logits[0, 10:30].softmax(dim=-1)[:, 1]
    np.testing.assert_allclose(found.classes[1].values[22:42], middle, atol=1e-5)
    assert found.attention is None
    assert found.attribution is None
    assert found.patches.starts[0] == 0
    assert {40, 80} <= set(found.patches.starts)
    assert sum(found.patches.lengths) == len(found.patches.scores) == 100
    assert any("takes 40 letters at once" in remark for remark in found.remarks)


def test_a_causal_language_model_knows_each_base_as_its_scores_say():
    explainer = explainer_of(HyenaGLTForCausalLM)
    found = explainer.explain(stretch())
    ids = torch.tensor(explainer.tokenizer.encode(LETTERS))
    values = np.concatenate(list(iter_log_likelihoods(explainer.model, ids)))
    # Scores are shares of the whole vocabulary, those here of the four letters.
    with torch.no_grad():
        log = explainer.model(ids[None]).logits[0].log_softmax(dim=-1)
    rest = log[:-1, 8:12].logsumexp(dim=-1).numpy()
    bits = found.likelihood[0].values
    np.testing.assert_allclose(bits[1:], (values[1:] - rest) / math.log(2), atol=1e-4)
    assert bits[0] == pytest.approx(-2.0)
    assert found.likelihood[1].values[0] == pytest.approx(2.0)
    np.testing.assert_allclose(found.expected.sum(axis=1), 1.0)
    first = score_sequence(explainer.model, ids).log_likelihood + math.log(4)
    assert found.attribution.prediction == pytest.approx(first, abs=1e-3)


def test_a_masked_language_model_is_asked_with_the_base_hidden():
    explainer = explainer_of(HyenaGLTForMaskedLM)
    found = explainer.explain(stretch())
    ids = torch.tensor(explainer.tokenizer.encode(LETTERS))
    hidden = ids.clone()
    hidden[3::8] = 4
    with torch.no_grad():
        chances = explainer.model(hidden[None]).logits[0, 11, 8:12].softmax(dim=-1).numpy()
    np.testing.assert_allclose(found.expected[11], chances, atol=1e-5)
    own = int(ids[11]) - 8
    expected = np.log(chances / chances[own])
    np.testing.assert_allclose(found.attribution.effects[11].numpy(), expected, atol=1e-5)
    assert "masked marginals" in found.method
    other = list(LETTERS)
    other[11] = "ACGT"[(own + 1) % 4]
    changed = explainer.explain(stretch("".join(other)))
    np.testing.assert_allclose(changed.expected[11], chances, atol=1e-5)


def test_an_unknown_base_has_no_likelihood():
    found = explainer_of(HyenaGLTForCausalLM).explain(stretch("ACGNTTGCA"), method="none")
    assert math.isnan(found.likelihood[0].values[3])
    assert not np.isnan(np.delete(found.likelihood[0].values, 3)).any()
    masked = explainer_of(HyenaGLTForMaskedLM).explain(stretch("ACGNTTGCA"))
    assert float(masked.attribution.effects[3].abs().max()) == 0.0


def test_proteins_have_twenty_letters():
    explainer = explainer_of(
        HyenaGLTForSequenceClassification, ProteinTokenizer(), labels=("a", "b")
    )
    found = explainer.explain(stretch("MKVLAWHEE"))
    assert len(found.alphabet) == 20
    assert found.attribution.effects.shape == (9, 20)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient"])
def test_quick_methods_are_those_of_attribute(method):
    from hyena_glt.interpretability.attribution import attribute

    explainer = classifier()
    found = explainer.explain(stretch(), output="promoter", method=method)
    ids = torch.tensor([explainer.tokenizer.encode(LETTERS)])
    expected = attribute(explainer.model, ids, 1, method=method)[0]
    torch.testing.assert_close(found.attribution.scores, expected.scores)


def test_what_is_too_much_to_mutate_is_estimated_or_refused():
    said = []
    found = classifier().explain(stretch(), on_cost=said.append)
    assert said[0].startswith("72 mutants of 24 letters, about ")
    with pytest.raises(ConfigError, match=r"24 letters means 72 mutants.*limit is 10 letters"):
        classifier().explain(stretch(), method="mutagenesis", limit=10)
    quick = classifier().explain(stretch(), limit=10)
    assert "estimated from the gradient" in quick.remarks[0]
    assert quick.attribution is not None
    bare = explainer_of(HyenaGLTForCausalLM).explain(stretch(), limit=10)
    assert bare.attribution is None
    assert "There is no attribution: 24 letters are more than the 10" in bare.remarks[0]
    assert found.remarks == []


def test_progress_reaches_its_end():
    seen = []
    classifier().explain(
        stretch(), batch_size=10, on_progress=lambda *numbers: seen.append(numbers)
    )
    assert seen[-1] == (72, 72)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_annotation_is_that_of_the_stretch_and_tested():
    features = [
        Feature("chr1", 95, 105, "CDS"),
        Feature("chr1", 124, 130, "CDS"),
        Feature("chr2", 100, 110, "CDS"),
        Feature("chr1", 0, 500, "gene"),
    ]
    found = classifier().explain(stretch(), features=features, method="none")
    assert [(one.kind, one.start) for one in found.features] == [("CDS", 95), ("gene", 0)]
    assert set(found.focus[0]) == {"CDS"}  # every base lies in the gene
    assert found.focus[0]["CDS"].bases == 5


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(ConfigError, match="kmer_size is 3"):
        explainer_of(HyenaGLTForCausalLM, DNATokenizer(kmer_size=3))
    explainer = classifier()
    with pytest.raises(DataError, match="x: the sequence is empty"):
        explainer.explain(stretch(""))
    with pytest.raises(DataError, match=r"401 letters.*at most 400 .*choose a region"):
        explainer.explain(stretch("A" * 401))
    with pytest.raises(DataError, match=f"too many for one page, the most are {LONGEST:,}"):
        explainer.explain(stretch("A" * (LONGEST + 1)))
    with pytest.raises(ConfigError, match="--method 'magic': use auto, none, mutagenesis"):
        explainer.explain(stretch(), method="magic")
    with pytest.raises(ConfigError, match="--method saliency explains predictions for whole"):
        explainer_of(HyenaGLTForCausalLM).explain(stretch(), method="saliency")
