from typing import Any

import numpy as np
import pytest
import torch

from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.tokenizers import DNATokenizer

BASES = DNATokenizer(kmer_size=1)
CODONS = DNATokenizer(kmer_size=3)
THREE = [
    {"sequence": "ACGT", "labels": 10, "id": "s1"},
    {"sequence": "TTT", "label": 9},
    {"sequence": "G", "labels": 10},
]


def test_sequences_become_ids_and_labels_numbers():
    dataset = GenomicDataset(THREE, BASES)
    assert len(dataset) == 3
    assert dataset.ids == ["s1", "1", "2"]
    assert dataset.sequences == ["ACGT", "TTT", "G"]
    assert dataset.label_names == ["9", "10"]
    assert dataset.num_labels == 2
    assert dataset.lengths.tolist() == [4, 3, 1]
    items = [dataset[i] for i in range(3)]
    assert [item["input_ids"].tolist() for item in items] == [[8, 9, 10, 11], [11] * 3, [10]]
    assert [int(item["labels"]) for item in items] == [1, 0, 1]
    assert dataset[0]["input_ids"].dtype == torch.int64


def test_records_of_a_reader_are_data_too():
    dataset = GenomicDataset(
        [LabelledRecord("x", "ACG", "b"), LabelledRecord("y", "A", "a")], BASES
    )
    assert (dataset.ids, dataset.labels.tolist()) == (["x", "y"], [1, 0])
    without = GenomicDataset([SequenceRecord("x", "ACG")], BASES)
    assert (without.labels, without.num_labels) == (None, 2)
    assert list(without[0]) == ["input_ids"]


def test_training_decides_the_numbers_of_a_test_set():
    names = GenomicDataset(THREE, BASES).label_names
    test = GenomicDataset([{"sequence": "A", "labels": "10"}], BASES, label_names=names)
    assert test.labels.tolist() == [1]
    assert GenomicDataset(THREE, BASES, label_names=[9, 10]).label_names == ["9", "10"]  # type: ignore[list-item]


def test_a_label_that_training_never_saw_is_refused_by_name():
    with pytest.raises(DataError, match=r"label '11' \(first: s7\).*training saw: '9', '10'"):
        GenomicDataset(
            [{"sequence": "A", "labels": 11, "id": "s7"}], BASES, label_names=["9", "10"]
        )


def test_one_class_still_gets_two_outputs():
    assert GenomicDataset([{"sequence": "A", "labels": "x"}], BASES).num_labels == 2


def test_values_stay_values():
    data: list[dict[str, Any]] = [
        {"sequence": "A", "labels": 0.5},
        {"sequence": "C", "labels": "-2"},
    ]
    dataset = GenomicDataset(data, BASES, task="regression")
    assert dataset.labels.tolist() == [0.5, -2.0]
    assert (dataset.num_labels, dataset.label_names) == (1, [])
    two = GenomicDataset([{"sequence": "A", "labels": [1.5, 2]}], BASES, task="regression")
    assert (two.num_labels, two[0]["labels"].tolist()) == (2, [1.5, 2.0])


def test_several_labels_stay_rows():
    data: list[dict[str, Any]] = [
        {"sequence": "A", "labels": [0, 1, 1]},
        {"sequence": "C", "labels": np.eye(3)[0]},
    ]
    dataset = GenomicDataset(data, BASES, task="multi_label")
    assert dataset.labels.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert dataset.label_names == ["label_0", "label_1", "label_2"]
    assert dataset.num_labels == 3
    with pytest.raises(DataError, match=r"^0: 3 labels, where 2 are named: 'p', 'q'$"):
        GenomicDataset(data, BASES, task="multi_label", label_names=["p", "q"])


def test_a_language_model_needs_no_labels():
    dataset = GenomicDataset(THREE, BASES, task="language_modeling")
    assert dataset.labels is None
    assert list(dataset[1]) == ["input_ids"]


@pytest.mark.parametrize("label", [torch.tensor(1), np.int64(1), np.float32(1.0), "1", 1.0])
def test_one_class_may_be_written_in_many_ways(label):
    dataset = GenomicDataset([{"sequence": "A", "labels": label}], BASES)
    assert dataset.label_names == ["1"]


# --- labels per nucleotide -----------------------------------------------------------------------


def test_a_kmer_has_the_class_of_its_first_nucleotide():
    # AAA CCC [N] G T GG: the fifth to seventh letters are no k-mer.
    sequence = "AAACCCNGTGG"
    labels = list("iiieeeniixy")
    dataset = GenomicDataset(
        [{"sequence": sequence, "labels": labels}], CODONS, task="token_classification"
    )
    assert CODONS.convert_ids_to_tokens(dataset[0]["input_ids"].tolist()) == [
        "AAA", "CCC", "[N]", "G", "T", "G", "G",
    ]  # fmt: skip
    assert dataset.label_names == ["e", "i", "n", "x", "y"]
    named = [dataset.label_names[number] for number in dataset[0]["labels"].tolist()]
    assert named == ["i", "e", "n", "i", "i", "x", "y"]


def test_overlapping_kmers_have_the_class_of_every_nucleotide():
    overlapping = DNATokenizer(kmer_size=3, stride=1)
    dataset = GenomicDataset(
        [{"sequence": "ACGTA", "labels": [0, 1, 2, 3, 4]}],
        overlapping,
        task="token_classification",
    )
    assert dataset[0]["labels"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_unknown_nucleotides_are_ignored_and_no_class(kind):
    dataset = GenomicDataset(
        [{"sequence": "ACGT", "labels": kind([2, -100, 10, -100])}],
        BASES,
        task="token_classification",
    )
    assert dataset.label_names == ["2", "10"]
    assert dataset[0]["labels"].tolist() == [0, -100, 1, -100]


def test_token_labels_are_cut_off_with_their_tokens():
    data = [{"sequence": "ACGTACGT", "labels": [0, 0, 0, 1, 1, 1, 0, 0]}]
    with pytest.warns(UserWarning, match="cut off"):
        dataset = GenomicDataset(data, CODONS, 2, task="token_classification")
    assert dataset[0]["labels"].tolist() == [0, 1]
    assert len(dataset[0]["input_ids"]) == 2


def test_token_labels_must_fit_the_sequence():
    with pytest.raises(DataError, match=r"^s: 3 labels for 4 nucleotides$"):
        GenomicDataset(
            [{"sequence": "ACGT", "labels": [0, 1, 0], "id": "s"}],
            BASES,
            task="token_classification",
        )
    with pytest.raises(DataError, match=r"^s: label 'z' is not among "):
        GenomicDataset(
            [{"sequence": "AC", "labels": ["a", "z"], "id": "s"}],
            BASES,
            task="token_classification",
            label_names=["a", "b"],
        )


# --- lengths -------------------------------------------------------------------------------------


def test_cutting_off_is_said():
    data = [{"sequence": "A" * length, "labels": length % 2} for length in (3, 8, 9)]
    with pytest.warns(UserWarning, match="^2 of 3 sequences are longer than max_length=7 tokens"):
        dataset = GenomicDataset(data, BASES, 7)
    assert dataset.lengths.tolist() == [3, 7, 7]
    assert GenomicDataset(data, BASES, None).lengths.tolist() == [3, 8, 9]


def test_what_fits_exactly_is_not_cut_off():
    assert GenomicDataset(THREE, BASES, 4).lengths.tolist() == [4, 3, 1]


@pytest.mark.parametrize("max_length", [0, -1])
def test_a_length_below_one_is_refused(max_length):
    with pytest.raises(ConfigError, match=f"max_length must be at least 1 .*got {max_length}"):
        GenomicDataset(THREE, BASES, max_length)


# --- files ---------------------------------------------------------------------------------------


def test_a_table_is_data(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("name,sequence,label\na,ACGT,yes\nb,TT,no\n")
    dataset = GenomicDataset(path, BASES)
    assert dataset.ids == ["a", "b"]
    assert (dataset.label_names, dataset.labels.tolist()) == (["no", "yes"], [1, 0])
    assert GenomicDataset(str(path), BASES).labels.tolist() == [1, 0]


def test_columns_may_be_named(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("dna\tother\ty1\ty2\nACGT\tTT\t0\t1\nA\tC\t1\t1\n")
    dataset = GenomicDataset(
        path, BASES, task="multi_label", sequence_column="other", label_column="y1,y2"
    )
    assert dataset.sequences == ["TT", "C"]
    assert dataset.labels.tolist() == [[0, 1], [1, 1]]


def test_values_in_a_table(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("sequence,label\nACGT,0.25\nTT,1e1\n")
    assert GenomicDataset(path, BASES, task="regression").labels.tolist() == [0.25, 10.0]


def test_a_fasta_file_has_sequences_and_no_labels(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">chr1 a chromosome\nACGT\nAC\n>chr2\nTT\n")
    dataset = GenomicDataset(path, BASES, task="language_modeling")
    assert (dataset.ids, dataset.sequences) == (["chr1", "chr2"], ["ACGTAC", "TT"])
    assert GenomicDataset(path, BASES).labels is None


def test_a_table_has_no_labels_per_nucleotide(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("sequence,label\nACGT,0\n")
    with pytest.raises(DataError, match=r"train\.csv: labels per nucleotide"):
        GenomicDataset(path, BASES, task="token_classification")


# --- what breaks a rule --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "^there is no sequence in the data$"),
        ([{"sequence": ""}], "^0: the sequence must be text of at least one letter$"),
        ([{"sequence": 5, "id": "x"}], "^x: the sequence must be text"),
        ([{"seq": "ACGT", "y": 1}], "^item 0 has no 'sequence'; it holds 'seq', 'y'$"),
        (
            [{"sequence": "A", "labels": 1}, {"sequence": "C", "id": "x"}],
            "^x: no label, where others have one$",
        ),
        (
            [{"sequence": "A", "labels": 1.0}, {"sequence": "C", "labels": float("nan")}],
            "^1: no label, where others have one$",
        ),
    ],
)
def test_bad_data_are_refused_by_name(data, message):
    with pytest.raises(DataError, match=message):
        GenomicDataset(data, BASES)


def test_an_unknown_task_is_refused():
    with pytest.raises(ConfigError, match=r"task must be one of classification, .*got 'grouping'"):
        GenomicDataset(THREE, BASES, task="grouping")  # type: ignore[arg-type]


def test_a_subset_keeps_rows_together():
    part = GenomicDataset(THREE, BASES).subset([2, 0])
    assert part.ids == ["2", "s1"]
    assert part.sequences == ["G", "ACGT"]
    assert part[1]["input_ids"].tolist() == [8, 9, 10, 11]
    assert part.labels.tolist() == [1, 1]
    assert part.label_names == ["9", "10"]
    tokens = GenomicDataset(
        [{"sequence": "AC", "labels": [0, 1]}, {"sequence": "G", "labels": [1]}],
        BASES,
        task="token_classification",
    ).subset([1])
    assert tokens[0]["labels"].tolist() == [1]
    assert GenomicDataset(THREE, BASES, task="language_modeling").subset([1]).labels is None
