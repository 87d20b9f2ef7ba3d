import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data import file_index
from hyena_glt.data.file_index import TextFinder
from hyena_glt.data.packing import PackedBytes, TextView
from hyena_glt.data.stored_records import StoredRecord, stored_record
from hyena_glt.data.stores import (
    FileStore,
    IndexedStore,
    MemoryStore,
    SourceStore,
    has_block_index,
    is_plain_file,
)
from hyena_glt.errors import DataError
from hyena_glt.io.fasta import read_fasta
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.io.records import LabelledRecord, SequenceRecord

names = st.text("abcXYZ019_.|", min_size=1, max_size=8)
letters = st.text("ACGTNacgtn*-.", min_size=1, max_size=70)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(file_index, "_BLOCK", 7)


# --- FASTA ---------------------------------------------------------------------------------------


@given(
    records=st.lists(
        st.tuples(names, st.sampled_from(["", " a word", "\tGC>0.5 ; x"]), letters),
        min_size=1,
        max_size=6,
    ),
    widths=st.lists(st.integers(1, 80), min_size=1, max_size=4),
    line_end=st.sampled_from(["\n", "\r\n"]),
    last_line_ends=st.booleans(),
    block=st.integers(1, 40),
    limit=st.integers(0, 90),
)
def test_a_fasta_file_gives_what_the_reader_gives(
    tmp_path_factory, records, widths, line_end, last_line_ends, block, limit
):
    lines = []
    for number, (name, description, sequence) in enumerate(records):
        width = widths[number % len(widths)]
        lines.append(f">{name}{description}")
        lines += [sequence[i : i + width] for i in range(0, len(sequence), width)]
    text = line_end.join(lines) + line_end * last_line_ends
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_index, "_BLOCK", block)
        store = FileStore.of_fasta(path)
    wanted = read_fasta(path)
    assert store is not None
    assert [store.id(i) for i in range(len(store))] == [one.id for one in wanted]
    assert [store.sequence(i) for i in range(len(store))] == [one.sequence for one in wanted]
    assert store.letter_counts().tolist() == [len(one.sequence) for one in wanted]
    assert store.record(0, limit).sequence == wanted[0].sequence[:limit]


@pytest.mark.parametrize(
    "text",
    [
        "ACGT\n>a\nAC\n",  # letters before the first name
        "# comment\n>a\nAC\n",
        ">a\nAC\n# comment\nGT\n",
        ">a\nAC GT\n",
        ">a\nAC1T\n",
        ">a\n>b\nAC\n",  # no letters
        ">a\nAC\n>b\n",
        ">a\nAC\n>b",
        ">\nAC\n",  # no name
        "> a\nAC\n",
        ">\u00e4\nAC\n",
        ">a\nA\u00e4C\n",
        "\n\n",
    ],
)
def test_what_is_unusual_is_left_to_the_reader(tmp_path, small_blocks, text):
    path = tmp_path / "x.fa"
    path.write_text(text, encoding="utf-8")
    assert FileStore.of_fasta(path) is None


def test_signs_in_a_header_are_no_letters(tmp_path, small_blocks):
    path = tmp_path / "x.fa"
    path.write_text(">a|1 gene=x; (strand +) 100%\n\nAC\n\nGT\n")
    store = FileStore.of_fasta(path)
    assert store is not None
    assert (store.id(0), store.sequence(0)) == ("a|1", "ACGT")


def test_a_bgzipped_file_with_its_index(tmp_path):
    pysam = pytest.importorskip("pysam")
    plain, packed = tmp_path / "x.fa", tmp_path / "x.fa.gz"
    plain.write_text(">a first\nACGTAC\nGTAA\n>b\nTTt\n")
    pysam.tabix_compress(str(plain), str(packed))
    assert not has_block_index(packed)
    IndexedFasta(packed)
    assert has_block_index(packed)
    store = pickle.loads(pickle.dumps(IndexedStore(packed)))
    assert [store.id(0), store.id(1)] == ["a", "b"]
    assert [store.sequence(0), store.sequence(1)] == ["ACGTACGTAA", "TTt"]
    assert store.record(0, 3).sequence == "ACG"
    assert store.letter_counts().tolist() == [10, 3]


# --- letters that stand in a file in one piece ----------------------------------------------------


@given(st.lists(st.text("AC", min_size=1, max_size=12), min_size=1, max_size=20), st.integers(1, 9))
def test_texts_are_found_one_behind_the_other(tmp_path_factory, texts, block):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    content = "".join(f"AC{i},{text},CA\n" for i, text in enumerate(texts)).encode()
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_index, "_BLOCK", block)
        finder = TextFinder(path)
        end = 0
        for text in texts:
            start = finder.find(text.encode())
            assert start is not None
            assert start >= end
            end = start + len(text)
            assert content[start:end] == text.encode()
        assert finder.find(b"G") is None
        finder.close()


def located(path, sequences):
    store, finder = FileStore(path), TextFinder(path)
    for number, sequence in enumerate(sequences):
        start = finder.find(sequence.encode())
        assert start is not None
        store.add(str(number), StoredRecord(sequence), start)
    finder.close()
    return store


def test_a_file_that_changed_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("sequence\nACGT\nTT\n")
    store = located(path, ["ACGT", "TT"])
    assert store.sequence(1) == "TT"
    path.write_text("sequence\nTCGT\nTTA\n")
    with pytest.raises(DataError, match=r"t\.csv: the file was changed since it was indexed"):
        pickle.loads(pickle.dumps(store)).sequence(0)
    path.unlink()
    with pytest.raises(DataError, match=r"t\.csv: cannot be read \(No such file"):
        pickle.loads(pickle.dumps(store)).sequence(0)


def test_a_file_that_is_cut_while_it_is_open_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("sequence\nACGT\nTT\n")
    store = located(path, ["ACGT", "TT"])
    assert store.sequence(0) == "ACGT"
    os.truncate(path, 10)
    with pytest.raises(DataError, match=r"t\.csv: the file was cut"):
        store.sequence(1)


def test_a_store_is_read_after_a_fork(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("sequence\n" + "".join(f"{'ACGT' * i}T\n" for i in range(200)))
    wanted = [f"{'ACGT' * i}T" for i in range(200)]
    store = located(path, wanted)
    store.sequence(0)  # the file is open now
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            same = all(store.sequence(i) == wanted[i] for i in range(200) for _ in range(5))
            os._exit(0 if same else 1)
        children.append(child)
    assert all(store.sequence(i) == wanted[i] for i in range(200) for _ in range(5))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_what_can_be_read_at_any_place(tmp_path):
    plain, packed = tmp_path / "a.fa", tmp_path / "a.fa.gz"
    plain.write_text(">a\nA\n")
    packed.write_bytes(__import__("gzip").compress(b">a\nA\n"))
    assert is_plain_file(plain)
    assert not is_plain_file(packed)
    assert not is_plain_file("-")
    with pytest.raises(DataError, match="no such file"):
        is_plain_file(tmp_path / "b.fa")


# --- memory, sources ------------------------------------------------------------------------------


def test_memory_holds_letters_qualities_and_modalities():
    store = MemoryStore()
    store.add("a", StoredRecord("ACg\u00fc", b"\x01\x02\x03\x04", "rna"))
    store.add("\u03b2", StoredRecord("T", b"\x05"))
    assert store.record(0) == StoredRecord("ACg\u00fc", b"\x01\x02\x03\x04", "rna")
    assert store.record(0, 2) == StoredRecord("AC", b"\x01\x02", "rna")
    assert store.record(1) == StoredRecord("T", b"\x05")
    assert [store.id(0), store.id(1)] == ["a", "\u03b2"]
    assert store.letter_counts().tolist() == [4, 1]
    with pytest.raises(DataError, match=r"^c: no qualities, where others have them$"):
        store.add("c", StoredRecord("A"))


def test_qualities_of_some_are_refused():
    store = MemoryStore()
    store.add("a", StoredRecord("A"))
    with pytest.raises(DataError, match=r"^b: qualities, others none$"):
        store.add("b", StoredRecord("A", b"\x01"))


def test_a_source_stays_where_it_is():
    class Source:
        reads = 0

        def __len__(self):
            return 2

        def __getitem__(self, index):
            self.reads += 1
            return {"sequence": "AC" * (index + 1), "labels": [index], "id": f"w{index}"}

    source = Source()
    store = SourceStore(source)
    assert (len(store), source.reads) == (2, 0)
    assert store.record(1) == StoredRecord("ACAC", None, None, [1])
    assert source.reads == 1
    assert store.id(1) == "w1"
    assert store.letter_counts() is None
    source.lengths = [2, 4]
    assert store.letter_counts().tolist() == [2, 4]


def test_records_of_every_kind():
    assert stored_record(LabelledRecord("x", "AC", "y", b"\1\2", "rna"), 0) == (
        "x",
        StoredRecord("AC", b"\1\2", "rna", "y"),
    )
    assert stored_record(SequenceRecord("x", "AC"), 0) == ("x", StoredRecord("AC"))
    item = {"dna": "AC", "y": 1, "sequence": "T", "qualities": [3, 4]}
    assert stored_record(item, 7, "dna", "y") == ("7", StoredRecord("AC", b"\3\4", None, 1))
    with pytest.raises(DataError, match=r"^7: 2 qualities for 1 letters$"):
        stored_record(item, 7)


def test_packed_bytes_and_their_view():
    packed = PackedBytes()
    for item in (b"abc", b"", b"de"):
        packed.append(item)
    assert [packed.get(i) for i in range(len(packed))] == [b"abc", b"", b"de"]
    assert packed.get(0, 2) == b"ab"
    assert packed.get(2, 9) == b"de"
    view = TextView(lambda i: packed.get(i).decode(), np.array([2, 0]))
    assert view == ["de", "abc"]
    assert view != ["de"]
    assert view != ["de", "abx"]
    assert view[-1] == "abc"
    assert view[:1] == ["de"]
    assert view + view == ["de", "abc", "de", "abc"]
    assert "abc" in view
    assert repr(view) == "['de', 'abc']"
