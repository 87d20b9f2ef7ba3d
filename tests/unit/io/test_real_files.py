"""Every published file that lies beside the repository: read as Biopython reads it, or refused."""

import gzip
import warnings
from pathlib import Path

import pytest
from Bio import SeqIO
from Bio.SeqIO.FastaIO import SimpleFastaParser

from hyena_glt.errors import DataError
from hyena_glt.io.fastq import iter_fastq
from hyena_glt.io.formats import detect_format, iter_sequences

# The rest of formats/ is read; where Biopython reads one of these, the reason stands beside it.
REFUSED = {
    ".fai": "no row below the header|no sequence column",
    ".gzi": "no text file",
    ".2bit": "2bit genome",
    "README": "no sequence column",
    "aster_pearson.pro": "no sequence column",  # text before the first '>'
    "DS830848.gb": "no sequence of its own",
    "NT_019265.gb": "no sequence of its own",
    "bad_origin_wrap.gb": "no sequence of its own",
    "addgene-plasmid-11664-sequence-180430.gbk": "spans the origin",  # of a linear molecule
    "negative_location.gb": "negative starting position",
    "no_end_marker.gb": "Premature end of file",
    "example.qual": "holds '2'",
    "bgziptest.txt.gz": "no row below the header",
    "faidx_faidx.fa": ":1: a record has no name",
    "gene.bed12": "no row below the header",
    "malformed.bed": "2 columns expected",
    "regions.bed": "no sequence column",
    "a.fa": ":1: .* holds '1'",
    "b.fa": ":3: .* holds '1'",
    "blank.fx": "no header line",
    "blank1.fx": "no header line",
    "empty.fx": "the file is empty",
    "empty_id_and_seq.fa": ":3: record 's2' has no sequence",
    "empty_id_and_seq2.fa": ":1: record 'seq1' has no sequence",
    "sana_sep_id.fq": r":2: the read is called 'SRR2175749.1/1'",
    "error_double_qual.fastq": r":13: a read starts with '@'",
    "error_double_seq.fastq": r":15: a '\+' line is missing",
    "error_no_qual.fastq": ":4: 25 letters but 0 qualities",
    "error_qual_del.fastq": r":13: the quality '\\x7f' of letter 13",
    "error_qual_escape.fastq": r":17: the quality '\\x1b' of letter 8",
    "error_qual_null.fastq": r":1: the quality '\\x00' of letter 4",
    "error_qual_tab.fastq": r":17: the quality '\\t' of letter 11",
    "error_qual_unit_sep.fastq": r":9: the quality '\\x1f' of letter 6",
    "error_qual_vtab.fastq": r":1: the quality '\\x0b' of letter 11",
    "error_spaces.fastq": r":1: .* holds ' '",
    "error_trunc_at_plus.fastq": ":17: the file is cut short",
    "error_trunc_in_plus.fastq": r":19: .* its '\+' line 'SLXA-B3_649_FC'",
    "error_trunc_in_title.fastq": ":17: the file is cut short",
    **dict.fromkeys(
        (
            "illumina_full_range_as_solexa.fastq",
            "longreads_as_solexa.fastq",
            "misc_dna_as_solexa.fastq",
            "misc_rna_as_solexa.fastq",
            "sanger_full_range_as_solexa.fastq",
            "solexa_faked.fastq",
            "solexa_full_range_as_solexa.fastq",
            "solexa_full_range_original_solexa.fastq",
            "wrapping_as_solexa.fastq",
        ),
        "Solexa scores",
    ),
}


def biopython(path: Path, kind: str) -> list[tuple[str, str, list[int] | None]]:
    opener = gzip.open if path.suffix in {".gz", ".bgz"} else open
    with opener(path, "rt") as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "fasta":
            return [
                ((title.split() or [""])[0], seq, None) for title, seq in SimpleFastaParser(handle)
            ]
        name = "fastq-illumina" if is_phred_64(path) else kind
        return [
            (one.id, str(one.seq), one.letter_annotations.get("phred_quality"))
            for one in SeqIO.parse(handle, name)
        ]


def is_phred_64(path: Path) -> bool:
    """By the names that Biopython gave its files, and Illumina its versions."""
    name = path.name
    return name.endswith(("_as_illumina.fastq", "_original_illumina.fastq")) or name in {
        "illumina_faked.fastq",
        "solexa_example.fastq",
        "Illimina1.5.fq",
        "fastq_longline.fq",  # a single read of one quality, which may be either
    }


def ours(path: Path) -> list[tuple[str, str, list[int] | None]]:
    records = iter_fastq(path) if detect_format(path) == "fastq" else iter_sequences(path)
    return [
        (one.id, one.sequence, None if one.qualities is None else list(one.qualities))
        for one in records
    ]


def test_every_file_of_formats_is_read_or_refused_for_its_reason(shared_data):
    files = [path for path in (shared_data / "formats").rglob("*") if path.is_file()]
    unused = set(REFUSED)
    errors = 0
    for path in files:
        key = next((name for name in (path.name, path.suffix) if name in REFUSED), None)
        if key is None:
            assert ours(path) == biopython(path, detect_format(path)), path
            continue
        with pytest.raises(DataError, match=REFUSED[key]) as caught:
            ours(path)
        unused.discard(key)
        errors += path.name.startswith("error_")
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    assert not unused
    assert errors == len([path for path in files if path.name.startswith("error_")])


def test_counts_of_the_larger_files(shared_data):
    formats = shared_data / "formats"
    for name, records, letters in [
        ("fastq_real/HG003.fq.gz", 12_439, 12_439 * 151),
        ("fastq_real/Illimina1.8.fq.gz", 10_000, 1_500_000),
        ("fasta_rna_mirbase/hairpin.fa.gz", 28_645, 2_949_871),
        ("fasta_rna_mirbase/mature.fa.gz", 35_828, 781_222),
        ("bgzip_indexed/GRCh38_chr21_24985581-26000306.fa.gz", 1, 1_014_726),
    ]:
        lengths = [len(one.sequence) for one in iter_sequences(formats / name)]
        assert (len(lengths), sum(lengths)) == (records, letters), name


@pytest.mark.parametrize("folder", ["classification", "genomes", "variants"])
def test_every_fasta_elsewhere_is_read_as_biopython_reads_it(shared_data, folder):
    found = 0
    for path in sorted((shared_data / folder).rglob("*")):
        if not path.is_file() or path.name.removesuffix(".gz").rpartition(".")[2] not in {
            "fa", "fasta", "fna", "faa",
        }:  # fmt: skip
            continue
        assert detect_format(path) == "fasta"
        got = [(one.id, one.sequence, None) for one in iter_sequences(path)]
        assert got == biopython(path, "fasta"), path
        found += 1
    assert found >= 1


def test_every_genbank_file_elsewhere_is_read_as_biopython_reads_it(shared_data):
    found = 0
    for path in sorted((shared_data / "genomes").rglob("*")):
        if path.name.removesuffix(".gz").endswith((".gb", ".gbff")):
            assert ours(path) == biopython(path, "genbank"), path
            found += 1
    assert found >= 4
