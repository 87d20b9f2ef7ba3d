import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.labelled_genome import (
    LabelledTiles,
    LabelledWindows,
    label_genome,
)
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.gff import iter_gff
from hyena_glt.io.records import SequenceRecord

FEATURES = [
    Feature("chr1", 2, 6, "CDS", "+"),
    Feature("chr1", 5, 9, "CDS", "-"),
    Feature("chr1", 0, 12, "gene", "+"),
    Feature("chr1", 10, 12, "tRNA", "-"),
    Feature("elsewhere", 0, 4, "CDS", "+"),
]
IDS = {letter: 8 + at for at, letter in enumerate("ACGT")}


def genome(*sequences):
    return Genome([SequenceRecord(f"chr{at}", one) for at, one in enumerate(sequences, 1)])


def classes(label_strand, kinds=("CDS", "tRNA")):
    labelled = label_genome(genome("ACGTNACGTACG"), FEATURES, kinds, label_strand)
    return labelled.names, labelled.classes(Region("chr1", 0, 12)).tolist()


def test_strands_are_separate_one_or_forward():
    names, found = classes("separate")
    assert names == ["other", "CDS+", "CDS-", "tRNA+", "tRNA-"]
    assert found == [0, 0, 1, 1, -100, -100, 2, 2, 2, 0, 4, 4]
    names, found = classes("both")
    assert names == ["other", "CDS", "tRNA"]
    assert found == [0, 0, 1, 1, -100, 1, 1, 1, 1, 0, 2, 2]
    names, found = classes("forward")
    assert found == [0, 0, 1, 1, -100, 1, 0, 0, 0, 0, 0, 0]


def test_the_kind_named_first_wins():
    assert classes("both", ("gene", "CDS"))[1] == [1] * 4 + [-100] + [1] * 7
    assert classes("both", ("CDS", "gene"))[1] == [2, 2, 1, 1, -100, 1, 1, 1, 1, 2, 2, 2]


def test_what_does_not_fit_together_is_named():
    dna = genome("ACGTNACGTACG")
    with pytest.raises(DataError, match=r"kind 'exon'; there are: CDS \(3\), gene \(1\)"):
        label_genome(dna, FEATURES, ["exon"])
    with pytest.raises(ConfigError, match="kinds"):
        label_genome(dna, FEATURES, [])
    with pytest.raises(DataError, match="features are on elsewhere, the contigs are chr1"):
        label_genome(dna, FEATURES[-1:], ["CDS"])
    with pytest.raises(DataError, match="chr1:3-7 has no strand"):
        label_genome(dna, [Feature("chr1", 3, 7, "CDS")], ["CDS"])
    with pytest.raises(DataError, match="beyond the end"):
        label_genome(dna, [Feature("chr1", 3, 70, "CDS", "+")], ["CDS"])


def simulated(seed=0, length=4000):
    rng = np.random.default_rng(seed)
    letters = "".join(rng.choice(list("ACGT"), length))
    features = [
        Feature("chr1", start, start + 120, "CDS", strand)
        for start, strand in zip(range(100, length - 200, 400), "+-" * length, strict=False)
    ]
    return label_genome(genome(letters), features, ["CDS"])


def test_a_window_follows_from_seed_epoch_and_number_alone():
    labelled = simulated()
    regions = [Region("chr1", 0, 1500), Region("chr1", 2500, 4000)]
    windows = LabelledWindows(labelled, regions, 100, seed=1)
    again = LabelledWindows(labelled, regions, 100, seed=1)
    assert len(windows) == 30
    shown = [windows[at]["input_ids"].tolist() for at in range(30)]
    assert [again[at]["input_ids"].tolist() for at in reversed(range(30))] == shown[::-1]
    again.set_epoch(1)
    assert [again[at]["input_ids"].tolist() for at in range(30)] != shown
    with pytest.raises(IndexError):
        windows[30]


def test_windows_lie_within_their_regions_and_carry_their_labels():
    labelled = simulated()
    whole = labelled.genome.sequence(Region("chr1", 0, 4000))
    truth = labelled.classes(Region("chr1", 0, 4000)).tolist()
    windows = LabelledWindows(labelled, [Region("chr1", 1000, 1600)], 200)
    letters = {value: letter for letter, value in IDS.items()}
    for at in range(len(windows)):
        item = windows[at]
        start = whole.index("".join(letters[number] for number in item["input_ids"].tolist()))
        assert 1000 <= start <= 1400
        assert item["labels"].tolist() == truth[start : start + 200]


def test_rare_classes_are_sought_out():
    rng = np.random.default_rng(3)
    letters = "".join(rng.choice(list("ACGT"), 50_000))
    features = [
        Feature("chr1", 30_000, 30_080, "tRNA", "+"),
        Feature("chr1", 0, 20_000, "CDS", "-"),
    ]
    labelled = label_genome(genome(letters), features, ["CDS", "tRNA"])
    windows = LabelledWindows(labelled, labelled.genome.contigs(), 250)
    rare = sum(bool((windows[at]["labels"] == 3).any()) for at in range(len(windows)))
    assert 0.15 < rare / len(windows) < 0.35


def test_nothing_but_n_is_told():
    labelled = label_genome(genome("N" * 500), [Feature("chr1", 0, 9, "CDS", "+")], ["CDS"])
    with pytest.raises(DataError, match="more than half N"):
        LabelledWindows(labelled, labelled.genome.contigs(), 100)[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.lists(st.integers(1, 150), min_size=1, max_size=4))
def test_tiles_label_every_base_once(window, lengths):
    labelled = simulated(length=2000)
    regions, at = [], 0
    for length in lengths:
        regions.append(Region("chr1", at, at + length))
        at += length + 7
    tiles = LabelledTiles(labelled, regions, window)
    items = [tiles[number] for number in range(len(tiles))]
    assert all(len(item["input_ids"]) <= window for item in items)
    found = np.concatenate([item["labels"].numpy() for item in items])
    expected = np.concatenate([labelled.classes(region) for region in regions])
    assert found[found >= 0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("folder", "fasta", "annotation"),
    [
        ("ecoli_k12_mg1655", "GCF_000005845.2_ASM584v2_genomic.fna.gz",
         "GCF_000005845.2_ASM584v2_genomic.gff.gz"),
        ("yeast_R64-1-1", "Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz",
         "Saccharomyces_cerevisiae.R64-1-1.96.gtf.gz"),
    ],
)  # fmt: skip
def test_real_annotations_are_painted_as_their_lines_say(shared_data, folder, fasta, annotation):
    place = shared_data / "genomes" / folder
    whole = Genome.read([place / fasta])
    covered = {
        (contig.contig, strand): np.zeros(contig.bases, dtype=bool)
        for contig in whole.contigs()
        for strand in "+-"
    }
    with gzip.open(place / annotation, "rt") as handle:
        for line in handle:
            columns = line.split("\t")
            if len(columns) == 9 and columns[2] == "CDS":
                first, last = int(columns[3]), int(columns[4])
                covered[columns[0], columns[6]][first - 1 : last] = True
    labelled = label_genome(whole, iter_gff(place / annotation), ["CDS"])
    for contig in whole.contigs():
        plus, minus = covered[contig.contig, "+"], covered[contig.contig, "-"]
        expected = np.select([plus & minus, plus, minus], [-100, 1, 2])
        assert np.array_equal(labelled.classes(contig), expected)
