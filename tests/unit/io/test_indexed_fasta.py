import gzip
import os
import pickle
import random
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.errors import DataError
from hyena_glt.io import fasta_index
from hyena_glt.io.fasta import read_fasta, write_fasta
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.io.records import SequenceRecord

TEXT = ">chr1 the first\nACGTA\nCGTAC\nGT\n>chr2\nttga\n"


def fasta(tmp_path, text=TEXT, name="x.fa"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def bgzipped(path):
    import pysam

    packed = path.with_name(path.name + ".gz")
    pysam.tabix_compress(str(path), str(packed), force=True)
    return packed


def ancient(path):
    """Make a file older than any index."""
    os.utime(path, (1, 1))
    return path


def test_any_stretch_of_any_contig(tmp_path):
    path = fasta(tmp_path)
    for genome in (IndexedFasta(path), IndexedFasta(bgzipped(path))):
        assert genome.contigs == {"chr1": 12, "chr2": 4}
        whole = "ACGTACGTACGT"
        for start in range(13):
            for end in range(start, 13):
                assert genome.fetch("chr1", start, end) == whole[start:end]
        assert genome.fetch_bytes("chr2", 1, 4).tolist() == list(b"tga")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("chr1", 0, 13), r"x\.fa: chr1:0-13 \(0-based, half-open\) does not .* has 12 bases"),
        (("chr1", -1, 3), "chr1:-1-3"),
        (("chr1", 5, 4), "chr1:5-4"),
        (("1", 0, 1), r"no contig '1' \(did you mean 'chr1'\?\); contigs of this file: chr1, chr2"),
        (("plasmid", 0, 1), "no contig 'plasmid'; contigs"),
    ],
)
def test_places_out_of_range_are_refused(tmp_path, place, message):
    with pytest.raises(DataError, match=message):
        IndexedFasta(fasta(tmp_path)).fetch(*place)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nACG\nACGT\n", r":3: the lines of 'a' are not all equally long.* hold 3 letters"),
        (">a\nACGT\nAC\nACGT\n", ":4: the lines of 'a' are not all equally long"),
        (">a\nACGT\n\nACGT\n>b\nA\n", ":4: the lines of 'a'"),
        (">b\nA\n>a\nACGT\nACG\nA", ":6: the lines of 'a'"),
        (">a\nAC\n>b\nAC\n>a\nAC\n", ":5: the name 'a' occurs twice"),
        (">a\nAC\n>\nAC\n", ":3: a record has no name after '>'"),
        (">a\n>b\nAC\n", ":1: record 'a' has no sequence"),
        (">a\nAC\n>b", ":3: record 'b' has no sequence"),
        ("ACGT\n>a\nAC\n", ":1: a FASTA file starts with '>'"),
        ("\n@r\nAC\n+\nII\n", ":2: a FASTA file starts with '>'"),
        (">a\nAC\n#comment\nAC\n", ":3: a comment within a sequence"),
        ("\n\n", ": the file holds no sequence"),
    ],
)
def test_what_cannot_be_indexed_is_refused_with_the_line(tmp_path, monkeypatch, text, message):
    path = fasta(tmp_path, text)
    for block in (1 << 24, 5, 1):
        monkeypatch.setattr(fasta_index, "_BLOCK", block)
        with pytest.raises(DataError, match=r"x\.fa" + message):
            IndexedFasta(path)
    assert [file.name for file in tmp_path.iterdir()] == ["x.fa"]


def test_letters_are_checked_when_they_are_read(tmp_path):
    genome = IndexedFasta(fasta(tmp_path, ">a\nACG-*N1CGT\n"))
    assert genome.fetch("a", 0, 6) == "ACG-*N"
    with pytest.raises(DataError, match=r"x\.fa: a:4-8 holds '1', which is no letter"):
        genome.fetch("a", 4, 8)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.fa.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    with pytest.raises(DataError, match=r"ordinary gzip cannot be read at random places.*bgzip"):
        IndexedFasta(path)
    with pytest.raises(DataError, match="no such file"):
        IndexedFasta(tmp_path / "absent.fa")
    with pytest.raises(DataError, match="folder"):
        IndexedFasta(tmp_path)
    with pytest.raises(DataError, match="the standard input cannot be read at random places"):
        IndexedFasta("-")
    os.mkfifo(tmp_path / "pipe")
    keep = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(DataError, match="a pipe cannot be read at random places"):
        IndexedFasta(tmp_path / "pipe")
    os.close(keep)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        IndexedFasta(path)
    path = bgzipped(fasta(tmp_path))
    data = path.read_bytes()
    for cut in (len(data) - 28, len(data) - 1, 40):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError, match=r"cut short|damaged"):
            IndexedFasta(path)


def test_the_index_is_kept_and_renewed(tmp_path, monkeypatch):
    path = ancient(fasta(tmp_path))
    IndexedFasta(path)
    index = tmp_path / "x.fa.fai"
    assert index.read_text() == "chr1\t12\t16\t5\t6\nchr2\t4\t37\t4\t5\n"
    scans = []
    scan = fasta_index.scan_fasta
    monkeypatch.setattr(
        "hyena_glt.io.indexed_fasta.scan_fasta",
        lambda *given: scans.append(1) or scan(*given),
    )
    IndexedFasta(path)
    assert not scans
    # A younger file, an index of another file, one that is no index: each is found out.
    fasta(tmp_path, ">chr1\nTTTTT\nTTTTT\nTTTTT\n")
    os.utime(index, (1, 1))
    assert IndexedFasta(path).contigs == {"chr1": 15}
    for text in (">chr2\nACGTA\nCGTAC\nGTACG\n", ">chr1\nACGTA\nCGTAC\nGTACG\nACGTA\n"):
        ancient(fasta(tmp_path, text))
        genome = IndexedFasta(path)
        assert genome.contigs == {record.id: len(record.sequence) for record in read_fasta(path)}
    index.write_text("no index\n")
    assert IndexedFasta(path).contigs == {"chr1": 20}
    assert len(scans) == 4


def test_the_indices_of_a_bgzipped_file_are_checked_too(tmp_path):
    big = fasta(tmp_path, ">big\n" + ("ACGTTGCAACGT" * 5 + "\n") * 4000)
    packed = ancient(bgzipped(big))
    IndexedFasta(packed)
    good = {ending: (tmp_path / f"x.fa.gz{ending}").read_bytes() for ending in (".fai", ".gzi")}
    for ending, wrong in (
        (".fai", b"big\t240\t5\t60\t61\n"),
        (".fai", b"no index"),
        (".gzi", good[".gzi"][:-16]),
        (".gzi", good[".gzi"][:-16] + bytes(16)),
        (".gzi", bytes(8)),
        (".gzi", b""),
    ):
        (tmp_path / f"x.fa.gz{ending}").write_bytes(wrong)
        assert IndexedFasta(packed).fetch("big", 239_990, 240_000) == "GTTGCAACGT"
        assert (tmp_path / f"x.fa.gz{ending}").read_bytes() == good[ending]


def test_an_index_that_cannot_lie_beside_the_file_lies_in_the_cache(tmp_path, monkeypatch):
    from hyena_glt.errors import OutputError

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "locked"
    folder.mkdir()
    plain = ancient(fasta(folder))
    packed = ancient(bgzipped(plain))
    import hyena_glt.io.indexed_fasta as module

    write = module.atomic_write

    def locked(path):
        if folder in path.parents:
            raise OutputError(f"{path}: cannot be written")
        return write(path)

    monkeypatch.setattr(module, "atomic_write", locked)
    for path in (plain, packed):
        assert IndexedFasta(path).fetch("chr1", 3, 8) == "TACGT"
    assert {file.suffix for file in folder.iterdir()} == {".fa", ".gz"}
    monkeypatch.setattr(module, "scan_fasta", None)  # not needed a second time
    for path in (plain, packed):
        assert IndexedFasta(path).fetch("chr2", 0, 4) == "ttga"


def test_pickled_and_forked_objects_read_for_themselves(tmp_path):
    path = fasta(tmp_path)
    for genome in (IndexedFasta(path), IndexedFasta(bgzipped(path))):
        assert genome.fetch("chr1", 0, 3) == "ACG"
        again = pickle.loads(pickle.dumps(genome))
        assert again.fetch("chr1", 0, 3) == "ACG"
        child = os.fork()
        if child == 0:
            good = all(genome.fetch("chr1", 3, 8) == "TACGT" for _ in range(50))
            os._exit(0 if good else 1)
        assert all(genome.fetch("chr2", 0, 4) == "ttga" for _ in range(50))
        assert os.waitpid(child, 0)[1] == 0


LINES = st.text("ACGTNacgtn", min_size=1, max_size=30)


@given(
    st.lists(LINES, min_size=1, max_size=6),
    st.integers(1, 12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 40),
    st.sampled_from(["", "\n", "\n\n"]),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_is_that_of_samtools(
    tmp_path, monkeypatch, sequences, width, end, open_end, block, blank
):
    import pysam

    monkeypatch.setattr(fasta_index, "_BLOCK", block)
    text = ""
    for number, sequence in enumerate(sequences):
        lines = [sequence[at : at + width] for at in range(0, len(sequence), width)]
        text += f">c{number} about{end}" + end.join(lines) + end + blank.replace("\n", end)
    if open_end:
        text = text.rstrip()
    path = fasta(tmp_path, text)
    index = tmp_path / "x.fa.fai"
    index.unlink(missing_ok=True)
    genome = IndexedFasta(path)
    for number, sequence in enumerate(sequences):
        assert genome.fetch(f"c{number}", 0, len(sequence)) == sequence
    ours = [line.split("\t") for line in index.read_text().splitlines()]
    pysam.faidx(str(path))
    theirs = [line.split("\t") for line in index.read_text().splitlines()]
    if open_end:  # samtools has its own idea of the width of a line that has no end
        ours[-1][4:], theirs[-1][4:] = [], []
    assert ours == theirs


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (">a\nACGT\nAC\r>\nGT\n", 3),
        (">a\rACGT\rAC\r", 1),
        (">a one\rtwo\nACGT\n", 1),
        (">a\r\nACGT\r\nAC\r\r\n", 3),
    ],
)
def test_a_carriage_return_within_a_line_is_refused(tmp_path, monkeypatch, block, text, line):
    monkeypatch.setattr(fasta_index, "_BLOCK", block)
    path = tmp_path / "x.fa"
    path.write_bytes(text.encode())
    with pytest.raises(DataError, match=rf"x\.fa:{line}: a carriage return in the middle"):
        IndexedFasta(path)


@given(st.data())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_files_give_what_other_readers_give_or_one_line(tmp_path, data):
    content = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + 1] = data.draw(
            st.sampled_from([b"\n", b">", b"", b"\r\n", b"\x00", b"#"])
        )
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    (tmp_path / "x.fa.fai").unlink(missing_ok=True)
    try:
        genome = IndexedFasta(path)
        found = {name: genome.fetch(name, 0, end) for name, end in genome.contigs.items()}
    except DataError as error:
        message = str(error)
    else:
        assert found == {record.id: record.sequence for record in read_fasta(path)}
        return
    assert str(path) in message
    assert "\n" not in message


def test_the_odd_file_of_htslib(shared_data, tmp_path):
    """Blank lines, CRLF, blanks before a name; and a name that is empty, which we refuse."""
    odd = (shared_data / "formats/odd/htslib/faidx_faidx.fa").read_bytes()
    path = tmp_path / "x.fa"
    path.write_bytes(odd)
    with pytest.raises(DataError, match=r"x\.fa:1: a record has no name"):
        IndexedFasta(path)
    path.write_bytes(odd.removeprefix(b">\nATGC\n"))
    IndexedFasta(path)
    expected = (shared_data / "formats/odd/htslib/faidx_faidx.fa.expected.fai").read_text()
    rows = [line.split("\t") for line in expected.splitlines()[1:]]
    shifted = ["\t".join([row[0], row[1], str(int(row[2]) - 7), *row[3:]]) for row in rows]
    assert (tmp_path / "x.fa.fai").read_text().splitlines() == shifted


def test_bgzipped_genomes_and_their_indices(shared_data, tmp_path):
    import pysam

    folder = shared_data / "formats/bgzip_indexed"
    for name in ("GRCh38_chr21_24985581-26000306.fa.gz", "lambda_virus.fa.gz"):
        path = tmp_path / name
        shutil.copyfile(folder / name, path)
        genome = IndexedFasta(path)
        for ending in (".fai", ".gzi"):  # ours is the same as that of bgzip and samtools
            assert (tmp_path / f"{name}{ending}").read_bytes() == (
                folder / f"{name}{ending}"
            ).read_bytes()
        (contig,) = genome.contigs
        draw = random.Random(0)
        with pysam.FastaFile(str(folder / name)) as oracle:
            for _ in range(200):
                start = draw.randrange(genome.contigs[contig] - 1000)
                end = start + draw.randrange(1000)
                assert genome.fetch(contig, start, end) == oracle.fetch(contig, start, end)
        packed = bytearray(path.read_bytes())
        packed[5000:5010] = bytes(10)
        path.write_bytes(packed)
        os.utime(path, (1, 1))
        with pytest.raises(DataError, match="damaged"):
            IndexedFasta(path).fetch(contig, 0, 20_000)


@pytest.mark.parametrize(
    ("name", "contigs", "bases"),
    [
        ("celegans_htslib/ce.fa.gz", 7, 1_039_800),
        ("yeast_R64-1-1/Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz", 17, 12_157_105),
        ("phix174/wichman2005_lt180_genomes.fasta.gz", 39, 210_132),
        ("phix174/rokyta2006_phix174like_genomes.fasta.gz", 16, 86_177),
    ],
)
def test_real_genomes(shared_data, tmp_path, name, contigs, bases):
    path = tmp_path / "genome.fa"
    with gzip.open(shared_data / "genomes" / name) as packed:
        path.write_bytes(packed.read())
    records = read_fasta(path)
    try:
        genome = IndexedFasta(path)
    except DataError as error:
        assert "not all equally long" in str(error)  # noqa: PT017 - then it is written anew
        write_fasta(path, records)
        genome = IndexedFasta(path)
    assert len(genome.contigs) == contigs
    assert sum(genome.contigs.values()) == bases
    for record in records:
        end = len(record.sequence)
        assert genome.fetch(record.id, 0, end) == record.sequence
        codes = genome.fetch_bytes(record.id, end // 3, end // 2)
        assert np.array_equal(codes, list(record.sequence[end // 3 : end // 2].encode()))


def test_the_index_that_comes_with_the_worm(shared_data, tmp_path):
    path = tmp_path / "ce.fa"
    with gzip.open(shared_data / "genomes/celegans_htslib/ce.fa.gz") as packed:
        path.write_bytes(packed.read())
    IndexedFasta(path)
    theirs = (shared_data / "genomes/celegans_htslib/ce.fa.fai").read_text()
    assert (tmp_path / "ce.fa.fai").read_text() == theirs


def test_many_contigs_across_blocks(tmp_path, monkeypatch):
    draw = random.Random(1)
    records = [
        SequenceRecord(f"c{number}", "".join(draw.choices("ACGT", k=draw.randint(1, 300))))
        for number in range(300)
    ]
    path = tmp_path / "x.fa"
    write_fasta(path, records, width=50)
    for block in (1 << 24, 997, 64):
        monkeypatch.setattr(fasta_index, "_BLOCK", block)
        (tmp_path / "x.fa.fai").unlink(missing_ok=True)
        genome = IndexedFasta(path)
        assert [genome.fetch(one.id, 0, len(one.sequence)) for one in records] == [
            one.sequence for one in records
        ]


def test_odd_files_are_read_as_by_the_reader_or_refused(shared_data, tmp_path):
    read = refused = 0
    for odd in sorted((shared_data / "formats/odd").rglob("*")):
        if not odd.is_file() or odd.suffix in {".fai", ".gzi"}:
            continue
        path = tmp_path / odd.name
        path.write_bytes(odd.read_bytes())
        try:
            genome = IndexedFasta(path)
            found = {name: genome.fetch(name, 0, end) for name, end in genome.contigs.items()}
        except DataError as error:
            message = str(error)
        else:
            assert found == {record.id: record.sequence for record in read_fasta(path)}
            read += 1
            continue
        assert str(path) in message
        assert "\n" not in message
        refused += 1
    assert read == 18  # FASTA with names that occur once and lines of one length
    assert refused > 60
