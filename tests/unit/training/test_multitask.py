import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.augmentation import Mutate
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError, DataError, TrainingError, TrainingStopped
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.tokenizers import DNATokenizer, GenomicTokenizer
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.checkpoints import newest
from hyena_glt.training.multitask import MultiTaskTraining
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.task_batches import TaskData

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


# --- P9: killed and gone on with is left alone ----------------------------------------------------


class Signals(Callback):
    """Sends this process a signal after a step."""

    def __init__(self, step, kind):
        self.step, self.kind = step, kind

    def on_step(self, step, figures):
        if step == self.step:
            os.kill(os.getpid(), self.kind)


def of_three_kinds(*callbacks, workers=0, **settings):
    """Classes, values and labels per base; two of the tasks are about the same sequences."""
    rows = letters(24, 32, 0)
    kinds = {
        "classes": ("classification", [int(WORDS[0] in row) for row in rows]),
        "values": ("regression", [row.count("G") / 10 for row in rows]),
        "bases": ("token_classification", [[int(base in "CG") for base in row] for row in rows]),
    }
    data = {
        name: GenomicDataset(
            [{"id": f"s{n}", "sequence": row, "labels": label}
             for n, (row, label) in enumerate(zip(rows, labels, strict=True))],
            TOKENIZER, None, kind,
        )
        for name, (kind, labels) in kinds.items()
    }  # fmt: skip
    augmented = data["classes"].augmented(Mutate(0.05))
    tasks = {
        "classes": TaskData(augmented, data["classes"], "both"),
        "again": TaskData(augmented, data["classes"], weight=2.0),
        "values": TaskData(data["values"], data["values"]),
        "bases": TaskData(data["bases"], data["bases"], "both"),
    }
    options = {
        "num_epochs": 2, "batch_size": 16, "checkpoint_every": 2, "precision": "fp32",
        "task_weighting": "uncertainty", "curriculum": "length",
    }  # fmt: skip
    return MultiTaskTraining(
        HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY, dropout=0.1), tasks,
        TrainingSettings(**options | settings), progress=False, callbacks=callbacks,
        num_workers=workers,
    )  # fmt: skip


def told(trainer, event):
    found = [one for one in trainer.log.events if one["event"] == event]
    return [{name: value for name, value in one.items() if name != "seconds"} for one in found]


def check_same(ours, theirs, results):
    states = [trainer.model.state_dict() for trainer in (ours, theirs)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    one, other = (result._replace(seconds=0, validation={}) for result in results)
    assert one == other
    for name, found in results[0].validation.items():
        assert found.metrics == results[1].validation[name].metrics


class Dies(Callback):
    """Ends the process, as far as the training can tell, after a step."""

    def __init__(self, step):
        self.step = step

    def on_step(self, step, figures):
        if step == self.step:
            raise KeyboardInterrupt


def check_resumed(whole, expected, workers, folder):
    resumed = of_three_kinds(workers=workers)
    torch.rand(3)  # the caller's random state must not matter
    result = resumed.run(checkpoints=folder)
    check_same(resumed, whole, (result, expected))
    taken = told(resumed, "step")
    assert 0 < len(taken) < expected.steps == 12
    assert taken == told(whole, "step")[-len(taken) :]
    assert {event["task"] for event in told(whole, "step")} == set(whole.tasks)


@pytest.mark.parametrize(("steps", "workers"), [([3, 8], 0), ([5], 2)])
def test_a_training_that_dies_and_goes_on_is_one_that_did_not(steps, workers, tmp_path):
    whole = of_three_kinds()
    expected = whole.run()
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            of_three_kinds(Dies(step), workers=workers).run(checkpoints=tmp_path)
    check_resumed(whole, expected, workers, tmp_path)


_KILLED = """
import runpy, signal, sys
from pathlib import Path
own = runpy.run_path(sys.argv[1])
deadly = own["Signals"](int(sys.argv[3]), signal.SIGKILL)
own["of_three_kinds"](deadly, workers=int(sys.argv[4])).run(checkpoints=Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("draw", range(5))
def test_killed_at_any_step(workers, draw, tmp_path):
    whole = of_three_kinds()
    expected = whole.run()
    step = int(np.random.default_rng((workers, draw)).integers(3, 12))
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, __file__, str(tmp_path), str(step), str(workers)],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    check_resumed(whole, expected, workers, tmp_path)


def test_a_notice_saves_and_stops_and_the_training_goes_on(tmp_path):
    whole = of_three_kinds(checkpoint_every=100)
    expected = whole.run()
    with pytest.raises(TrainingStopped, match="stopped after step 7 of 12"):
        of_three_kinds(Signals(7, signal.SIGTERM), checkpoint_every=100).run(checkpoints=tmp_path)
    assert newest(tmp_path).name == "step-000000007.safetensors"
    resumed = of_three_kinds(checkpoint_every=100)
    result = resumed.run(checkpoints=tmp_path)
    check_same(resumed, whole, (result, expected))
    assert len(told(resumed, "step")) == 5


def test_other_data_are_refused(tmp_path):
    training({"a": task(count=32)}).run(checkpoints=tmp_path)
    other = training({"a": task(count=48)})
    with pytest.raises(DataError, match=r"on other data: a: 32 .*; now there are a: 48 sequences"):
        other.run(checkpoints=tmp_path)


def test_a_loss_that_is_no_number_names_task_and_sequences(tmp_path):
    class Breaks(Callback):
        def on_start(self, total_steps, step=0, model=None):
            self.model = model

        def on_step(self, step, figures):
            if step == 4:
                with torch.no_grad():
                    self.model.model.final_norm.weight.fill_(float("nan"))

    trainer = of_three_kinds(Breaks(), checkpoint_every=3)
    with pytest.raises(
        TrainingError, match=r"^step 5: the loss is nan; .*; the batch was "
    ) as raised:
        trainer.run(checkpoints=tmp_path)
    name, key = trainer.order[4]
    assert f"{name}/s{key.rows[0]}, {name}/s{key.rows[1]}, " in str(raised.value)
    assert newest(tmp_path).name == "step-000000003.safetensors"


def test_a_batch_in_parts_teaches_what_the_whole_one_teaches():
    runs = []
    for parts in (1, 3):
        # Patches of a fixed length: a threshold that follows the data would be that of the parts.
        trainer = of_three_kinds(gradient_accumulation=parts)
        config = trainer.model.config
        config.dropout = config.head_dropout = 0.0
        config.boundary_scorer = "fixed"
        config.target_compression = None
        runs.append(MultiTaskTraining(config, trainer.tasks, trainer.settings, progress=False))
        runs[-1].run()
    own, other = ([event["loss"] for event in told(trainer, "step")] for trainer in runs)
    assert other == pytest.approx(own, rel=1e-4)


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


def test_a_weight_is_of_the_task_and_not_of_the_entropy_head():
    gradients = []
    for weight in (1.0, 4.0):
        model = training({"a": task(weight=weight), "b": task(WORDS[1])}).model.train()
        torch.manual_seed(0)
        batch = [task().train[row] for row in range(4)]
        ids, labels = (
            torch.stack([row[name] for row in batch]) for name in ("input_ids", "labels")
        )
        model(ids, labels, task="a").loss.backward()
        entropy = {name: p.grad for name, p in model.named_parameters() if "entropy_head" in name}
        gradients.append((entropy, model.heads["a_head"]["classifier"].out.weight.grad))
    (entropy, head), (weighted_entropy, weighted_head) = gradients
    assert entropy
    for name, gradient in entropy.items():
        assert torch.allclose(weighted_entropy[name], gradient, rtol=1e-4, atol=1e-8), name
    assert torch.allclose(weighted_head, 4 * head, rtol=1e-4)


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
    with pytest.raises(ConfigError, match=r"training\.freeze=backbone: several tasks start"):
        training({"a": task()}, freeze="backbone")


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
