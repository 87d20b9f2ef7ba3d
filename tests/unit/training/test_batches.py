import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from hyena_glt.data.augmentation import Mutate
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.data.samplers import LengthGroupedBatches
from hyena_glt.errors import ConfigError
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.batches import LoaderBatches
from hyena_glt.training.distributed import Processes
from hyena_glt.training.strands import turned

TOKENIZER = DNATokenizer(kmer_size=1)


def process(rank=0, count=1):
    one = Processes("auto", torch.device("cpu"))
    one.rank, one.count = rank, count
    return one


def items(count=22):
    random = np.random.default_rng(0)
    letters = ["".join(random.choice(list("ACGT"), 12 + number % 5)) for number in range(count)]
    return [
        {"id": f"s{number}", "sequence": row, "labels": number % 2}
        for number, row in enumerate(letters)
    ]


def loader(task="classification", **options):
    rows = items()
    if task == "language_modeling":
        rows = [{"sequence": row["sequence"]} for row in rows]
        options = {"objective": "mlm", **options}
    return create_genomic_dataloaders(rows, rows[:4], TOKENIZER, 5, task=task, **options)["train"]


def drawn(loader, start, count, **options):
    batches = LoaderBatches(loader, seed=3, processes=process(), **options)
    return list(itertools.islice(batches.batches(start), count))


def equal(ours, theirs):
    return len(ours) == len(theirs) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("task", ["classification", "language_modeling"])
def test_a_step_decides_its_batch(task):
    options = {"augment": Mutate(0.2)} if task == "classification" else {}
    turn = {"turn": turned} if task == "classification" else {}
    whole = drawn(loader(task, **options), 0, 11, **turn)
    assert not equal(whole[:5], whole[5:10])  # another epoch, another order
    for start in (3, 5, 7):
        torch.rand(start)
        assert equal(drawn(loader(task, **options), start, 11 - start, **turn), whole[start:])
    for more in ({"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}):
        assert equal(drawn(loader(task, **options, **more), 3, 8, **turn), whole[3:])


def test_any_loader_will_do():
    dataset = GenomicDataset(items(), TOKENIZER)

    def shuffled():
        return DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=SequenceCollator())

    whole = drawn(shuffled(), 0, 12)
    assert equal(drawn(shuffled(), 8, 4), whole[8:])
    assert not equal(whole[:6], whole[6:])
    with pytest.raises(ConfigError, match="batch_size or batch_sampler"):
        LoaderBatches(DataLoader(dataset, batch_size=None), seed=0, processes=process())


def test_what_a_dataset_draws_itself_comes_back_too():
    class Noisy(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, row):
            return {"noise": torch.rand(3)}

    def noisy(workers):
        return DataLoader(Noisy(), batch_size=2, num_workers=workers)

    whole = drawn(noisy(0), 0, 8)
    assert equal(drawn(noisy(0), 3, 5), whole[3:])
    assert equal(drawn(noisy(2), 3, 5), whole[3:])


@pytest.mark.parametrize("count", [2, 3, 6])
def test_processes_share_every_batch(count):
    whole = drawn(loader(), 0, 5, turn=turned)
    shares = [
        list(itertools.islice(
            LoaderBatches(loader(), seed=3, processes=process(rank, count), turn=turned).batches(0),
            5,
        ))
        for rank in range(count)
    ]  # fmt: skip
    for number, batch in enumerate(whole):
        rows = [share[number] for share in shares if "labels" in share[number]]
        assert sum(len(part["labels"]) for part in rows) == len(batch["labels"])
        for rank, part in enumerate(rows):
            own = batch["input_ids"][rank::count]
            width = part["input_ids"].shape[1]
            assert torch.equal(part["input_ids"], own[:, :width])
            assert torch.equal(part["labels"], batch["labels"][rank::count])
        # A process without a row has one to compute with, that counts nothing.
        for share in shares[len(rows) :]:
            assert len(share[number]["input_ids"]) == 1


def test_a_loader_that_is_divided_already_is_refused():
    dataset = GenomicDataset(items(), TOKENIZER)
    sampler = LengthGroupedBatches(dataset.lengths.tolist(), 4, rank=0, world_size=2)
    divided = DataLoader(dataset, batch_sampler=sampler, collate_fn=SequenceCollator())
    with pytest.raises(ConfigError, match="leave rank and world_size out"):
        LoaderBatches(divided, seed=0, processes=process())


def test_sequences_have_names():
    batches = LoaderBatches(loader(), seed=3, processes=process())
    found = list(itertools.chain.from_iterable(batches.names(step) for step in range(len(batches))))
    assert sorted(found) == sorted(batches.loader.dataset.ids)
    first = next(batches.batches(0))
    rows = [batches.loader.dataset.ids[:].index(name) for name in batches.names(0)]
    assert first["labels"].tolist() == [int(batches.loader.dataset.labels[row]) for row in rows]


def test_calibration_sees_whole_batches_as_they_are():
    batches = LoaderBatches(loader(), seed=3, processes=process(1, 2), turn=turned)
    shown = list(batches.calibration(len(batches)))
    assert equal(shown, drawn(loader(), 0, len(batches)))
