import gzip
import json
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.data.augmentation import Mutate
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.streaming import StreamingGenomicDataset
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.tokenizers.genomic import GenomicTokenizer

BASES = DNATokenizer(kmer_size=1)


def rows(count, labels=("a", "b")):
    """Sequences that carry their own number as their length."""
    return [{"sequence": "A" * (i + 1), "labels": labels[i % len(labels)]} for i in range(count)]


def stream(source, **options):
    options = {"tokenizer": BASES, "task": "language_modeling", "max_length": None, **options}
    return StreamingGenomicDataset(source, **options)


def numbers(dataset):
    """Lengths of the items, which are their numbers from 1."""
    return [len(item["input_ids"]) for item in dataset]


# --- order and readers ----------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 50), st.integers(0, 3))
def test_every_record_goes_to_one_rank(count, ranks, buffer, epoch):
    seen = []
    for rank in range(ranks):
        part = stream(rows(count), rank=rank, world_size=ranks, shuffle_buffer=buffer)
        part.set_epoch(epoch)
        seen += numbers(part)
    assert sorted(seen) == list(range(1, count + 1))


def test_without_a_buffer_the_order_is_that_of_the_source():
    assert numbers(stream(rows(20))) == list(range(1, 21))


def test_the_order_is_a_function_of_seed_and_epoch():
    first = stream(rows(50), shuffle_buffer=10, seed=3)
    order = numbers(first)
    assert sorted(order) == list(range(1, 51)) != order
    assert order == numbers(first) == numbers(stream(rows(50), shuffle_buffer=10, seed=3))
    assert order != numbers(stream(rows(50), shuffle_buffer=10, seed=4))
    first.set_epoch(1)
    assert order != numbers(first)
    # A record cannot come before the buffer has reached it.
    assert all(place > number - 11 for place, number in enumerate(order))


def test_a_whole_buffer_is_a_fair_shuffle():
    first = Counter(numbers(stream(rows(4), shuffle_buffer=4, seed=seed))[0] for seed in range(400))
    assert all(60 < first[number] < 140 for number in (1, 2, 3, 4))


@settings(deadline=None)
@given(st.integers(0, 25), st.integers(0, 30), st.integers(0, 2))
def test_it_goes_on_where_it_stopped(stop, buffer, epoch):
    data = rows(25)
    whole = stream(data, shuffle_buffer=buffer)
    whole.set_epoch(epoch)
    order = numbers(whole)
    stopped = stream(data, shuffle_buffer=buffer)
    stopped.set_epoch(epoch)
    begun = [len(item["input_ids"]) for _, item in zip(range(stop), stopped, strict=False)]
    state = json.loads(json.dumps(stopped.state_dict()))
    assert state == {"epoch": epoch, "items": stop}
    other = stream(data, shuffle_buffer=buffer)
    other.load_state_dict(state)
    assert begun + numbers(other) == order
    assert numbers(other) == order  # and from its start the time after


def test_what_was_seen_is_not_tokenised_again():
    calls = []

    class Counting(DNATokenizer):
        def _encode_plus(self, *args, **kwargs):
            calls.append(1)
            return super()._encode_plus(*args, **kwargs)

    dataset = stream(rows(10), tokenizer=Counting(kmer_size=1))
    dataset.load_state_dict({"epoch": 0, "items": 7})
    assert (numbers(dataset), len(calls)) == ([8, 9, 10], 3)


# --- sources --------------------------------------------------------------------------------------


def test_several_files_of_several_formats(tmp_path):
    fasta, table, lines = tmp_path / "a.fa.gz", tmp_path / "b.csv", tmp_path / "c.jsonl"
    fasta.write_bytes(gzip.compress(b">x\nA\nA\n>y\nAAA\n"))
    table.write_text("sequence\nA\nAAAA\n")
    lines.write_text('{"sequence": "AAAAA"}\n')
    files = [fasta, str(table), lines]
    assert numbers(stream(files)) == [2, 3, 1, 4, 5]
    assert numbers(stream(fasta)) == numbers(stream(str(fasta))) == [2, 3]
    orders = set()
    for epoch in range(6):
        parts = [stream(files, shuffle_buffer=2, rank=i, world_size=2) for i in range(2)]
        for part in parts:
            part.set_epoch(epoch)
        found = [numbers(part) for part in parts]
        assert sorted(chain.from_iterable(found)) == [1, 2, 3, 4, 5]
        orders.add(str(found))
    assert len(orders) > 3


def test_a_hugging_face_stream_is_a_source():
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"sequence": ["A" * i for i in range(1, 12)]})
    for source in (table, table.to_iterable_dataset(num_shards=3)):
        assert numbers(stream(source)) == list(range(1, 12))
        halves = [numbers(stream(source, rank=i, world_size=2)) for i in range(2)]
        assert halves == [[1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "^there is no sequence in the data$"),
        (iter(rows(2)), "^the source can be read only once"),
        (["/nowhere/a.fa"], r"^/nowhere/a\.fa: no such file$"),
    ],
)
def test_a_bad_source_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        stream(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "grouping"}, "^task must be one of classification"),
        ({"task": "classification", "window": 5}, "^window is for language_modeling, not for cla"),
        ({"window": 0}, "^window must be at least 1 letter, got 0$"),
        ({"window": 4, "stride": 0}, "^stride must be at least 1 letter, got 0$"),
        ({"window": 4, "stride": 5}, "^stride must be at most window=4, got 5$"),
        ({"stride": 5}, "^stride must be at most window=None, got 5$"),
        ({"shuffle_buffer": -1}, "^shuffle_buffer must be at least 0 records, got -1$"),
        ({"rank": 2, "world_size": 2}, "^rank must be 0 to 1, got 2$"),
        ({"max_length": 0}, "^max_length must be at least 1 token"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        stream(rows(2), **options)


# --- windows --------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20))
def test_windows_cover_every_base(length, window, stride):
    stride = min(stride, window)
    sequence = "".join(np.random.default_rng(length).choice(list("ACGT"), length))
    source = [{"sequence": sequence}, {"sequence": "T"}]
    found = [
        BASES.decode(item["input_ids"]) for item in stream(source, window=window, stride=stride)
    ]
    assert found.pop() == "T"
    starts = range(0, stride * len(found), stride)
    assert found == [sequence[start : start + window] for start in starts]
    assert len(found) == 1 or starts[-2] + window < length  # none is superfluous
    assert starts[-1] + window >= length
    joined = found[0] + "".join(part[window - stride :] for part in found[1:])
    assert joined == sequence


def test_windows_of_one_record_go_to_all_ranks():
    source = [{"sequence": "ACGT" * 25}]
    halves = [stream(source, window=10, rank=i, world_size=2) for i in range(2)]
    assert [len(list(half)) for half in halves] == [5, 5]
    assert [item["record_number"] for item in halves[1]] == [1, 3, 5, 7, 9]


# --- labels and fields ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("classification", ["b", "a", "10"]),
        ("classification", [10, 9.0, "9"]),
        ("multi_label", [[0, 1], [1, 1], [0, 0]]),
        ("regression", [0.5, "-2", 3]),
        ("regression", [[0.5, 1], [1, 1], [2, 2]]),
        ("token_classification", [list("ab"), [-100, "c"], list("aa")]),
    ],
)
def test_labels_are_those_of_the_data_set_in_memory(task, labels):
    data = [{"sequence": "AC", "labels": label} for label in labels]
    memory = GenomicDataset(data, BASES, task=task)
    streamed = stream(data, task=task)
    if task != "multi_label":  # which has no names to find
        assert streamed.label_names == memory.label_names
    assert streamed.num_labels == memory.num_labels
    for item, wanted in zip(streamed, memory, strict=False):
        assert item["labels"].tolist() == wanted["labels"].tolist()
        assert item["labels"].dtype == wanted["labels"].dtype


def test_names_may_be_given():
    dataset = stream(rows(2), task="classification", label_names=["b", "a"])
    assert [int(item["labels"]) for item in dataset] == [1, 0]
    with pytest.raises(DataError, match=r"label 'c' \(first: 0\) is not among the labels"):
        list(stream(rows(1, "c"), task="classification", label_names=["b", "a"]))
    with pytest.raises(ConfigError, match="label_names are needed where data come from the stand"):
        stream("-", task="classification")
    three = [{"sequence": "A", "labels": [1, 0, 1]}]
    with pytest.raises(DataError, match=r"^0: 3 labels, where 2 are named: 'p', 'q'$"):
        list(stream(three, task="multi_label", label_names=["p", "q"]))


def test_labels_in_headers_and_files_without_labels(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text(">x coding\nAC\n>y other\nG\n")
    dataset = stream(path, task="classification", label_column="word:2")
    assert dataset.label_names == ["coding", "other"]
    assert [int(item["labels"]) for item in dataset] == [0, 1]
    without = stream(path, task="classification")
    assert (without.label_names, without.num_labels) == ([], 2)
    assert all("labels" not in item for item in without)


def test_qualities_and_molecules_come_along(tmp_path):
    path = tmp_path / "reads.fastq"
    path.write_text("@r\nACGTA\n+\nI5I!I\n")
    windows = list(stream(path, window=3))
    assert [item["quality_scores"].tolist() for item in windows] == [[40, 20, 40], [0, 40]]
    data = [{"sequence": "ACGU", "modality": "rna"}, {"sequence": "MKV"}]
    items = list(stream(data, tokenizer=GenomicTokenizer(), modality="protein"))
    assert [int(item["modality_ids"]) for item in items] == [1, 2]


def test_cutting_off_is_said_once():
    dataset = stream(rows(6), max_length=4)
    with pytest.warns(UserWarning, match=r"longer than max_length=4 tokens .*\(first: 4\)") as said:
        assert numbers(dataset) == [1, 2, 3, 4, 4, 4]
    assert len(said) == 1


def test_augmentation_is_a_function_of_seed_epoch_and_record():
    data = [{"sequence": "ACGT" * 20}] * 4

    def letters(**options):
        dataset = stream(data, augment=Mutate(0.5), **options)
        return {item["record_number"]: BASES.decode(item["input_ids"]) for item in dataset}

    whole = letters()
    assert len(set(whole.values())) == 4
    halves = letters(rank=0, world_size=2) | letters(rank=1, world_size=2)
    assert halves == whole == letters(shuffle_buffer=3)
    assert letters(seed=1) != whole
