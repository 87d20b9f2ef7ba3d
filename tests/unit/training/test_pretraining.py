import json

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.simulation import simulate_genome
from hyena_glt.errors import ConfigError, DataError, TrainingError
from hyena_glt.io.records import SequenceRecord
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.checkpoints import newest
from hyena_glt.training.pretraining import Pretraining, divide
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import PretrainingSettings

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "dropout": 0.0, "target_compression": 4.0,
    "max_position_embeddings": 512,
}  # fmt: skip


@pytest.fixture(scope="module")
def genome():
    """Tandem copies of one gene with a few substitutions: easy to learn."""
    random = np.random.default_rng(0)
    gene = random.choice(list("ACGT"), 24)
    letters = np.tile(gene, 150)
    changed = random.random(len(letters)) < 0.02
    letters[changed] = random.choice(list("ACGT"), int(changed.sum()))
    return Genome([SequenceRecord("chr", "".join(letters))])


def pretraining(genome, **options):
    settings = PretrainingSettings(
        **{"window": 48, "batch_size": 4, "steps": 6, "evaluate_every": 2, "checkpoint_every": 3,
           "learning_rate": 3e-3, "precision": "fp32", **options}
    )  # fmt: skip
    config = HyenaGLTConfig.for_tokenizer(
        DNATokenizer(kmer_size=1), **TINY, causal=settings.objective == "clm"
    )
    return Pretraining(config, genome, divide(genome, settings), settings, progress=False)


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


def test_no_base_serves_two_things():
    genome = Genome([SequenceRecord("chr", simulate_genome(60_000, seed=1).sequence)])
    regions = divide(genome, PretrainingSettings(holdout=0.2))
    assert regions.train == [Region("chr", 0, 45_600)]
    assert regions.validation == [Region("chr", 45_600, 48_000)]
    assert regions.test == [Region("chr", 48_000, 60_000)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may have fp8")
def test_a_format_that_is_replaced_is_noted_once(genome, tmp_path):
    options = {"precision": "fp8", "precision_fallback": True, "steps": 3}
    notes = []
    for _ in range(2):  # the second goes on from the end of the first
        with RunLog(tmp_path / "log.jsonl") as log:
            pretraining(genome, **options).run(log=log, checkpoints=tmp_path / "checkpoints")
        notes = [event["message"] for event in log.events if event["event"] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith("precision: ")
    with pytest.raises(ConfigError, match=r"pretraining\.precision=fp8: this CPU has no fp8"):
        pretraining(genome, precision="fp8")


@pytest.mark.parametrize("objective", ["clm", "mlm"])
def test_a_run_that_dies_and_goes_on_is_one_that_did_not(genome, objective, tmp_path, monkeypatch):
    whole = pretraining(genome, objective=objective)
    with RunLog(tmp_path / "whole.jsonl") as events:
        expected = whole.run(log=events)

    def died(self, step):
        if step == 5:
            raise KeyboardInterrupt
        return batch(self, step)

    batch = Pretraining.batch
    folder, log = tmp_path / "checkpoints", tmp_path / "log.jsonl"
    with monkeypatch.context() as patch, RunLog(log) as events:
        patch.setattr(Pretraining, "batch", died)
        with pytest.raises(KeyboardInterrupt):
            pretraining(genome, objective=objective).run(log=events, checkpoints=folder)
    assert newest(folder).name == "step-000000003.safetensors"
    log.write_text(log.read_text() + '{"event": "step", "st')
    resumed = pretraining(genome, objective=objective)
    torch.rand(3)  # the caller's random state must not matter
    with RunLog(log) as events:
        result = resumed.run(log=events, checkpoints=folder)

    assert same(weights(resumed), weights(whole))
    assert result.bits_per_base == expected.bits_per_base
    assert result.best_step == expected.best_step
    ours, theirs = (
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in (log, tmp_path / "whole.jsonl")
    )
    for event in ours + theirs:
        event.pop("seconds")
    assert ours == theirs
    assert [event["step"] for event in ours if event["event"] == "step"] == [1, 2, 3, 4, 5, 6]


def test_a_finished_training_is_only_tested_again(genome, tmp_path):
    first = pretraining(genome)
    expected = first.run(checkpoints=tmp_path)
    again = pretraining(genome)
    result = again.run(checkpoints=tmp_path)
    assert result._replace(seconds=0) == expected._replace(seconds=0)
    assert [event["event"] for event in again.log.events] == ["evaluation"]
    assert same(weights(again), weights(first))


@pytest.mark.parametrize("objective", ["clm", "mlm"])
def test_copies_of_a_gene_are_learned(genome, objective):
    trainer = pretraining(
        genome, objective=objective, steps=120, evaluate_every=40, batch_size=16,
        weight_average=0.9, learning_rate=5e-3,
    )  # fmt: skip
    before = trainer.bits_per_base(trainer.regions.test)
    result = trainer.run()
    assert before > 1.9
    assert result.bits_per_base < 1.6
    assert result.bits_per_base == trainer.bits_per_base(trainer.regions.test)
    assert result.best_step in {40, 80, 120}
    assert not trainer.model.training


def test_the_best_weights_are_those_of_the_validation(genome, monkeypatch):
    trainer = pretraining(genome, weight_average=0.0)
    bits = iter([1.9, 1.5, 1.7])
    seen = []

    def score(regions):
        if regions is trainer.regions.test:
            return 1.0
        seen.append(weights(trainer))
        return next(bits)

    monkeypatch.setattr(trainer, "bits_per_base", score)
    result = trainer.run()
    assert (result.best_step, result.validation_bits_per_base) == (4, 1.5)
    assert same(weights(trainer), seen[1])


def test_bits_per_base_are_those_of_single_windows(genome):
    trainer = pretraining(genome)
    (region,) = trainer.regions.test
    ids = torch.from_numpy(8 + genome.codes(region).astype(np.int64))
    model = trainer.model.eval()
    total, scored = 0.0, 1
    with torch.no_grad():
        while scored < len(ids):
            end = min(len(ids), max(48, scored + 24))
            window = ids[end - 48 : end]
            log2 = model(window[None]).logits[0].log_softmax(-1) / np.log(2)
            for at in range(scored - (end - 48), 48):
                total -= float(log2[at - 1, window[at]])
            scored = end
    assert trainer.bits_per_base([region]) == pytest.approx(total / (len(ids) - 1), rel=1e-5)


def test_masked_bases_are_always_the_same_and_never_shown(genome):
    trainer = pretraining(genome, objective="mlm")
    first, second = (list(trainer._scored_batches(trainer.regions.test)) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        hidden = ours["labels"] != -100
        assert (ours["input_ids"][hidden] == 4).all()
    assert 0.08 < float((first[0]["labels"] != -100).float().mean()) < 0.25


def test_a_step_decides_its_batch(genome):
    trainer, other = pretraining(genome, objective="mlm"), pretraining(genome, objective="mlm")
    assert torch.equal(trainer.batch(3)["input_ids"], other.batch(3)["input_ids"])
    assert not torch.equal(trainer.batch(3)["input_ids"], trainer.batch(4)["input_ids"])
    assert (trainer.batch(3)["labels"] != -100).float().mean() < 0.4


def test_positions_reach_as_far_as_the_model(genome):
    trainer = pretraining(genome, batch_size=200, steps=1)
    batch = trainer.batch(0)
    offsets = batch["position_offset"]
    assert offsets.shape == (200,)
    assert int(offsets.min()) < 30
    assert int(offsets.max()) > 512 - 48 - 30
    assert "position_offset" not in pretraining(genome, objective="mlm").batch(0)


def test_repeats_may_be_context_only():
    genome = Genome([SequenceRecord("chr", "ACGTTGCATCCA" * 40 + "gattacagccta" * 90)])
    for objective in ("clm", "mlm"):
        trainer = pretraining(genome, objective=objective, repeat_weight=0.0, window=400, steps=9)
        batch = trainer.batch(0)
        assert set(batch["labels"][batch["labels"] != -100].tolist()) <= {8, 9, 10, 11}
        scored = (batch["labels"] != -100).float().mean()
        everything = pretraining(genome, objective=objective, window=400, steps=9).batch(0)
        assert scored < 0.95 * (everything["labels"] != -100).float().mean()


def test_a_loss_that_is_no_number_stops_the_training_at_its_step(genome):
    trainer = pretraining(genome)
    with torch.no_grad():
        trainer.model.model.final_norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"step 1: .* lower pretraining\.learning_rate"):
        trainer.run()


def test_what_does_not_fit_is_refused(genome):
    with pytest.raises(ConfigError, match=r"window \(600 bases\) is longer than .* \(512\)"):
        pretraining(genome, window=600)
    short = Genome([SequenceRecord("chr", "ACGT" * 10)])
    with pytest.raises(DataError, match="less than one window of 48"):
        pretraining(short)
    settings = PretrainingSettings(objective="mlm", window=48)
    causal = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=1), **TINY)
    with pytest.raises(ConfigError, match="causal=False"):
        Pretraining(causal, genome, divide(genome, settings), settings)
