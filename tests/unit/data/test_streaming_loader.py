import json
from itertools import chain, islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils import data as torch_data

from hyena_glt.data.streaming import StreamingGenomicDataset
from hyena_glt.data.streaming_loader import StreamingLoader, create_streaming_loader
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers import DNATokenizer

BASES = DNATokenizer(kmer_size=1)


def rows(count):
    """Sequences that carry their own number as their length."""
    return [{"sequence": "A" * (i + 1)} for i in range(count)]


def loader(count=23, **options):
    options = {"task": "language_modeling", "batch_size": 3, "max_length": None, **options}
    return create_streaming_loader(rows(count), BASES, **options)


def numbers(batches):
    """Lengths of the sequences in each batch, which are their numbers from 1."""
    return [batch["attention_mask"].sum(dim=1).tolist() for batch in batches]


def flat(batches):
    return list(chain.from_iterable(batches))


def test_an_epoch_after_the_other():
    batches = loader(shuffle_buffer=8)
    first, second = numbers(batches), numbers(batches)
    for epoch in (first, second):
        assert sorted(flat(epoch)) == list(range(1, 24))
    assert first != second
    assert batches.epoch == 2
    batches.set_epoch(1)
    assert numbers(batches) == second


@settings(deadline=None, max_examples=25)
@given(
    stop=st.integers(0, 9),
    buffer=st.integers(0, 30),
    epoch=st.integers(0, 2),
    batch_size=st.integers(1, 6),
    objective=st.sampled_from(["clm", "mlm"]),
)
def test_the_same_batches_are_left_after_a_stop(stop, buffer, epoch, batch_size, objective):
    options = {"shuffle_buffer": buffer, "batch_size": batch_size, "objective": objective}
    whole = loader(**options)
    whole.set_epoch(epoch)
    wanted = list(whole)
    stopped = loader(**options)
    stopped.set_epoch(epoch)
    begun = list(islice(stopped, min(stop, len(wanted))))
    state = json.loads(json.dumps(stopped.state_dict()))
    other = loader(**options)
    other.load_state_dict(state)
    other.set_epoch(state["epoch"])  # as a training loop does
    left = list(other)
    assert len(begun + left) == len(wanted)
    for batch, same in zip(begun + left, wanted, strict=True):
        assert all(torch.equal(batch[name], same[name]) for name in same)
    assert sorted(flat(numbers(other))) == list(range(1, 24))  # the next epoch is whole


def test_a_state_behind_an_epoch_is_the_start_of_the_next():
    whole = loader(shuffle_buffer=8)
    list(whole)
    state = whole.state_dict()
    assert (state["epoch"], state["batches"]) == (1, 0)
    other = loader(shuffle_buffer=8)
    other.load_state_dict(state)
    assert numbers(other) == numbers(whole)


class FakeWorker:
    """Workers of a loader, one after the other in this process and in turns."""

    def __init__(self, monkeypatch, workers):
        self.patch, self.workers = monkeypatch, workers

    def read(self, make, before=0, batch_size=3):
        iterators = []
        for number in range(self.workers):
            dataset = make()
            dataset.start_behind(before, batch_size)
            info = torch_data._utils.worker.WorkerInfo(
                id=number, num_workers=self.workers, seed=0, dataset=dataset
            )
            with self.patch.context() as patch:
                patch.setattr("hyena_glt.data.streaming.get_worker_info", lambda info=info: info)
                items = [len(item["input_ids"]) for item in dataset]
            iterators.append([items[i : i + batch_size] for i in range(0, len(items), batch_size)])
        turns = max(map(len, iterators))
        return [one[turn] for turn in range(turns) for one in iterators if turn < len(one)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("buffer", [0, 5])
def test_workers_of_all_ranks_share_the_records_and_go_on(monkeypatch, ranks, workers, buffer):
    fake = FakeWorker(monkeypatch, workers)
    for count in (1, 2, 11, 36, 37, 40):
        seen, shares = [], []
        for rank in range(ranks):

            def make(rank=rank, count=count):
                return StreamingGenomicDataset(
                    rows(count), BASES, None, "language_modeling",
                    rank=rank, world_size=ranks, shuffle_buffer=buffer,
                )  # fmt: skip

            whole = fake.read(make)
            seen += flat(whole)
            shares.append(len(flat(whole)))
            for stop in range(len(whole) + 2):
                assert fake.read(make, stop) == whole[stop:]
        assert max(shares) - min(shares) <= 1
        assert sorted(seen) == list(range(1, count + 1))


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 40),
    ranks=st.integers(1, 4),
    batch_size=st.integers(1, 5),
    buffer=st.sampled_from([0, 5]),
    stop=st.integers(0, 12),
)
def test_all_ranks_give_equally_many_batches_and_every_record(
    count, ranks, batch_size, buffer, stop
):
    shares = []
    for rank in range(ranks):
        options = {
            "rank": rank, "world_size": ranks, "batch_size": batch_size, "shuffle_buffer": buffer,
        }  # fmt: skip
        if count < ranks:
            with pytest.raises(DataError, match=f"too few sequences for {ranks} processes"):
                list(loader(count, **options))
            continue
        wanted = numbers(loader(count, **options))
        shares.append(wanted)
        stopped, other = loader(count, **options), loader(count, **options)
        begun = numbers(islice(stopped, stop))
        if stop <= len(wanted):  # behind the last of them, but not yet in the next epoch
            other.load_state_dict(stopped.state_dict())
            assert begun + numbers(other) == wanted
    if count >= ranks:
        assert len({len(wanted) for wanted in shares}) == 1
        assert sorted(flat(chain(*shares))) == list(range(1, count + 1))
        sizes = [len(batch) for wanted in shares for batch in wanted]
        assert max(sizes) <= batch_size + (ranks > 1)


@pytest.mark.parametrize("count", [12, 13, 14, 16])
def test_workers_of_all_ranks_give_equally_many_batches(count):
    shares = [
        numbers(loader(count, num_workers=2, rank=rank, world_size=3, batch_size=2))
        for rank in range(3)
    ]
    assert len({len(wanted) for wanted in shares}) == 1
    assert sorted(flat(chain(*shares))) == list(range(1, count + 1))


def test_a_worker_that_only_some_ranks_need_is_refused():
    for rank in range(2):  # the fourth sequence would be the second worker's on the second rank
        with pytest.raises(DataError, match="too few sequences for 2 processes"):
            list(loader(3, num_workers=2, rank=rank, world_size=2))


@pytest.mark.parametrize("stop", [0, 3, 6])
def test_two_workers_and_two_ranks_go_on_where_they_stopped(stop):
    seen = []
    for rank in range(2):
        options = {"num_workers": 2, "rank": rank, "world_size": 2, "shuffle_buffer": 5}
        whole = loader(37, **options)
        wanted = numbers(whole)
        seen += flat(wanted)
        stopped = loader(37, **options)
        begun = numbers(islice(stopped, stop))
        other = loader(37, **options)
        other.load_state_dict(stopped.state_dict())
        assert begun + numbers(other) == wanted
    assert sorted(seen) == list(range(1, 38))


def test_a_hugging_face_stream_is_read_by_two_workers():
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"sequence": ["A" * i for i in range(1, 12)]})
    batches = create_streaming_loader(
        table.to_iterable_dataset(num_shards=2), BASES, 2, num_workers=2, task="language_modeling"
    )
    assert sorted(flat(numbers(batches))) == list(range(1, 12))


def test_other_settings_than_those_of_the_state_are_refused():
    state = loader(shuffle_buffer=4).state_dict()
    for name, value in (("batch_size", 4), ("shuffle_buffer", 5), ("seed", 1), ("world_size", 2)):
        other = loader(**{"shuffle_buffer": 4, name: value})
        with pytest.raises(ConfigError, match=f"{name}=.*{name}={value}; the batches would be oth"):
            other.load_state_dict(state)


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(1)
    wanted = torch.rand(1)
    torch.manual_seed(1)
    list(loader(shuffle_buffer=4, objective="mlm"))
    assert torch.equal(torch.rand(1), wanted)


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="tokenizer is needed"):
        create_streaming_loader(rows(2))
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        loader(batch_size=0)
    with pytest.raises(ConfigError, match="objective must be clm or mlm, got 'bert'"):
        loader(objective="bert")
    dataset = StreamingGenomicDataset(rows(2), BASES, task="language_modeling")
    with pytest.raises(ConfigError, match="seed: give them to the data set"):
        create_streaming_loader(dataset, seed=1)
    made = create_streaming_loader(dataset, padding={"pad_to_multiple_of": 8})
    assert isinstance(made, StreamingLoader)
    assert next(iter(made))["input_ids"].shape == (2, 8)
