import itertools

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.genome import Genome
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.records import SequenceRecord
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training import CurriculumScheduler, get_curriculum_schedule
from hyena_glt.training.curriculum import curriculum_options, kmer_difficulty
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.pretraining import Pretraining, divide
from hyena_glt.training.settings import PretrainingSettings, TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32,
}  # fmt: skip


def sequences(count=96, longest=200, seed=0, **labels):
    random = np.random.default_rng(seed)
    lengths = np.linspace(20, longest, count).astype(int)
    random.shuffle(lengths)
    return [
        {"sequence": "".join(random.choice(list("ACGT"), n)), "id": f"s{i}", **labels}
        | ({"labels": i % 2} if not labels else {})
        for i, n in enumerate(lengths)
    ]  # fmt: skip


class Watched:
    """Lengths of the sequences that reach a model."""

    def __init__(self, model):
        self.lengths = []
        self.model = model
        self.forward = model.forward
        model.forward = self

    def __call__(self, input_ids, attention_mask=None, **options):
        if self.model.training:
            self.lengths.append(attention_mask.sum(dim=1).tolist())
        return self.forward(input_ids, attention_mask=attention_mask, **options)


# --- the schedule --------------------------------------------------------------------------------


def guide(epoch, total_epochs):
    progress = epoch / total_epochs
    max_length = int(64 + (2048 - 64) * progress)
    if progress < 0.3:
        tasks = ["simple_classification"]
    elif progress < 0.7:
        tasks = ["classification", "token_classification"]
    else:
        tasks = ["classification", "token_classification", "generation"]
    return max_length, tasks


@pytest.mark.parametrize("total", [1, 3, 10, 97])
def test_the_schedule_is_that_of_the_guide(total):
    for epoch in range(total + 1):
        assert get_curriculum_schedule(epoch, total) == guide(epoch, total)


def test_difficulty_grows_from_the_easiest_to_everything():
    config = HyenaGLTConfig(max_position_embeddings=1024)
    scheduler = CurriculumScheduler(config, 20, fraction=0.5, tasks=["a", "b", "c"])
    shown = [scheduler.get_difficulty(epoch) for epoch in range(20)]
    assert shown[0] == (64, ("a",), 0.25)
    assert shown[5].max_length == 64 + (1024 - 64) // 2
    assert shown[5].tasks == ("a", "b")
    assert shown[10] == shown[19] == (1024, ("a", "b", "c"), 1.0)
    for one, other in itertools.pairwise(shown):
        assert one.max_length <= other.max_length
        assert one.complexity <= other.complexity
        assert other.tasks[: len(one.tasks)] == one.tasks


def test_difficulty_by_step_is_that_by_epoch_at_its_first_step():
    scheduler = CurriculumScheduler(500, 8, steps_per_epoch=7)
    for epoch in range(8):
        assert scheduler.get_difficulty_at_step(7 * epoch) == scheduler.get_difficulty(epoch)
    assert scheduler.get_difficulty_at_step(3).max_length > 64


def test_a_short_maximum_is_not_exceeded():
    assert CurriculumScheduler(30, 4).get_difficulty(0).max_length == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": 0}, "longest sequence must be at least 1"),
        ({"total_epochs": 0}, "total_epochs must be at least 1"),
        ({"fraction": 0.0}, r"fraction must lie in \(0, 1\]"),
        ({"by": "loss"}, "by must be length or difficulty"),
        ({"tasks": []}, "at least one task"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        CurriculumScheduler(**{"config": 64, **arguments})
    with pytest.raises(ConfigError, match="total_epochs"):
        get_curriculum_schedule(0, 0)
    with pytest.raises(ConfigError, match="epoch must be at least 0, got -1"):
        get_curriculum_schedule(-1, 10)


def test_the_schedule_stays_behind_the_last_epoch():
    assert get_curriculum_schedule(11, 10) == get_curriculum_schedule(10, 10)
    assert get_curriculum_schedule(10, 10)[0] == 2048


# --- labelled sequences --------------------------------------------------------------------------


def test_the_model_sees_the_lengths_that_the_schedule_says():
    data = sequences()
    settings = TrainingSettings(num_epochs=6, batch_size=16, strand="forward", curriculum="length")
    train = GenomicDataset(data, TOKENIZER, None)
    options = curriculum_options(settings, train)
    loaders = create_genomic_dataloaders(
        train, sequences(16, seed=1), TOKENIZER, 16, max_length=None, **options
    )
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY)
    config.causal = False
    model = HyenaGLTForSequenceClassification(config)
    watched = Watched(model)
    trainer = EnhancedTrainingPipeline(config, settings, model=model, progress=False)
    trainer.train(loaders["train"], loaders["val"])
    steps = len(loaders["train"])
    seen = watched.lengths
    assert len(seen) == 6 * steps
    shortest_quarter = np.sort(train.lengths)[: len(train) // 4].max()
    for epoch in range(6):
        lengths = [n for batch in seen[epoch * steps : (epoch + 1) * steps] for n in batch]
        allowed = options["curriculum"].get_difficulty(epoch).max_length
        there = train.lengths[train.lengths <= max(allowed, shortest_quarter)]
        assert max(lengths) == max(there), epoch
        assert set(lengths) == set(there.tolist())
        assert len(lengths) == len(train)
    assert max(max(batch) for batch in seen[3 * steps : 4 * steps]) == 200


def batches(loader, epoch, start=0):
    loader.dataset.set_epoch(epoch)
    loader.batch_sampler.set_epoch(epoch, start)
    return list(loader.batch_sampler)


def test_order_is_a_function_of_seed_and_epoch_from_any_batch_on():
    scheduler = CurriculumScheduler(200, 6)

    def loader(seed=0):
        return create_genomic_dataloaders(
            sequences(), sequences(8), TOKENIZER, 16, curriculum=scheduler, seed=seed,
            max_length=None,
        )["train"]  # fmt: skip

    for epoch in range(6):
        whole = batches(loader(), epoch)
        for start in (1, 3, 5):
            assert batches(loader(), epoch, start) == whole[start:]
        assert batches(loader(1), epoch) != whole


def test_waiting_sequences_are_replaced_evenly_and_batches_stay_alike_in_length():
    scheduler = CurriculumScheduler(200, 6)
    loader = create_genomic_dataloaders(
        sequences(), sequences(8), TOKENIZER, 16, curriculum=scheduler, max_length=None
    )["train"]  # fmt: skip
    drawn = batches(loader, 0)
    counts = np.bincount(np.concatenate(drawn), minlength=96)
    present = counts[counts > 0]
    assert len(present) == 24  # no sequence is below 64 but these: the shortest quarter
    assert present.max() - present.min() <= 1
    lengths = loader.dataset.lengths
    spread = [np.ptp(lengths[batch]) for batch in drawn]
    assert np.mean(spread) < 0.4 * np.ptp(lengths[np.concatenate(drawn)])


def test_no_sequence_is_cut():
    data = sequences()
    scheduler = CurriculumScheduler(200, 6)
    loader = create_genomic_dataloaders(
        data, sequences(8), TOKENIZER, 16, curriculum=scheduler, max_length=None
    )["train"]  # fmt: skip
    known = {row["sequence"] for row in data}
    for batch in loader:
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            assert TOKENIZER.decode(ids[mask.bool()]) in known


def test_sequences_that_a_kmer_model_gets_wrong_come_last():
    random = np.random.default_rng(0)
    easy = [{"sequence": "".join(random.choice(list("AACG" if i % 2 else "TTCG"), 60)),
             "labels": i % 2} for i in range(48)]  # fmt: skip
    hard = [{"sequence": "".join(random.choice(list("AACG"), 60)), "labels": 0} for _ in range(16)]
    train = GenomicDataset(easy + hard, TOKENIZER, None)
    scores = kmer_difficulty(train)
    assert scores[48:].min() > np.median(scores[:48])
    settings = TrainingSettings(num_epochs=6, batch_size=16, curriculum="difficulty")
    options = curriculum_options(settings, train)
    loader = create_genomic_dataloaders(train, train, batch_size=16, **options)["train"]
    first = {row for batch in batches(loader, 0) for row in batch}
    assert len(first) == 16
    assert max(scores[list(first)]) <= np.sort(scores)[15]
    assert {row for batch in batches(loader, 5) for row in batch} == set(range(64))


def test_what_is_no_curriculum_is_refused():
    equal = GenomicDataset([{"sequence": "ACGT", "labels": i % 2} for i in range(20)], TOKENIZER)
    with pytest.raises(ConfigError, match="all sequences have 4 tokens"):
        curriculum_options(TrainingSettings(curriculum="length"), equal)
    values = GenomicDataset(
        [{"sequence": "ACGT", "labels": i / 7} for i in range(20)], TOKENIZER, task="regression"
    )
    with pytest.raises(ConfigError, match="difficulty is for classes"):
        curriculum_options(TrainingSettings(curriculum="difficulty"), values)
    by = CurriculumScheduler(4, by="difficulty")
    for scores, error in ((None, ConfigError), ([1.0], DataError), ([0.0] * 20, ConfigError)):
        with pytest.raises(error):
            create_genomic_dataloaders(equal, equal, curriculum=by, difficulty=scores)
    with pytest.raises(ConfigError, match="batch_size, not max_tokens"):
        create_genomic_dataloaders(equal, equal, curriculum=by, max_tokens_per_batch=100)


# --- language models -----------------------------------------------------------------------------


def test_crops_grow_and_are_drawn_by_seed_epoch_and_number():
    data = [{"sequence": row["sequence"]} for row in sequences()]
    scheduler = CurriculumScheduler(200, 6)

    def crops(epoch, seed=0):
        loader = create_genomic_dataloaders(
            data, data[:8], TOKENIZER, 16, task="language_modeling", max_length=None,
            curriculum=scheduler, seed=seed,
        )["train"]  # fmt: skip
        loader.dataset.set_epoch(epoch)
        return [loader.dataset[i]["input_ids"] for i in range(len(loader.dataset))], loader

    for epoch in (0, 1, 3):
        found, loader = crops(epoch)
        allowed = scheduler.get_difficulty(epoch).max_length
        for row, ids in zip(data, found, strict=True):
            assert len(ids) == min(len(row["sequence"]), allowed)
            assert TOKENIZER.decode(ids) in row["sequence"]
        again, _ = crops(epoch)
        assert all(torch.equal(*pair) for pair in zip(found, again, strict=True))
    one, other = crops(0)[0], crops(0, seed=1)[0]
    assert any(not torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert loader.dataset.lengths.max() == 200  # epoch 3 of 6: whole


def genome(bases=20_000):
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), bases))
    return Genome([SequenceRecord("chr", letters)])


def pretraining(**settings):
    options = PretrainingSettings(
        **{"window": 256, "batch_size": 4, "steps": 12, "evaluate_every": 12, "seed": 1,
           "weight_average": 0.0, **settings}
    )  # fmt: skip
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY)
    whole = genome()
    return Pretraining(config, whole, divide(whole, options), options, progress=False)


def test_windows_of_a_pretraining_grow_at_equal_bases_per_batch():
    trainer = pretraining(curriculum="length")
    watched = Watched(trainer.model)
    trainer.run()
    assert [set(batch) for batch in watched.lengths] == [{64}] * 3 + [{128}] * 3 + [{256}] * 6
    assert {sum(batch) for batch in watched.lengths} == {4 * 256}


def test_whole_windows_are_those_without_a_curriculum_and_short_ones_never_come_twice():
    with_it, without = pretraining(curriculum="length"), pretraining()
    for step in range(6, 12):
        one, other = with_it.batch(step), without.batch(step)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(
        torch.equal(a, b)
        for a, b in zip(with_it.batch(2).values(), with_it.batch(2).values(), strict=True)
    )
    rows = [tuple(row) for step in range(6) for row in with_it.batch(step)["input_ids"].tolist()]
    assert len(set(rows)) == len(rows)


def test_windows_too_short_to_grow_are_refused():
    with pytest.raises(ConfigError, match="windows grow from 64 bases, the whole one has 64"):
        pretraining(curriculum="length", window=64)
