import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation import evaluate_genomic_model
from hyena_glt.model import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tokenizers import DNATokenizer

WEIGHTED = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
SMALL = {"hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "genomic_vocab_size": 12}


def model_of(face, **settings):
    torch.manual_seed(0)
    return face(HyenaGLTConfig(**{**SMALL, "causal": False, **settings}))


def loader_of(labels, task, length=30, **options):
    rng = np.random.default_rng(0)
    data = []
    for label in labels:
        row = {"sequence": "".join(rng.choice(list("ACGT"), length))}
        data.append(row if label is None else {**row, "labels": label})
    tokenizer = DNATokenizer(kmer_size=1)
    return create_genomic_dataloaders(data, data, tokenizer, 4, task=task, **options)["val"]


def logits_and_labels(model, loader):
    model.eval()
    with torch.no_grad():
        rows = [(model(**batch).logits, batch["labels"]) for batch in loader]
    return [np.concatenate([part.numpy() for part in column]) for column in zip(*rows, strict=True)]


def test_classes():
    model = model_of(HyenaGLTForSequenceClassification, num_labels=3)
    loader = loader_of([i % 3 for i in range(18)], "classification")
    result = evaluate_genomic_model(model.train(), loader, ["classification"])
    assert model.training
    found = result["classification"]
    logits, labels = logits_and_labels(model, loader)
    predictions = logits.argmax(-1)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert found["mcc"] == pytest.approx(matthews_corrcoef(labels, predictions))
    for name, figure in WEIGHTED.items():
        expected = figure(labels, predictions, average="weighted", zero_division=0)
        assert found[name] == pytest.approx(expected)
    assert list(found)[:4] == ["accuracy", "f1", "precision", "recall"]
    assert {"auroc", "auprc", "f1_macro"} < set(found)


def test_classes_of_tokens_leave_out_what_has_no_label():
    model = model_of(HyenaGLTForTokenClassification, num_labels=2)
    rng = np.random.default_rng(1)
    per_base = [[int(x) for x in rng.integers(-1, 2, size=30)] for _ in range(6)]
    per_base = [[-100 if x < 0 else x for x in row] for row in per_base]
    loader = loader_of(per_base, "token_classification")
    found = evaluate_genomic_model(model, loader, ["token_classification"])["token_classification"]
    logits, labels = logits_and_labels(model, loader)
    counted = labels != -100
    assert 0 < counted.mean() < 1
    own = labels[counted], logits.argmax(-1)[counted]
    assert found["accuracy"] == pytest.approx(accuracy_score(*own))
    assert found["f1"] == pytest.approx(f1_score(*own, average="weighted", zero_division=0))


def test_several_labels():
    model = model_of(
        HyenaGLTForSequenceClassification, num_labels=2, problem_type="multi_label_classification"
    )
    loader = loader_of([[i % 2, (i // 2) % 2] for i in range(12)], "multi_label")
    found = evaluate_genomic_model(model, loader, ["multi_label"])["multi_label"]
    logits, labels = logits_and_labels(model, loader)
    predictions = logits >= 0
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert found["accuracy"] == found["subset_accuracy"]
    for name, figure in WEIGHTED.items():
        expected = figure(labels, predictions, average="weighted", zero_division=0)
        assert found[name] == pytest.approx(expected)


def test_values():
    model = model_of(HyenaGLTForSequenceClassification, num_labels=1, problem_type="regression")
    loader = loader_of([i / 7 for i in range(12)], "regression")
    found = evaluate_genomic_model(model, loader, ["regression"])["regression"]
    values, labels = logits_and_labels(model, loader)
    expected = np.abs(values.ravel() - labels.ravel()).mean()
    assert found["mae"] == pytest.approx(expected, rel=1e-4)
    assert set(found) == {"pearson", "spearman", "r2", "rmse", "mae"}


@pytest.mark.parametrize(
    ("face", "causal", "objective"),
    [(HyenaGLTForCausalLM, True, "clm"), (HyenaGLTForMaskedLM, False, "mlm")],
)
def test_a_language_model_that_knows_nothing(face, causal, objective):
    model = model_of(face, causal=causal)
    with torch.no_grad():
        model.model.output_norm.weight.zero_()
    loader = loader_of([None] * 6, "language_modeling", objective=objective)
    found = evaluate_genomic_model(model, loader, ["language_modeling"])["language_modeling"]
    assert found["perplexity"] == pytest.approx(12, rel=1e-4)
    assert found["bits_per_token"] == pytest.approx(math.log2(12), rel=1e-4)
    assert found["bits_per_base"] == pytest.approx(math.log2(12), rel=1e-4)
    assert 0 <= found["accuracy"] <= 1


def test_bits_per_base_do_not_depend_on_the_tokenizer():
    tokenizer = DNATokenizer(kmer_size=3)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer, **{k: v for k, v in SMALL.items() if k != "genomic_vocab_size"}
    )
    model = HyenaGLTForCausalLM(config)
    with torch.no_grad():
        model.model.output_norm.weight.zero_()
    data = [{"sequence": "ACGTTG" * 5 + "AC"}]  # ten 3-mers, two single bases
    loader = create_genomic_dataloaders(
        data, data, tokenizer, 1, task="language_modeling", objective="clm"
    )["val"]
    found = evaluate_genomic_model(model, loader, ["language_modeling"])["language_modeling"]
    # The first 3-mer is not predicted.
    bits = math.log2(config.genomic_vocab_size)
    assert found["bits_per_token"] == pytest.approx(bits, rel=1e-4)
    assert found["bits_per_base"] == pytest.approx(11 * bits / 29, rel=1e-4)


def test_each_task_may_have_a_loader_of_its_own():
    model = model_of(HyenaGLTForSequenceClassification, num_labels=2)
    loaders = {"classification": loader_of([0, 1] * 4, "classification")}
    found = evaluate_genomic_model(model, loaders, ["classification"])
    alone = evaluate_genomic_model(model, loaders["classification"], ["classification"])
    assert found == alone
    with pytest.raises(ConfigError, match="none for regression; there are classification"):
        evaluate_genomic_model(model, loaders, ["regression"])


def test_one_class_alone_is_nan_and_said():
    model = model_of(HyenaGLTForSequenceClassification, num_labels=2)
    loader = loader_of([1] * 4, "classification")
    loader.dataset.labels[:] = 1
    with pytest.warns(RuntimeWarning, match="mcc|auroc|auprc"):
        found = evaluate_genomic_model(model, loader, ["classification"])["classification"]
    assert math.isnan(found["mcc"])
    assert math.isnan(found["auroc"])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["motif_discovery"], "motif_discovery needs sequences and known motifs"),
        (["classifications"], "'classifications' does not exist; use classification"),
        ("classification", r"must be a list, such as \['classification'\]"),
    ],
)
def test_tasks_are_checked_before_anything_runs(tasks, message):
    def no_batches():
        raise AssertionError("nothing may run")
        yield

    with pytest.raises(ConfigError, match=message):
        evaluate_genomic_model(
            model_of(HyenaGLTForSequenceClassification, num_labels=2), no_batches(), tasks
        )


@pytest.mark.parametrize(
    ("batches", "message"), [([], "needs a batch"), ([{}], "needs labels, and there is none")]
)
def test_no_labels_are_refused(batches, message):
    model = model_of(HyenaGLTForSequenceClassification, num_labels=2)
    ids = torch.tensor([[8, 9, 10, 11]])
    loader = [{"input_ids": ids, "attention_mask": torch.ones_like(ids), **b} for b in batches]
    with pytest.raises(DataError, match=message):
        evaluate_genomic_model(model, loader, ["classification"])
