import json

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.tokenizers import DNATokenizer, GenomicTokenizer
from hyena_glt.training.multitask import MultiTaskTraining, TaskBatches, TaskData, task_shares
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "causal": False,
}  # fmt: skip
WORDS = ("TATAAA", "GATTACA")


def letters(count, length, seed):
    """Sequences of which half hold the one word, and half, independently, the other."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        text = "".join(random.choice(list("ACGT"), length))
        while any(word in text for word in WORDS):
            text = "".join(random.choice(list("ACGT"), length))
        halves = [text[: length // 2], text[length // 2 :]]
        random.shuffle(halves)
        for at, word in enumerate(WORDS):
            if random.random() < 0.5:
                start = int(random.integers(0, len(halves[at]) - len(word)))
                halves[at] = halves[at][:start] + word + halves[at][start + len(word) :]
        rows.append("".join(halves))
    return rows


def dataset(rows, word, tokenizer=TOKENIZER, **options):
    items = [{"sequence": row, "labels": int(word in row)} for row in rows]
    return GenomicDataset(items, tokenizer, None, label_names=["0", "1"], **options)


def task(word=WORDS[0], count=64, length=40, seed=0, **options):
    train, validation = letters(count, length, seed), letters(32, length, seed + 1)
    return TaskData(dataset(train, word), dataset(validation, word), **options)


def training(tasks, log=None, **settings):
    settings = TrainingSettings(**{"num_epochs": 1, "batch_size": 16, **settings})
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY)
    return MultiTaskTraining(config, tasks, settings, log=log, progress=False)


def test_two_motifs_on_one_set_of_sequences_are_learned_by_one_model():
    train, validation, test = (letters(n, 40, seed) for n, seed in ((1200, 0), (200, 1), (300, 2)))
    tasks = {
        word.lower(): TaskData(dataset(train, word), dataset(validation, word)) for word in WORDS
    }
    options = {"num_epochs": 2, "batch_size": 48, "learning_rate": 6e-3, "weight_average": 0.9}
    trainer = training(tasks, **options)
    result = trainer.run()
    for word in WORDS:
        own = trainer.evaluate(word.lower(), dataset(test, word))
        assert own.metrics["accuracy"] >= 0.95, word
        # The heads differ: asked about the other word, one knows nothing.
        other = trainer.evaluate(word.lower(), dataset(test, WORDS[word == WORDS[0]]))
        assert other.metrics["accuracy"] <= 0.7
    assert set(result.validation) == set(tasks)
    mean = np.mean([found.metrics["auroc"] for found in result.validation.values()])
    assert result.score == pytest.approx(mean)


def test_the_same_seed_gives_the_same_weights_and_another_others():
    runs = []
    for seed in (0, 0, 1):
        torch.rand(3)  # the caller's random state must not matter
        trainer = training({"a": task(), "b": task(WORDS[1], strand="both")}, seed=seed)
        trainer.run()
        runs.append({k: v.clone() for k, v in trainer.model.state_dict().items()})
    assert all(torch.equal(value, runs[1][name]) for name, value in runs[0].items())
    assert any(not torch.equal(value, runs[2][name]) for name, value in runs[0].items())


def test_saved_is_loaded_for_every_task(tmp_path):
    # Not in alphabetical order, in which the file has them.
    tasks = {"b": task(WORDS[1], strand="both"), "a": task(), "type": task()}
    trainer = training(tasks, task_weighting="uncertainty")
    trainer.run()
    trainer.model.save_pretrained(tmp_path)
    loaded = HyenaGLTForMultiTask.from_pretrained(tmp_path).eval()
    factors = trainer.model.task_weights.factors()
    assert len(set(factors.values())) == 3
    assert loaded.task_weights.factors() == factors
    ids = torch.randint(8, 12, (3, 40), generator=torch.Generator().manual_seed(0))
    for name in tasks:
        expected, found = (model(ids, task=name).logits for model in (trainer.model, loaded))
        assert torch.equal(expected, found)
    both = loaded(ids, task="b").logits
    assert torch.allclose(both, loaded(19 - ids.flip(1), task="b").logits, atol=1e-5)


# --- which task a step is about ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0.0, [0.5, 0.5]), (0.5, [0.75, 0.25]), (1.0, [0.9, 0.1])]
)
def test_shares_follow_size_to_the_power(alpha, expected):
    assert list(task_shares({"a": 900, "b": 100}, alpha).values()) == pytest.approx(expected)


def test_batches_are_drawn_in_these_shares():
    tasks = {"large": task(count=144), "small": task(WORDS[1], count=16)}
    settings = TrainingSettings(num_epochs=200, batch_size=16)
    batches = TaskBatches(tasks, settings)
    assert batches.steps_per_epoch == 10
    assert len(batches) == 2000
    small = float((batches.tasks_of_steps == 1).mean())
    assert small == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / 2000))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_a_batch_is_a_function_of_seed_and_step():
    tasks = {"a": task(), "b": task(WORDS[1], strand="both")}
    settings = TrainingSettings(num_epochs=6, batch_size=16, seed=3)
    forward = TaskBatches(tasks, settings)
    shown = [forward[step] for step in range(len(forward))]
    again = TaskBatches(tasks, settings)
    for step in reversed(range(len(again))):
        assert same(shown[step], again[step]), step
    other = TaskBatches(tasks, TrainingSettings(num_epochs=6, batch_size=16, seed=4))
    assert any(not same(shown[step], other[step]) for step in range(len(other)))


def test_every_sequence_of_a_task_comes_once_in_each_of_its_passes():
    tasks = {"a": task(count=48), "b": task(WORDS[1], count=32)}
    batches = TaskBatches(tasks, TrainingSettings(num_epochs=8, batch_size=16))
    seen = {0: [], 1: []}
    for step in range(len(batches)):
        batch = batches[step]
        seen[int(batch["task"])] += [tuple(row) for row in batch["input_ids"].tolist()]
    for number, count in ((0, 48), (1, 32)):
        whole = len(seen[number]) // count * count
        assert whole >= count
        for start in range(0, whole, count):
            assert len(set(seen[number][start : start + count])) == count


def test_under_a_curriculum_tasks_join_one_after_another():
    tasks = {name: task(seed=seed) for seed, name in enumerate("abc")}
    settings = TrainingSettings(
        num_epochs=20, batch_size=16, curriculum="length", curriculum_fraction=0.5
    )
    drawn = TaskBatches(tasks, settings).tasks_of_steps
    quarter = len(drawn) // 4
    assert set(drawn[:quarter]) == {0}
    assert set(drawn[quarter : 2 * quarter]) == {0, 1}
    assert set(drawn[2 * quarter :]) == {0, 1, 2}


# --- weights of the losses -----------------------------------------------------------------------


def test_learned_weights_move_to_where_the_losses_are_and_given_ones_stay():
    # At first a class costs 0.69 nats and a value its variance: both more than the one half at
    # which a weight would stay.
    rows = [{"sequence": row, "labels": 10.0 * row.count("G")} for row in letters(64, 40, 0)]
    values = GenomicDataset(rows, TOKENIZER, None, "regression")
    tasks = {"classes": task(), "values": TaskData(values, values)}
    learned = training(tasks, task_weighting="uncertainty", weight_average=0.0)
    before = learned.model.task_weights.factors()
    assert before == {"classes": 1.0, "values": 0.5}
    learned.run()
    after = learned.model.task_weights.factors()
    assert all(after[name] < before[name] for name in tasks)
    fixed = training({"a": task(weight=2.0), "b": task(WORDS[1])})
    fixed.run()
    assert fixed.model.task_weights.factors() == {"a": 2.0, "b": 1.0}


# --- kinds of tasks ------------------------------------------------------------------------------


def test_classes_values_and_labels_per_base_in_one_model(tmp_path):
    rows = letters(48, 40, 0)
    values = [{"sequence": row, "labels": 100.0 + 10 * row.count("G")} for row in rows]
    bases = [{"sequence": row, "labels": [int(base == "G") for base in row]} for row in rows]
    tasks = {"word": task()}
    for name, items, kind in (
        ("g_content", values, "regression"), ("is_g", bases, "token_classification"),
    ):  # fmt: skip
        data = GenomicDataset(items, TOKENIZER, None, kind)
        tasks[name] = TaskData(data.subset(range(32)), data.subset(range(32, 48)))
    with RunLog(tmp_path / "log.jsonl") as log:
        trainer = training(tasks, log, num_epochs=10, learning_rate=5e-3)
        result = trainer.run()
    assert result.validation["is_g"].metrics["mcc"] > 0.9
    assert result.validation["g_content"].metrics["spearman"] > 0.5
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    last = [event for event in events if event["event"] == "evaluation"][-3:]
    assert [event["task"] for event in last] == ["word", "g_content", "is_g"]


def test_dna_and_protein_share_a_trunk():
    tokenizer = GenomicTokenizer()
    random = np.random.default_rng(0)

    def part(alphabet, molecule, count):
        rows = ["".join(random.choice(list(alphabet), 30)) for _ in range(count)]
        items = [{"sequence": row, "labels": int(row.count("A") > 30 / len(alphabet))}
                 for row in rows]  # fmt: skip
        return GenomicDataset(items, tokenizer.of(molecule), None)

    tasks = {
        "dna": TaskData(part("ACGT", "dna", 48), part("ACGT", "dna", 24)),
        "protein": TaskData(
            part("ACDEFGHIKL", "protein", 48), part("ACDEFGHIKL", "protein", 24),
            molecule="protein",
        ),
    }  # fmt: skip
    config = HyenaGLTConfig.for_tokenizer(tokenizer, **TINY)
    settings = TrainingSettings(num_epochs=10, batch_size=16, learning_rate=5e-3)
    result = MultiTaskTraining(config, tasks, settings, progress=False).run()
    assert min(found.metrics["auroc"] for found in result.validation.values()) > 0.7


# --- what is refused -----------------------------------------------------------------------------


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ConfigError, match="no task"):
        training({})
    bare = GenomicDataset([{"sequence": "ACGT"}] * 4, TOKENIZER, None)
    with pytest.raises(DataError, match="task a: the sequences have no labels"):
        training({"a": TaskData(bare, bare)})
    with pytest.raises(ConfigError, match=r"the name 'a\.b' must be made of letters"):
        training({"a.b": task()})


def test_an_unknown_task_is_named_with_the_nearest():
    trainer = training({"tata": task(), "gata": task(WORDS[1])})
    with pytest.raises(ConfigError, match=r"no task 'tatta'; did you mean tata\?"):
        trainer.model.for_task("tatta")
    ids = torch.full((1, 10), 8)
    with pytest.raises(ConfigError, match="say which one of gata, tata"):
        trainer.model(ids)
    with pytest.raises(ConfigError, match=r"task must lie in \[0, 2\), got 2"):
        trainer.model(ids, task=2)


def test_metrics_are_those_of_the_task():
    trainer = training({"a": task(), "b": task(WORDS[1])})
    trainer.run()
    data = dataset(letters(32, 40, 9), WORDS[1])
    found = trainer.evaluate("b", data)
    again = compute_metrics("single_label", found.labels, found.scores)
    assert found.metrics == again
    assert found.labels.tolist() == data.labels.tolist()
