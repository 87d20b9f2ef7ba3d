import gzip
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.annotation import LabelPainter, base_labels, reverse_labels
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.fasta import read_fasta
from hyena_glt.io.genbank import iter_genbank
from hyena_glt.io.gff import iter_gff

KINDS = ("CDS", "exon", "gene")
GENE = [
    Feature("c", 2, 18, "gene", "+"),
    Feature("c", 2, 8, "exon", "+"),
    Feature("c", 12, 18, "exon", "+"),
    Feature("c", 4, 8, "CDS", "+"),
    Feature("other", 0, 20, "gene", "+"),
    Feature("c", 0, 20, "region", "+"),
]


def written(labels, names):
    return " ".join("." if name == "other" else name for name in (names[i] for i in labels))


def test_earlier_kinds_win_and_introns_remain_gene():
    labels, names = base_labels(GENE, "c", 20, KINDS)
    assert names == ["other", "CDS", "exon", "gene"]
    assert labels.dtype == np.int64
    assert "".join(map(str, labels)) == "00" + "22" + "1111" + "3333" + "222222" + "00"
    assert base_labels(GENE, "c", 20, ("gene", "CDS"))[0].max() == 1


def test_bio_begins_each_stretch_and_each_feature():
    features = [
        Feature("c", 0, 4, "CDS", "+"),
        Feature("c", 4, 6, "CDS", "+"),  # touches the one before
        Feature("c", 8, 12, "CDS", "-"),
        Feature("c", 10, 14, "CDS", "-"),  # overlaps it
        Feature("c", 3, 16, "gene", "+"),
    ]
    labels, names = base_labels(features, "c", 17, ("CDS", "gene"), scheme="bio")
    assert names == ["other", "B-CDS", "I-CDS", "B-gene", "I-gene"]
    assert "".join(map(str, labels)) == "1222" + "12" + "34" + "12" + "1222" + "34" + "0"


def test_strands():
    features = [
        Feature("c", 0, 4, "gene", "+"),
        Feature("c", 2, 6, "gene", "-"),
        Feature("c", 7, 8, "gene", "."),
    ]
    lettered = {}
    for strand in ("both", "+", "-"):
        labels, names = base_labels(features, "c", 8, ("gene",), strand=strand)
        assert names == ["other", "gene"]
        lettered[strand] = "".join(map(str, labels))
    assert lettered == {"both": "11111101", "+": "11110001", "-": "00111101"}
    labels, names = base_labels(features[:2], "c", 8, ("gene",), strand="separate")
    assert names == ["other", "gene+", "gene-"]
    assert "".join(map(str, labels)) == "11112200"
    with pytest.raises(DataError, match=r"the gene c:7-8 has no strand, and the strands are to be"):
        base_labels(features, "c", 8, ("gene",), strand="separate")
    labels, names = base_labels(features[:2], "c", 8, ("gene",), strand="separate", scheme="bio")
    assert names == ["other", "B-gene+", "I-gene+", "B-gene-", "I-gene-"]
    assert "".join(map(str, labels)) == "12223400"


def test_a_circular_contig_goes_on_at_its_start():
    circle = Feature("c", 0, 10, "region", attributes={"Is_circular": "true"})
    gene = Feature("c", 7, 13, "gene", "+", attributes={"ID": "g"})
    labels, _ = base_labels([gene, circle], "c", 10, ("gene",))
    assert "".join(map(str, labels)) == "1110000111"
    with pytest.raises(DataError, match=r"the gene g at c:7-13\(\+\) reaches beyond the end of c"):
        base_labels([gene], "c", 10, ("gene",))
    with pytest.raises(DataError, match="which has 5 bases"):
        base_labels([gene, circle], "c", 5, ("gene",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "BIO"}, "scheme must be plain or bio, got 'BIO'"),
        ({"strand": "."}, "strand must be both"),
        ({"kinds": "gene"}, "kinds must be a list"),
        ({"kinds": ()}, "kinds must be a list"),
        ({"kinds": ("a", "a")}, "kinds must be a list of different kinds"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        base_labels(GENE, "c", 20, **({"kinds": KINDS} | options))


FEATURES = st.lists(
    st.builds(
        lambda start, length, kind, strand: Feature("c", start, start + length, kind, strand),
        st.integers(0, 30),
        st.integers(1, 20),
        st.sampled_from(["gene", "exon", "CDS", "intron"]),
        st.sampled_from("+-"),
    ),
    max_size=12,
)
SCHEMES = st.sampled_from(["plain", "bio"])
STRANDS = st.sampled_from(["both", "+", "-", "separate"])


def slow_labels(features, length, names, scheme, strand):
    """One base at a time, straight from the rules."""
    classes = [[] for _ in range(length)]
    starts = [set() for _ in range(length)]
    names = [name.removeprefix("B-") for name in names if not name.startswith("I-")]
    for feature in features:
        name = feature.kind + (feature.strand if strand == "separate" else "")
        if name in names and (strand in {"both", "separate"} or feature.strand == strand):
            starts[feature.start].add(names.index(name))
            for at in range(feature.start, feature.end):
                classes[at].append(names.index(name))
    best = [min(found, default=0) for found in classes]
    if scheme == "plain":
        return best
    before = [None, *best]
    return [
        0 if k == 0 else 2 * k - (k != before[at] or k in starts[at]) for at, k in enumerate(best)
    ]


@given(FEATURES, SCHEMES, STRANDS)
def test_labels_are_those_of_the_plain_loop(features, scheme, strand):
    labels, names = base_labels(features, "c", 50, KINDS, scheme=scheme, strand=strand)
    assert labels.tolist() == slow_labels(features, 50, names, scheme, strand)


@given(FEATURES, SCHEMES, STRANDS, st.integers(0, 50), st.integers(0, 50))
def test_a_window_is_part_of_the_whole(features, scheme, strand, one, two):
    start, end = sorted((one, two))
    painter = LabelPainter(features, {"c": 50}, KINDS, scheme, strand)
    whole, names = base_labels(features, "c", 50, KINDS, scheme=scheme, strand=strand)
    expected = whole[start:end].copy()
    if scheme == "bio" and end > start and names[expected[0]].startswith("I-"):
        expected[0] -= 1  # the window's first stretch begins with it
    assert painter.labels("c", start, end).tolist() == expected.tolist()


@given(FEATURES, SCHEMES, STRANDS)
def test_reversing_twice_changes_nothing_and_once_mirrors(features, scheme, strand):
    labels, names = base_labels(features, "c", 50, KINDS, scheme=scheme, strand=strand)
    other = reverse_labels(labels, names)
    assert reverse_labels(other, names).tolist() == labels.tolist()
    for mine, there in zip(labels, other[::-1], strict=True):
        kind, kind_there = (names[i].removeprefix("B-").removeprefix("I-") for i in (mine, there))
        if strand == "separate" and kind != "other":
            assert kind_there == kind[:-1] + {"+": "-", "-": "+"}[kind[-1]]
        else:
            assert kind_there == kind
    if scheme == "bio":  # an I- follows its own class only, and nothing got lost
        for before, label in pairwise([0, *other]):
            if label and label % 2 == 0:
                assert before in {label, label - 1}
        assert (other % 2).sum() == (labels % 2).sum()


@given(FEATURES, st.sampled_from(["both", "+", "-", "separate"]))
def test_reading_the_other_strand_is_mirroring_the_features(features, strand):
    painter = LabelPainter(features, {"c": 50}, KINDS, "plain", strand)
    swapped = {"+": "-", "-": "+"}
    mirrored = [
        Feature("c", 50 - one.end, 50 - one.start, one.kind, swapped[one.strand])
        for one in features
    ]
    expected, _ = base_labels(mirrored, "c", 50, KINDS, strand=strand)
    if strand == "separate":  # + wins over -, and which is which depends on the strand
        hidden = base_labels(features, "c", 50, KINDS, strand="+")[0][::-1] > 0
        hidden &= base_labels(features, "c", 50, KINDS, strand="-")[0][::-1] > 0
        expected = np.where(hidden, -1, expected)
    got = painter.labels("c", 0, 50, reverse=True)
    assert [a for a, b in zip(got, expected, strict=True) if b >= 0] == [
        b for b in expected if b >= 0
    ]


def test_a_pseudocircular_annotation_is_refused_with_one_line(shared_data):
    folder = shared_data / "genomes/phix174"
    (genome,) = read_fasta(folder / "NC_001422.1.fna")
    features = list(iter_gff(folder / "NC_001422.1_pseudocircular.gff"))
    with pytest.raises(DataError, match=r"reaches beyond the end of NC_001422.1, which has 5,386"):
        base_labels(features, genome.id, len(genome.sequence), ("CDS",))


def test_e_coli(shared_data):
    folder = shared_data / "genomes/ecoli_k12_mg1655"
    with gzip.open(folder / "GCF_000005845.2_ASM584v2_genomic.gff.gz", "rt") as handle:
        rows = [line.split("\t") for line in handle if not line.startswith("#")]
    covered = np.zeros(4_641_652, dtype=bool)
    for row in rows:
        if row[2] == "CDS" and row[6] == "-":
            covered[int(row[3]) - 1 : int(row[4])] = True
    features = iter_gff(folder / "GCF_000005845.2_ASM584v2_genomic.gff.gz")
    labels, names = base_labels(
        features, "NC_000913.3", 4_641_652, ("CDS", "gene"), strand="-", scheme="bio"
    )
    assert np.array_equal((labels == 1) | (labels == 2), covered)
    starts = {int(row[3]) for row in rows if row[2] == "CDS" and row[6] == "-"}
    assert np.count_nonzero(labels == names.index("B-CDS")) == len(starts)


def test_features_of_genbank_are_labelled_alike(shared_data):
    from Bio import SeqIO

    path = shared_data / "genomes/yersinia_plasmid_pPCP1/NC_005816.gb"
    (record,) = iter_genbank(path)
    labels, _ = base_labels(
        record.features, record.id, len(record.sequence), ("CDS",), strand="separate"
    )
    expected = np.zeros(9609, dtype=np.int64)
    with path.open() as handle:
        oracle = [one for one in SeqIO.read(handle, "genbank").features if one.type == "CDS"]
    for strand, number in ((-1, 2), (1, 1)):
        for feature in oracle:
            if feature.location.strand == strand:
                expected[list(feature.location)] = number
    assert len(oracle) == 10
    assert np.array_equal(labels, expected)
