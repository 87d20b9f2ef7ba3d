import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.data.augmentation import ReverseComplement
from hyena_glt.data.collators import CausalLanguageModelCollator, MaskedLanguageModelCollator
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.loaders import batches_in_order, create_genomic_dataloaders, split
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.formats import write_labelled
from hyena_glt.io.records import LabelledRecord
from hyena_glt.tokenizers import DNATokenizer

BASES = DNATokenizer(kmer_size=1)


def rows(labels):
    """Sequences that carry their own number as their length."""
    return [{"sequence": "A" * (i + 1), "labels": label} for i, label in enumerate(labels)]


def names_of(loader):
    """Lengths of the sequences a loader yields, which are their numbers from 1."""
    return [int(n) for batch in loader for n in batch["attention_mask"].sum(dim=1)]


def test_the_guides_call():
    dataset = GenomicDataset(rows([0, 1] * 20), BASES, max_length=128)
    loaders = create_genomic_dataloaders(dataset, batch_size=8)
    assert list(loaders) == ["train", "val"]
    train, val = names_of(loaders["train"]), names_of(loaders["val"])
    assert sorted(train + val) == list(range(1, 41))
    assert len(val) == 4
    batch = next(iter(loaders["val"]))
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_training_is_shuffled_by_epoch_and_the_rest_keeps_its_order():
    data = rows([0, 1] * 10)
    loaders = create_genomic_dataloaders(data, data, BASES, 4, test_data=data)
    train = loaders["train"]
    first = names_of(train)
    assert first == names_of(train)
    train.batch_sampler.set_epoch(1)  # type: ignore[union-attr]
    assert first != names_of(train)
    assert names_of(loaders["val"]) == names_of(loaders["test"]) == list(range(1, 21))
    again = create_genomic_dataloaders(data, data, BASES, 4)["train"]
    assert first == names_of(again)
    assert first != names_of(create_genomic_dataloaders(data, data, BASES, 4, seed=1)["train"])


def test_training_decides_the_classes_of_all():
    loaders = create_genomic_dataloaders(
        rows(["a", "b", "c"]), rows(["c", "b"]), BASES, test_data=rows(["c"])
    )
    assert next(iter(loaders["val"]))["labels"].tolist() == [2, 1]
    assert next(iter(loaders["test"]))["labels"].tolist() == [2]
    with pytest.raises(DataError, match=r"label 'd' .*training saw: 'a', 'b', 'c'"):
        create_genomic_dataloaders(rows(["a", "b", "c"]), rows(["d"]), BASES)


def test_data_sets_that_number_their_classes_otherwise_are_refused():
    train = GenomicDataset(rows(["a", "b", "c"]), BASES)
    val = GenomicDataset(rows(["c", "b"]), BASES)
    with pytest.raises(DataError, match=r"val data number their labels as \['b', 'c'\], training"):
        create_genomic_dataloaders(train, val)
    values = GenomicDataset(rows([0.5, 1.5]), BASES, task="regression")
    with pytest.raises(DataError, match="val data are for regression, training data for classif"):
        create_genomic_dataloaders(train, values)


def test_options_reach_their_places():
    data = rows([0, 1] * 4)
    loaders = create_genomic_dataloaders(
        data, data, BASES, 2, padding_side="left", pad_to_multiple_of=8
    )
    batch = next(iter(loaders["val"]))
    assert batch["attention_mask"].tolist() == [[0] * 7 + [1], [0] * 6 + [1] * 2]
    with pytest.warns(UserWarning, match="cut off"):
        loaders = create_genomic_dataloaders(data, data, BASES, 2, max_length=3)
    assert max(names_of(loaders["train"])) == 3


def test_paths_are_data(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("s,y\n" + "".join(f"{'ACGT' * 3},{i % 2}\n" for i in range(10)))
    loaders = create_genomic_dataloaders(
        str(path), tokenizer=BASES, sequence_column="s", label_column="y", batch_size=3,
        validation_fraction=0.2,
    )  # fmt: skip
    assert len(loaders["train"].dataset) == 8  # type: ignore[arg-type]
    assert Counter(next(iter(loaders["val"]))["labels"].tolist()) == {0: 1, 1: 1}


@pytest.mark.parametrize("ending", ["fa", "fa.gz", "fastq", "csv", "tsv.gz", "jsonl", "parquet"])
def test_paths_of_every_format_are_data(tmp_path, ending):
    path = tmp_path / f"data.{ending}"
    records = [
        LabelledRecord(f"r{i}", "ACGT" * (i + 1), "ab"[i % 2], bytes(4 * i + 4)) for i in range(10)
    ]
    write_labelled(path, records)
    loaders = create_genomic_dataloaders(
        path, tokenizer=BASES, batch_size=4, label_column="label" if ending[0] != "f" else "word:2"
    )
    assert sorted(names_of(loaders["train"]) + names_of(loaders["val"])) == list(range(4, 44, 4))
    assert next(iter(loaders["train"]))["labels"].max() == 1


def test_a_budget_of_tokens_in_place_of_a_batch_size():
    data = rows([0, 1] * 20)
    loaders = create_genomic_dataloaders(data, data, BASES, max_tokens_per_batch=60)
    for name in ("train", "val"):
        shapes = [tuple(batch["input_ids"].shape) for batch in loaders[name]]
        assert max(rows * columns for rows, columns in shapes) <= 60
        assert len(shapes) < 25
        assert sorted(names_of(loaders[name])) == list(range(1, 41))
    assert names_of(loaders["val"]) == list(range(1, 41))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 80))
def test_batches_in_order_are_as_large_as_the_budget_lets_them(lengths, budget):
    batches = batches_in_order(np.array(lengths), 1, budget)
    assert [number for batch in batches for number in batch] == list(range(len(lengths)))
    for batch, after in zip(batches, [*batches[1:], None], strict=True):
        longest = max(lengths[number] for number in batch)
        assert len(batch) == 1 or longest * len(batch) <= budget
        if after is not None:
            longest = max(longest, lengths[after[0]])
            assert longest * (len(batch) + 1) > budget


def test_training_data_alone_are_augmented():
    data = [{"sequence": "AAAA", "labels": i % 2} for i in range(10)]
    loaders = create_genomic_dataloaders(data, tokenizer=BASES, augment=ReverseComplement(1.0))
    assert set(next(iter(loaders["train"]))["input_ids"].flatten().tolist()) == {11}
    assert set(next(iter(loaders["val"]))["input_ids"].flatten().tolist()) == {8}
    augmented = GenomicDataset(data, BASES, augment=ReverseComplement(1.0))
    loaders = create_genomic_dataloaders(augmented)
    assert set(next(iter(loaders["train"]))["input_ids"].flatten().tolist()) == {11}
    assert set(next(iter(loaders["val"]))["input_ids"].flatten().tolist()) == {8}


def test_workers_that_live_on():
    loaders = create_genomic_dataloaders(
        rows([0, 1] * 5), tokenizer=BASES, batch_size=4, num_workers=1, persistent_workers=True
    )
    assert loaders["train"].persistent_workers
    first = names_of(loaders["train"])
    assert first == names_of(loaders["train"])


@pytest.mark.parametrize(
    ("objective", "kind"),
    [("clm", CausalLanguageModelCollator), ("mlm", MaskedLanguageModelCollator)],
)
def test_language_models_make_their_own_labels(objective, kind):
    loaders = create_genomic_dataloaders(
        rows([0] * 10), tokenizer=BASES, task="language_modeling", objective=objective
    )
    assert type(loaders["train"].collate_fn) is kind
    batch = next(iter(loaders["train"]))
    assert batch["labels"].shape == batch["input_ids"].shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batchsize": 3}, r"no argument 'batchsize'"),
        ({"validaton_fraction": 0.1}, "did you mean validation_fraction"),
        ({"tokenizer": None}, "tokenizer is needed"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"validation_fraction": 1.5}, r"the fraction held out must be in \[0, 1\), got 1.5"),
        ({"task": "language_modeling", "objective": "bert"}, "objective must be clm or mlm, got"),
        ({"padding_side": "up"}, "padding_side must be right or left"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        create_genomic_dataloaders(rows([0, 1, 0, 1]), **{"tokenizer": BASES, **options})


# --- split ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=60),
    st.floats(0, 0.99),
    st.integers(0, 1000),
)
def test_a_split_is_disjoint_complete_and_stratified(labels, fraction, seed):
    dataset = GenomicDataset(rows(labels), BASES)
    kept, held = split(dataset, fraction, seed)
    assert sorted(kept.ids + held.ids, key=int) == dataset.ids
    assert kept.ids == sorted(kept.ids, key=int)
    assert held.ids == sorted(held.ids, key=int)
    assert len(held) == min(len(labels) - 1, max(1, round(fraction * len(labels))))
    share = len(held) / len(labels)
    counts = Counter(held.labels.tolist())
    for label, size in Counter(dataset.labels.tolist()).items():
        assert math.floor(share * size) - 1 < counts[label] < math.ceil(share * size) + 1
    again = split(dataset, fraction, seed)[1]
    assert again.ids == held.ids


@pytest.mark.parametrize("rare", [0, 1, 2])
def test_a_class_of_one_sequence_stays_in_training(rare):
    labels = [label for label in (0, 1, 2) for _ in range(1 if label == rare else 50)]
    dataset = GenomicDataset(rows(labels), BASES)
    for seed in range(20):
        kept, held = split(dataset, 0.1, seed)
        assert rare in kept.labels
        assert Counter(held.labels.tolist()).keys() == {0, 1, 2} - {rare}


def test_seeds_hold_out_other_sequences():
    dataset = GenomicDataset(rows([0, 1] * 30), BASES)
    assert split(dataset, 0.1, 0)[1].ids != split(dataset, 0.1, 1)[1].ids


def test_values_are_split_at_random():
    dataset = GenomicDataset(rows([i / 10 for i in range(50)]), BASES, task="regression")
    kept, held = split(dataset, 0.2, 0)
    assert (len(kept), len(held)) == (40, 10)
    gaps = {int(b) - int(a) for a, b in zip(held.ids, held.ids[1:], strict=False)}
    assert len(gaps) > 2


def test_one_sequence_cannot_be_split():
    with pytest.raises(DataError, match="one sequence cannot be split"):
        split(GenomicDataset(rows([0]), BASES), 0.1, 0)
