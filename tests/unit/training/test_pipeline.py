import json
import time
import warnings

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, DataError, TrainingError
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.optimization import WeightAverage
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "causal": False,
}  # fmt: skip


def planted(count, length, seed, word="TATAAA"):
    """Half of the sequences hold the word, the others do not, not even by accident."""
    random = np.random.default_rng(seed)
    items = []
    while len(items) < count:
        letters = "".join(random.choice(list("ACGT"), length))
        if word in letters:
            continue
        label = len(items) % 2
        if label:
            at = int(random.integers(0, length - len(word) + 1))
            letters = letters[:at] + word + letters[at + len(word) :]
        items.append({"sequence": letters, "labels": label})
    return items


def loaders(count=64, length=40, batch_size=16, **options):
    return create_genomic_dataloaders(
        planted(count, length, 0), planted(32, length, 1), TOKENIZER, batch_size, **options
    )


def pipeline(log=None, **settings):
    settings = TrainingSettings(**{"num_epochs": 2, "strand": "forward", **settings})
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY)
    return EnhancedTrainingPipeline(config, settings, log=log, progress=False)


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def test_a_planted_tata_box_is_found_in_a_minute_of_cpu():
    start = time.process_time()
    parts = create_genomic_dataloaders(
        planted(4000, 200, 0), planted(400, 200, 1), TOKENIZER, 32, test_data=planted(1000, 200, 2)
    )
    settings = TrainingSettings(
        num_epochs=2, learning_rate=3e-3, strand="forward", weight_average=0.95
    )
    config = HyenaGLTConfig.for_tokenizer(
        TOKENIZER, **{**TINY, "hidden_size": 64}, target_compression=6.0
    )
    trainer = EnhancedTrainingPipeline(config, settings, progress=False)
    trainer.train(parts["train"], parts["val"])
    seconds = time.process_time() - start
    assert trainer.evaluate(parts["test"]).metrics["accuracy"] >= 0.98
    assert seconds <= 60


def test_the_same_seed_gives_the_same_weights():
    runs = []
    for _ in range(2):
        torch.rand(3)  # the caller's random state must not matter
        trainer = pipeline()
        parts = loaders()
        trainer.train(parts["train"], parts["val"])
        runs.append(weights(trainer))
    for name, value in runs[0].items():
        assert torch.equal(value, runs[1][name]), name


def test_another_seed_gives_other_weights_and_the_callers_random_state_stays():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = pipeline(seed=1), pipeline(seed=2)
    for trainer in (first, second):
        parts = loaders()
        trainer.train(parts["train"], parts["val"])
    assert torch.equal(torch.rand(3), expected)
    assert any(not torch.equal(v, weights(second)[k]) for k, v in weights(first).items())


def test_the_model_holds_the_weights_of_the_best_epoch(tmp_path):
    with RunLog(tmp_path / "log.jsonl") as log:
        trainer = pipeline(log, num_epochs=4, learning_rate=0.01)
        parts = loaders()
        result = trainer.train(parts["train"], parts["val"], checkpoint=tmp_path / "best")
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    evaluations = [event for event in events if event["event"] == "evaluation"]
    assert [event["epoch"] for event in evaluations] == [1, 2, 3, 4]
    scores = [(event["metrics"]["auroc"], -event["loss"]) for event in evaluations]
    assert max(scores) == scores[result.best_epoch - 1]
    again = trainer.evaluate(parts["val"])
    assert again.loss == pytest.approx(result.validation.loss, abs=1e-6)
    assert len([event for event in events if event["event"] == "step"]) == result.steps == 16
    assert (tmp_path / "best" / "model.safetensors").exists()


def test_training_stops_when_nothing_gets_better():
    trainer = pipeline(num_epochs=30, patience=2, learning_rate=1e-12)
    parts = loaders(32)
    result = trainer.train(parts["train"], parts["val"])
    assert result.steps < 30 * 2
    assert any("stopped early" in event.get("message", "") for event in trainer.log.events)


def test_a_loss_that_is_no_number_stops_the_training_at_its_step():
    trainer = pipeline()
    parts = loaders()
    trainer.train(parts["train"], parts["val"])
    with torch.no_grad():
        trainer.model.classifier.out.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="step 1: the loss is nan"):
        trainer.train(parts["train"], parts["val"])


def test_both_strands_are_shown_and_averaged():
    trainer = pipeline(strand="both", num_epochs=1)
    parts = loaders()
    trainer.train(parts["train"], parts["val"])
    assert trainer.model.config.reverse_complement == "average"
    ids = torch.tensor([[8, 8, 9, 10]] * 2)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    turned = trainer._turn()(batch, torch.tensor([False, True]))
    assert turned["input_ids"].tolist() == [[8, 8, 9, 10], [9, 10, 11, 11]]


def test_labels_of_bases_turn_with_the_strand():
    names = ["other", "CDS+", "CDS-"]
    items = [
        {"sequence": "AACCG", "labels": ["other", "CDS+", "CDS+", -100, "CDS-"]},
        {"sequence": "TTT", "labels": ["CDS-", "other", "CDS+"]},
    ] * 60
    parts = create_genomic_dataloaders(
        items, items[:4], TOKENIZER, 120, task="token_classification", label_names=names
    )
    trainer = pipeline(strand="both", num_epochs=1)
    trainer.train(parts["train"], parts["val"])
    assert trainer.model.config.reverse_complement == "average"
    (batch,) = parts["train"]
    flip = torch.arange(len(batch["labels"])) % 4 < 2
    turned = trainer._turn()(batch, flip)
    shown = {
        (tuple(ids), tuple(labels))
        for ids, labels in zip(turned["input_ids"].tolist(), turned["labels"].tolist(), strict=True)
    }
    # Padded to the longest; AACCG is CGGTT on the other strand, and CDS+ is CDS- there.
    assert shown == {
        ((8, 8, 9, 9, 10), (0, 1, 1, -100, 2)),
        ((9, 10, 10, 11, 11), (1, -100, 2, 2, 0)),
        ((11, 11, 11, 0, 0), (2, 0, 1, -100, -100)),
        ((8, 8, 8, 0, 0), (2, 0, 1, -100, -100)),
    }


def test_both_strands_are_refused_for_language_models():
    parts = create_genomic_dataloaders(
        [{"sequence": "ACGTACGT"}] * 8, tokenizer=TOKENIZER, task="language_modeling"
    )
    with pytest.raises(ConfigError, match="language_modeling needs forward"):
        pipeline(strand="both").train(parts["train"], parts["val"])


def test_a_model_handed_in_predicts_on_the_strands_it_is_trained_on():
    first = pipeline(num_epochs=1)
    parts = loaders(32)
    first.train(parts["train"], parts["val"])
    assert first.model.config.reverse_complement == "none"
    settings = TrainingSettings(num_epochs=1, strand="both")
    again = EnhancedTrainingPipeline(
        first.model.config, settings, model=first.model, progress=False
    )
    again.train(parts["train"], parts["val"])
    assert again.model.config.reverse_complement == "average"
    kmers = DNATokenizer(kmer_size=3)
    config = HyenaGLTConfig.for_tokenizer(kmers, **TINY)
    other = EnhancedTrainingPipeline(
        config, settings, model=HyenaGLTForSequenceClassification(config), progress=False
    )
    words = create_genomic_dataloaders(planted(32, 30, 0), planted(8, 30, 1), kmers)
    with pytest.raises(ConfigError, match="single-nucleotide"):
        other.train(words["train"], words["val"])
    assert config.reverse_complement == "none"


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_regression_finds_the_unit_of_its_labels(scale):
    random = np.random.default_rng(0)
    items = []
    for _ in range(256):
        letters = "".join(random.choice(list("ACGT"), 40, p=[0.1, 0.4, 0.4, 0.1][:4]))
        items.append({"sequence": letters, "labels": scale * (5 + letters.count("G") / 40)})
    parts = create_genomic_dataloaders(items, tokenizer=TOKENIZER, batch_size=16, task="regression")
    trainer = pipeline(num_epochs=6, learning_rate=3e-3)
    result = trainer.train(parts["train"], parts["val"])
    assert result.validation.metrics["pearson"] > 0.6
    assert result.validation.metrics["mae"] < 0.1 * scale


def test_token_labels_are_learned():
    items = [
        {"sequence": item["sequence"], "labels": ["CG"[c in "CG"] for c in item["sequence"]]}
        for item in planted(128, 30, 3)
    ]
    parts = create_genomic_dataloaders(
        items, tokenizer=TOKENIZER, batch_size=16, task="token_classification"
    )
    trainer = pipeline(num_epochs=3, learning_rate=5e-3)
    result = trainer.train(parts["train"], parts["val"])
    assert result.validation.metrics["accuracy"] > 0.99


@pytest.mark.parametrize("objective", ["clm", "mlm"])
def test_language_models_are_trained_too(objective):
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **{**TINY, "causal": objective == "clm"})
    settings = TrainingSettings(num_epochs=3, learning_rate=5e-3, strand="forward")
    items = [{"sequence": "ACGT" * 10} for _ in range(64)]
    parts = create_genomic_dataloaders(
        items, tokenizer=TOKENIZER, batch_size=8, task="language_modeling", objective=objective
    )
    trainer = EnhancedTrainingPipeline(config, settings, progress=False)
    result = trainer.train(parts["train"], parts["val"])
    assert result.validation.metrics["bits_per_token"] < 1.6  # 2 is knowing nothing


def test_warnings_are_said_once():
    items = planted(16, 20, 0)
    parts = create_genomic_dataloaders(items, items[::2], TOKENIZER, 8)  # one class only
    trainer = pipeline(num_epochs=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.train(parts["train"], parts["val"])
    notes = [event["message"] for event in trainer.log.events if event["event"] == "note"]
    assert sum("auroc" in note for note in notes) == 1


def test_a_loader_of_something_else_is_refused():
    loader = torch.utils.data.DataLoader([{"input_ids": torch.ones(3)}])
    with pytest.raises(DataError, match="GenomicDataset"):
        pipeline().train(loader)
    with pytest.raises(TrainingError, match="call train first"):
        pipeline().evaluate(loader)


def test_weight_average_is_lent_and_given_back():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.0)
    average = WeightAverage(model, decay=0.5)
    torch.nn.init.constant_(model.weight, 1.0)
    average.update()  # decay of the first step: min(0.5, 2 / 11)
    with average:
        assert float(model.weight.detach()) == pytest.approx(9 / 11)
    assert float(model.weight.detach()) == 1.0


def test_a_dataset_keeps_its_names_through_training():
    items = [{**item, "labels": ["no", "yes"][item["labels"]]} for item in planted(32, 20, 0)]
    dataset = GenomicDataset(items, TOKENIZER)
    parts = create_genomic_dataloaders(dataset, batch_size=8)
    trainer = pipeline(num_epochs=1)
    trainer.train(parts["train"], parts["val"])
    assert trainer.model.config.id2label == {0: "no", 1: "yes"}
