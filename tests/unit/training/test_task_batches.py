from itertools import islice

import numpy as np
import pytest
import torch

from hyena_glt.data.augmentation import Mutate
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.distributed import Processes
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.task_batches import TaskBatches, TaskData, TaskOrder, task_shares

TOKENIZER = DNATokenizer(kmer_size=1)


def dataset(count=64, seed=0, length=40, augment=None):
    random = np.random.default_rng(seed)
    rows = [
        {
            "id": f"s{n}",
            "sequence": "".join(random.choice(list("ACGT"), length + n % 3)),
            "labels": n % 2,
        }
        for n in range(count)
    ]
    return GenomicDataset(rows, TOKENIZER, None, augment=augment)


def task(strand="forward", **options):
    data = dataset(**options)
    return TaskData(data, data, strand)


def ordered(tasks, **settings):
    return TaskOrder(tasks, TrainingSettings(**{"num_epochs": 6, "batch_size": 16, **settings}))


def process(rank, count):
    found = Processes("auto", torch.device("cpu"), alone=True)
    found.rank, found.count = rank, count
    return found


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0.0, [0.5, 0.5]), (0.5, [0.75, 0.25]), (1.0, [0.9, 0.1])]
)
def test_shares_follow_size_to_the_power(alpha, expected):
    assert list(task_shares({"a": 900, "b": 100}, alpha).values()) == pytest.approx(expected)


def test_tasks_are_drawn_in_these_shares():
    order = ordered({"large": task(count=144), "small": task(count=16)}, num_epochs=200)
    assert order.steps_per_epoch == 10
    assert len(order) == 2000
    small = float((order.tasks_of_steps == 1).mean())
    assert small == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / 2000))


def test_a_batch_is_a_function_of_seed_and_step():
    tasks = {"a": task(augment=Mutate(0.1)), "b": task("both", seed=1)}
    forward = TaskBatches(ordered(tasks, seed=3))
    steps = len(forward.order)
    shown = [forward[step] for step in range(steps)]
    again = TaskBatches(ordered(tasks, seed=3))
    for step in reversed(range(steps)):
        assert same(shown[step], again[step]), step
    other = TaskBatches(ordered(tasks, seed=4))
    assert any(not same(shown[step], other[step]) for step in range(steps))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_begin_at_any_step_whatever_makes_them(workers):
    # Both tasks are of one data set, which is augmented anew in each of the passes of either.
    data = dataset(count=48, augment=Mutate(0.1))
    tasks = {"a": TaskData(data, data, "both"), "b": TaskData(data, data)}
    order = ordered(tasks, num_epochs=3)
    plain = TaskBatches(order)
    batches = TaskBatches(order, num_workers=workers)
    taken = batches.batches(5)
    for step in range(5, len(order)):
        if step == 8:  # looks ahead in the main process, as an evaluation does
            list(batches.calibration(step))
        assert same(next(taken), plain[step]), step
    assert next(taken, None) is None
    data.set_epoch(7)  # a matter of others
    assert same(next(batches.batches(5)), plain[5])


def test_every_sequence_of_a_task_comes_once_in_each_of_its_passes():
    order = ordered({"a": task(count=48), "b": task(count=32, seed=1)}, num_epochs=8)
    seen = {"a": [], "b": []}
    for step in range(len(order)):
        seen[order[step].task] += order[step].batch.rows
    for name, count in (("a", 48), ("b", 32)):
        whole = len(seen[name]) // count * count
        assert whole >= count
        for start in range(0, whole, count):
            assert len(set(seen[name][start : start + count])) == count


def test_processes_share_each_batch_and_take_the_same_task():
    # Nine sequences in batches of eight: the last batch of a pass leaves nothing for the second.
    tasks = {"a": task("both", count=9), "b": task(count=9, seed=1)}
    order = ordered(tasks, batch_size=8)
    alone = TaskBatches(order)
    shares = [TaskBatches(order, process(rank, 2)) for rank in (0, 1)]
    without = 0
    for step, batches in enumerate(zip(*(share.batches(0) for share in shares), strict=True)):
        whole = alone[step]
        assert {int(batch["task"]) for batch in batches} == {int(whole["task"])}
        for rank, batch in enumerate(batches):
            if "labels" not in batch:
                without += 1
                continue
            assert torch.equal(batch["labels"], whole["labels"][rank::2])
            width = batch["input_ids"].shape[1]
            assert torch.equal(batch["input_ids"], whole["input_ids"][rank::2, :width])
    assert without > 0


def test_under_a_curriculum_tasks_join_one_after_another():
    tasks = {name: task(seed=seed) for seed, name in enumerate("abc")}
    drawn = ordered(
        tasks, num_epochs=20, curriculum="length", curriculum_fraction=0.5
    ).tasks_of_steps
    quarter = len(drawn) // 4
    assert set(drawn[:quarter]) == {0}
    assert set(drawn[quarter : 2 * quarter]) == {0, 1}
    assert set(drawn[2 * quarter :]) == {0, 1, 2}


def test_a_step_is_told_of_by_task_and_sequences():
    batches = TaskBatches(ordered({"b": task(), "a": task(seed=1)}))
    for step in islice(range(len(batches.order)), 5):
        name, key = batches.order[step]
        assert batches.task_of(step) == name
        assert batches.names(step) == [f"{name}/s{row}" for row in key.rows]
        # By number as the model has them: in alphabetical order.
        assert int(batches[step]["task"]) == ["a", "b"].index(name)
    assert batches.epoch(4) == 0.5
