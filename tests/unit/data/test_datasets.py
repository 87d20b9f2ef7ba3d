import gzip
import json
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.annotated_windows import AnnotatedWindows
from hyena_glt.data.augmentation import Mutate, ReverseComplement
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.items import ItemMaker, without_cut_token
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.data.stored_records import StoredRecord
from hyena_glt.data.stores import FileStore, MemoryStore
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.records import LabelledRecord, SequenceRecord
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.tokenizers.genomic import GenomicTokenizer

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
    with pytest.warns(UserWarning, match=r"^2 of 3 sequences are longer than max_length=7 tokens"):
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


# --- letters that stay on disk --------------------------------------------------------------------

ROWS = [
    {"id": "a", "sequence": "ACGTNacgtA", "label": "x"},
    {"id": "b", "sequence": "TTT", "label": "y"},
    {"id": "TT", "sequence": "T", "label": "x"},
    {"id": "d", "sequence": "GATTACA" * 4, "label": "y"},
]


def written(folder, kind):
    """The rows in a file of a format; the label is the second word of a header."""
    path = folder / f"data.{kind}"
    if kind.startswith(("fa.", "fna")) or kind == "fa":
        lines = [
            f">{r['id']} {r['label']}\n{r['sequence'][:7]}\n{r['sequence'][7:]}\n" for r in ROWS
        ]
        text = "".join(lines).replace("\n\n", "\n")
    elif kind.startswith("fastq"):
        text = "".join(
            f"@{r['id']} {r['label']}\n{r['sequence']}\n+\n{'I' * len(r['sequence'])}\n"
            for r in ROWS
        )
    elif kind.startswith("json"):
        text = "".join(json.dumps(r) + "\n" for r in ROWS)
        text = text if kind.startswith("jsonl") else json.dumps(ROWS, indent=1)
    else:
        comma = "\t" if kind.startswith("tsv") else ","
        text = comma.join(("id", "sequence", "label")) + "\r\n"
        text += "".join(comma.join(r.values()) + "\r\n" for r in ROWS)
    path.write_bytes(gzip.compress(text.encode()) if kind.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("tokenizer", [BASES, CODONS], ids=["bases", "codons"])
@pytest.mark.parametrize("max_length", [None, 5])
@pytest.mark.parametrize(
    ("kind", "on_disk"),
    [
        ("fa", True), ("fa.gz", False), ("fastq", True), ("fastq.gz", False), ("csv", True),
        ("csv.gz", False), ("tsv", True), ("jsonl", True), ("jsonl.gz", False), ("json", True),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*cut off")
def test_the_same_items_from_disk_and_from_memory(tmp_path, kind, on_disk, max_length, tokenizer):
    column = "word:2" if kind.startswith("fa") else None
    path = written(tmp_path, kind)
    lazy = GenomicDataset(path, tokenizer, max_length, label_column=column)
    memory = GenomicDataset(ROWS, tokenizer, max_length)
    assert isinstance(lazy._store, FileStore if on_disk else MemoryStore)
    assert lazy.ids == memory.ids == [row["id"] for row in ROWS]
    assert lazy.sequences == memory.sequences == [row["sequence"] for row in ROWS]
    assert lazy.labels.tolist() == memory.labels.tolist()
    assert lazy.lengths.tolist() == memory.lengths.tolist()
    for copy in (lazy, pickle.loads(pickle.dumps(lazy)), lazy.subset([0, 1, 2, 3])):
        for number in range(4):
            for name in ("input_ids", "labels"):
                assert torch.equal(copy[number][name], memory[number][name])
            assert len(copy[number]["input_ids"]) == memory.lengths[number]
    assert lazy.subset([3, 1])[0]["input_ids"].tolist() == memory[3]["input_ids"].tolist()
    assert lazy.subset([3, 1]).lengths.tolist() == memory.lengths[[3, 1]].tolist()


def test_letters_that_the_reader_changed_are_kept_in_memory(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"sequence": "AC\\u0047T", "label": 1}\n{"sequence": "TT", "label": 0}\n')
    dataset = GenomicDataset(path, BASES)
    assert isinstance(dataset._store, MemoryStore)
    assert dataset.sequences == ["ACGT", "TT"]


def test_a_fasta_file_with_a_fault_is_told_of_as_by_its_reader(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAC\n>b\n>c\nGT\n")
    with pytest.raises(DataError, match=r"x\.fa:3: .*'b' has no sequence"):
        GenomicDataset(path, BASES, task="language_modeling")
    path.write_text("# from a database\n>a\nAC\n")
    assert GenomicDataset(path, BASES, task="language_modeling").sequences == ["AC"]


def test_lengths_of_a_file_are_known_without_its_letters(tmp_path, monkeypatch):
    path = written(tmp_path, "fa")
    dataset = GenomicDataset(path, BASES, None)
    overlapping = GenomicDataset(path, DNATokenizer(kmer_size=3, stride=1), None)
    codons = GenomicDataset(path, CODONS, None)
    read = []
    monkeypatch.setattr(
        FileStore, "record", lambda self, row, limit=None: read.append(row) or StoredRecord("AAC")
    )
    assert dataset.lengths.tolist() == overlapping.lengths.tolist() == [10, 3, 1, 28]
    assert read == []
    assert codons.lengths.tolist() == codons.lengths.tolist() == [1] * 4
    assert read == [0, 1, 2, 3]  # once


def test_added_words_are_counted(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nACGATTACAT\n")
    tokenizer = DNATokenizer(kmer_size=1)
    tokenizer.add_tokens(["GATTACA"])
    dataset = GenomicDataset(path, tokenizer, task="language_modeling")
    assert dataset.lengths.tolist() == [len(dataset[0]["input_ids"])] == [4]


def test_what_is_cut_off_a_file_is_said_once(tmp_path):
    path = tmp_path / "x.fa"
    # Six codons in either, but N breaks the second one into single letters.
    path.write_text(f">a\n{'ACG' * 6}\n>b\n{'ACG' * 4}NNNACG\n")
    with pytest.warns(UserWarning, match=r"^2 of 2 sequences are longer than max_length=4 tokens"):
        dataset = GenomicDataset(path, CODONS, 4)
    assert dataset.lengths.tolist() == [4, 4]
    late = GenomicDataset(path, CODONS, 6)  # not sure before the letters are read
    with pytest.warns(UserWarning, match=r"^1 of 2 sequences are longer than max_length=6 tokens"):
        assert late.lengths.tolist() == [6, 6]
    assert late.lengths.tolist() == [6, 6]


def test_foreign_letters_are_told_of_once_for_a_list_and_where_they_are_in_a_file(tmp_path):
    strict = DNATokenizer(kmer_size=1, ambiguous="error")
    with pytest.warns(UserWarning, match="reads them as .UNK"):
        dataset = GenomicDataset([{"sequence": "ACQT"}], BASES)
    assert dataset[0]["input_ids"].tolist() == [8, 9, 1, 11]
    with pytest.raises(AlphabetError, match="ambiguous='error'"):
        GenomicDataset([{"sequence": "ACRT"}], strict)
    path = tmp_path / "x.fa"
    path.write_text(">good\nACGT\n>bad\nACRT\n")
    dataset = GenomicDataset(path, strict, task="language_modeling")
    assert dataset[0]["input_ids"].tolist() == [8, 9, 10, 11]
    with pytest.raises(AlphabetError, match=r"^bad: .*ambiguous='error'"):
        dataset[1]


def test_special_tokens_in_a_long_sequence_do_not_change_what_is_kept():
    data = [{"sequence": "[MASK]" * 3 + "ACGT" * 20 + "[START]A"}]
    with pytest.warns(UserWarning, match="cut off"):
        dataset = GenomicDataset(data, CODONS, 5)
    whole = CODONS(data[0]["sequence"])["input_ids"]
    assert dataset[0]["input_ids"].tolist() == whole[:5]


@given(
    st.lists(
        st.sampled_from(["ACG", "N", "A", "[MASK]", "[START]", "TTTT"]), min_size=1, max_size=80
    ),
    st.integers(1, 12),
    st.sampled_from([(1, None), (3, None), (3, 1), (6, None)]),
)
def test_a_prefix_of_the_letters_decides_the_tokens_kept(parts, max_length, kmer):
    tokenizer = DNATokenizer(vocab_size=10**4, kmer_size=kmer[0], stride=kmer[1])
    maker = ItemMaker(tokenizer, max_length)
    sequence = "".join(parts)
    letters = without_cut_token(sequence[: maker.letters_wanted])
    kept = maker.tokens(StoredRecord(letters))[:max_length]
    assert kept.tolist() == tokenizer(sequence)["input_ids"][:max_length]


# --- sources that stay where they are -------------------------------------------------------------


class Windows:
    """A source as the windows of an annotation are one."""

    label_names: ClassVar[list[str]] = ["other", "CDS"]

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.reads += 1
        labels = np.array([0, 0, 0, 1, 1, 1, -100])
        return {"id": f"w{index}", "sequence": "ACGTTTA"[index:], "labels": labels[index:]}


def test_a_source_with_labels_per_base_is_read_item_by_item():
    source = Windows()
    dataset = GenomicDataset(source, CODONS, task="token_classification")
    assert (len(dataset), source.reads) == (3, 0)
    assert (dataset.label_names, dataset.num_labels) == (["other", "CDS"], 2)
    assert dataset[0]["labels"].tolist() == [0, 1, -100]
    assert source.reads == 1
    assert dataset.labels[1].tolist() == dataset[1]["labels"].tolist() == [0, 1]
    assert dataset.ids == ["w0", "w1", "w2"]
    assert dataset.lengths.tolist() == [3, 2, 3]
    assert dataset.subset([2]).labels[0].tolist() == [0, 1, 1 - 101]
    with pytest.raises(DataError, match="must name its classes in an attribute label_names"):
        GenomicDataset(PlainSource(), CODONS, task="token_classification")


class PlainSource:
    """A source that names no classes."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {"sequence": "ACG", "labels": "ab"[index]}


def test_windows_of_an_annotated_genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\nACGTTAGGCATG\n>chr2\nTTTT\n")
    genes = [Feature("chr1", 3, 7, "CDS", "+"), Feature("chr2", 0, 2, "CDS", "-")]
    windows = AnnotatedWindows(path, genes, window=5, kinds=("CDS",))
    dataset = GenomicDataset(windows, BASES, task="token_classification")
    assert dataset.lengths.tolist() == [5, 5, 2, 4]
    assert dataset.label_names == ["other", "CDS"]
    for batch in DataLoader(dataset, batch_size=4, num_workers=1):
        wanted = [[0, 0, 0, 1, 1], [1, 1, 0, 0, 0], [0, 0] + [-100] * 3, [1, 1, 0, 0, -100]]
        assert batch["labels"].tolist() == wanted
    loaders = create_genomic_dataloaders(dataset, batch_size=2)
    assert sum(len(batch["labels"]) for batch in loaders["train"]) == 3


def test_labels_per_base_in_json_lines(tmp_path):
    path = tmp_path / "genes.jsonl"
    path.write_text('{"sequence": "ACGTTA", "labels": [0, 0, 0, 2, 2, 2]}\n')
    dataset = GenomicDataset(path, CODONS, task="token_classification")
    assert isinstance(dataset._store, FileStore)
    assert (dataset.label_names, dataset[0]["labels"].tolist()) == (["0", "2"], [0, 1])


def test_columns_of_a_source_may_be_named():
    class Other(PlainSource):
        def __getitem__(self, index):
            return {"letters": "AC"[index], "y": index}

    dataset = GenomicDataset(Other(), BASES, sequence_column="letters", label_column="y")
    assert (dataset.sequences, dataset.labels.tolist()) == (["A", "C"], [0, 1])


def test_a_source_without_names_has_classes_too():
    dataset = GenomicDataset(PlainSource(), BASES)
    assert (dataset.label_names, dataset.labels.tolist()) == (["a", "b"], [0, 1])


def test_a_hugging_face_data_set_is_data():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"dna": datasets.Value("string"), "y": datasets.ClassLabel(names=["no", "yes"])}
    )
    table = datasets.Dataset.from_dict({"dna": ["ACGT", "TT"], "y": [1, 0]}, features=features)
    dataset = GenomicDataset(table, BASES, sequence_column="dna", label_column="y")
    assert (dataset.label_names, dataset.labels.tolist()) == (["no", "yes"], [1, 0])
    assert dataset[1]["input_ids"].tolist() == [11, 11]
    assert dataset.sequences == ["ACGT", "TT"]
    values = datasets.Dataset.from_dict({"sequence": ["ACGT", "TT"], "label": [0.5, -1]})
    assert GenomicDataset(values, BASES, task="regression").labels.tolist() == [0.5, -1.0]
    no_label = table.add_item({"dna": "A", "y": -1})
    with pytest.raises(DataError, match=r"label '-1' \(first: 2\)"):
        GenomicDataset(no_label, BASES, sequence_column="dna", label_column="y")


def test_what_has_no_length_is_refused():
    with pytest.raises(DataError, match=r"data of type generator has no length.*Streaming"):
        GenomicDataset((row for row in ROWS), BASES)


# --- qualities, modalities, augmentation ----------------------------------------------------------


def test_a_token_is_as_good_as_its_worst_letter(tmp_path):
    path = tmp_path / "reads.fastq"
    path.write_text("@r1\nACGTTTNA\n+\nI5I!IIII\n")
    assert GenomicDataset(path, BASES)[0]["quality_scores"].tolist() == [
        40,
        20,
        40,
        0,
        40,
        40,
        40,
        40,
    ]
    # ACG TTT N A
    assert GenomicDataset(path, CODONS)[0]["quality_scores"].tolist() == [20, 0, 40, 40]
    with pytest.warns(UserWarning, match="cut off"):
        cut = GenomicDataset(path, CODONS, 2)
    assert cut[0]["quality_scores"].tolist() == [20, 0]
    marked = [{"sequence": "AC[MASK]G[SEP]", "qualities": [5, 6] + [1] * 6 + [7] + [1] * 5}]
    scores = GenomicDataset(marked, BASES)[0]["quality_scores"].tolist()
    assert scores[:3] == [5, 6, 0]


def test_molecules_have_their_own_tokens_and_numbers(tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("sequence,label,molecule\nACGT,a,dna\nACGU,b,rna\nMKV,a,protein\n")
    tokenizer = GenomicTokenizer()
    dataset = GenomicDataset(path, tokenizer)
    assert [int(item["modality_ids"]) for item in dataset] == [0, 1, 2]
    wanted = tokenizer(["ACGT", "ACGU", "MKV"], modality=["dna", "rna", "protein"])["input_ids"]
    assert [item["input_ids"].tolist() for item in dataset] == wanted
    proteins = GenomicDataset([{"sequence": "MKV"}], tokenizer, modality="protein")
    assert int(proteins[0]["modality_ids"]) == 2
    with pytest.raises(
        ConfigError, match="must be told the molecule: give each record a 'modality'"
    ):
        GenomicDataset([{"sequence": "MKV"}], tokenizer)
    with pytest.raises(ConfigError, match="modality must be one of dna, rna, protein, got 'xna'"):
        GenomicDataset([{"sequence": "MKV"}], tokenizer, modality="xna")
    assert "modality_ids" not in GenomicDataset([ROWS[0]], BASES)[0]


def test_augmentation_turns_letters_labels_and_qualities_together():
    data = [{"sequence": "AACG", "labels": [2, 1, 1, 0], "qualities": [9, 8, 7, 6]}]
    plain = GenomicDataset(data, BASES, task="token_classification")
    turned = plain.augmented(ReverseComplement(1.0))
    assert turned[0]["input_ids"].tolist() == BASES("CGTT")["input_ids"]
    assert turned[0]["labels"].tolist() == [0, 1, 1, 2]
    assert turned[0]["quality_scores"].tolist() == [6, 7, 8, 9]
    assert turned.sequences == ["AACG"]
    assert plain[0]["labels"].tolist() == [2, 1, 1, 0]


def test_augmentation_is_a_function_of_seed_epoch_and_number():
    data = [{"sequence": "ACGT" * 20}] * 3
    dataset = GenomicDataset(data, BASES, augment=Mutate(0.5), seed=1)

    def letters(of):
        return [BASES.decode(of[i]["input_ids"]) for i in range(3)]

    first = letters(dataset)
    assert len(set(first)) == 3
    assert first == letters(dataset) == letters(pickle.loads(pickle.dumps(dataset)))
    assert first[2] == letters(dataset.subset([2, 1, 0]))[0]
    dataset.set_epoch(1)
    assert first != letters(dataset)
    dataset.set_epoch(0)
    assert first == letters(dataset)
    assert first != letters(GenomicDataset(data, BASES, augment=Mutate(0.5), seed=2))


def test_workers_that_live_on_see_the_epoch_change():
    data = [{"sequence": "ACGT" * 20}] * 2
    dataset = GenomicDataset(data, BASES, augment=Mutate(0.5))
    loader = DataLoader(
        dataset, batch_size=2, num_workers=1, persistent_workers=True,
        multiprocessing_context="fork",
    )  # fmt: skip
    epochs = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        epochs.append(next(iter(loader))["input_ids"].tolist())
    assert epochs[0] == epochs[2] != epochs[1]


def test_a_plain_loader_pads():
    """The guide's own call, without a collator."""
    loader = DataLoader(GenomicDataset(THREE, BASES), batch_size=3)
    batch = next(iter(loader))
    assert batch["attention_mask"].sum(dim=1).tolist() == [4, 3, 1]
    assert batch["labels"].tolist() == [1, 0, 1]
