import gzip
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.annotated_windows import AnnotatedWindows
from hyena_glt.data.annotation import base_labels, reverse_labels
from hyena_glt.data.genome import Region
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.gff import write_gff3
from hyena_glt.io.indexed_fasta import IndexedFasta

LETTERS = "ACGTTGCAACGGTTAACCAT"
FEATURES = [
    Feature("c", 2, 9, "gene", "+"),
    Feature("c", 4, 6, "CDS", "+"),
    Feature("c", 12, 17, "gene", "-"),
    Feature("absent", 0, 9, "gene", "+"),
]


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">c\n{LETTERS}\n>d\nACGT\n")
    return IndexedFasta(path)


def test_windows_of_all_contigs(genome):
    source = AnnotatedWindows(genome, FEATURES, window=8, kinds=("CDS", "gene"))
    assert source.label_names == ["other", "CDS", "gene"]
    assert [source[i]["id"] for i in range(len(source))] == [
        "c:0-8(+)",
        "c:8-16(+)",
        "c:16-20(+)",
        "d:0-4(+)",
    ]
    assert source.lengths.tolist() == [8, 8, 4, 4]
    assert source[0]["sequence"] == LETTERS[:8]
    assert source[0]["labels"].tolist() == [0, 0, 2, 2, 1, 1, 2, 2]
    assert source[2]["labels"].tolist() == [2, 0, 0, 0]
    assert source[3]["labels"].tolist() == [0, 0, 0, 0]
    for wrong in (-1, 4):
        with pytest.raises(IndexError):
            source[wrong]


def test_the_other_strand_is_read_backwards(genome):
    source = AnnotatedWindows(
        genome, FEATURES, window=20, kinds=("gene",), strand="+", both_strands=True
    )
    assert len(source) == 4
    forward, backward = source[0], source[1]
    assert (forward["id"], backward["id"]) == ("c:0-20(+)", "c:0-20(-)")
    assert backward["sequence"] == reverse_complement(forward["sequence"])
    # "+" is the strand that is read: each window shows the genes that it can read.
    assert "".join(map(str, forward["labels"])) == "00111111100000000000"
    assert "".join(map(str, backward["labels"])) == "00011111000000000000"
    both = AnnotatedWindows(
        genome, FEATURES, window=20, kinds=("gene",), strand="separate", both_strands=True
    )
    assert "".join(map(str, both[1]["labels"])) == "00011111000222222200"


@given(
    st.integers(1, 25),
    st.data(),
    st.sampled_from(["plain", "bio"]),
    st.sampled_from(["both", "separate"]),
    st.lists(st.tuples(st.integers(0, 19), st.integers(1, 20)), min_size=1, max_size=3),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_are_cut_from_the_whole(genome, window, data, scheme, strand, places):
    stride = data.draw(st.integers(1, window))
    regions = [Region("c", start, min(20, start + length)) for start, length in places]
    kinds = ("CDS", "gene")
    source = AnnotatedWindows(
        genome, FEATURES, window=window, stride=stride, kinds=kinds, scheme=scheme, strand=strand,
        regions=regions, both_strands=True,
    )  # fmt: skip
    whole, names = base_labels(FEATURES, "c", 20, kinds, scheme=scheme, strand=strand)
    items = [source[i] for i in range(len(source))]
    assert source.lengths.tolist() == [len(item["sequence"]) for item in items]
    expected = []
    for region in regions:
        start = region.start
        while True:
            end = min(region.end, start + window)
            expected.append((start, end))
            if end == region.end:
                break
            start += stride
    assert len(items) == 2 * len(expected)
    for (start, end), forward, backward in zip(expected, items[::2], items[1::2], strict=True):
        assert forward["id"] == f"c:{start}-{end}(+)"
        assert forward["sequence"] == LETTERS[start:end]
        labels = whole[start:end].copy()
        if names[labels[0]].startswith("I-"):
            labels[0] -= 1
        assert forward["labels"].tolist() == labels.tolist()
        assert backward["id"] == f"c:{start}-{end}(-)"
        assert backward["sequence"] == reverse_complement(LETTERS[start:end])
        assert backward["labels"].tolist() == reverse_labels(labels, names).tolist()


def test_paths_pickles_and_intervals(genome, tmp_path):
    write_gff3(tmp_path / "x.gff", FEATURES)
    regions = [Interval("c", 5, 15, "-", "x")]
    source = AnnotatedWindows(
        genome.path, tmp_path / "x.gff", window=4, kinds=("gene",), regions=regions
    )
    again = pickle.loads(pickle.dumps(source))
    assert len(again) == 3
    for i in range(3):
        assert again[i]["id"] == source[i]["id"]
        assert np.array_equal(again[i]["labels"], source[i]["labels"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"window": 0}, ConfigError, "window must be at least 1 base"),
        ({"stride": 9}, ConfigError, "stride from 1 to window, got window=8 and stride=9"),
        (
            {"kinds": ("gene", "mRNA")},
            DataError,
            "the annotation holds no 'mRNA' .*holds CDS, gene",
        ),
        ({"regions": []}, DataError, "there is no region"),
        ({"regions": [Region("c", 3, 3)]}, DataError, "the region c:3-3 is empty"),
        ({"regions": [Region("c", 3, 21)]}, DataError, "does not lie within the contig"),
        ({"regions": [Region("x", 3, 9)]}, DataError, "no contig 'x'"),
    ],
)
def test_faults_are_named(genome, options, error, message):
    given_ = {"window": 8, "kinds": ("CDS", "gene")} | options
    with pytest.raises(error, match=message):
        AnnotatedWindows(genome, FEATURES, **given_)


def test_an_annotation_of_another_genome_is_refused(genome, tmp_path):
    write_gff3(tmp_path / "x.gff", [Feature("chr1", 0, 9, "gene"), Feature("chr2", 0, 9, "gene")])
    with pytest.raises(DataError, match=r"x\.gff: the annotation speaks of chr1, chr2, and none"):
        AnnotatedWindows(genome, tmp_path / "x.gff", window=8, kinds=("gene",))


def test_a_token_data_set_of_e_coli(shared_data, tmp_path):
    from hyena_glt.data.datasets import GenomicDataset
    from hyena_glt.tokenizers import DNATokenizer

    folder = shared_data / "genomes/ecoli_k12_mg1655"
    path = tmp_path / "genome.fa"
    with gzip.open(folder / "GCF_000005845.2_ASM584v2_genomic.fna.gz") as packed:
        path.write_bytes(packed.read())
    source = AnnotatedWindows(
        path,
        folder / "GCF_000005845.2_ASM584v2_genomic.gff.gz",
        window=1000,
        kinds=("CDS", "gene"),
        strand="separate",
        both_strands=True,
        regions=[Region("NC_000913.3", 0, 20_500)],
    )
    assert len(source) == 2 * 21
    dataset = GenomicDataset(
        source, DNATokenizer(kmer_size=1), max_length=None, task="token_classification"
    )
    assert dataset.label_names == ["other", "CDS+", "CDS-", "gene+", "gene-"]
    item = dataset[0]
    # thrL is at 190 to 255 and thrA begins at 337, both on the + strand.
    coding = (item["labels"] == 1).nonzero().flatten().tolist()
    assert coding == [*range(189, 255), *range(336, 1000)]
    assert (dataset[1]["labels"] == 2).sum() == len(coding)
