import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.sequences import gc_content, reverse_complement
from hyena_glt.data.genome import Genome, Region, reverse_complement_codes, split_regions
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.records import SequenceRecord

LETTERS = "ACGTNRYSWKMBDHVacgtnryswkmbdhv"


@given(st.text(LETTERS, min_size=1, max_size=80), st.data())
def test_any_region_gives_back_its_letters(letters, data):
    start = data.draw(st.integers(0, len(letters)))
    end = data.draw(st.integers(start, len(letters)))
    genome = Genome([SequenceRecord("chr", letters)])
    region = Region("chr", start, end)
    part = letters[start:end]
    expected = "".join(letter if letter in "ACGT" else "N" for letter in part.upper())
    assert genome.sequence(region) == expected
    assert "".join("ACGTN"[code] for code in genome.codes(region)) == expected
    assert genome.soft_masked(region).tolist() == [letter in "acgt" for letter in part]


@given(st.text("ACGTN", min_size=1, max_size=80))
def test_the_other_strand_is_that_of_the_letters(letters):
    genome = Genome([SequenceRecord("chr", letters)])
    turned = Genome([SequenceRecord("chr", reverse_complement(letters))])
    (whole,) = genome.contigs()
    assert reverse_complement_codes(genome.codes(whole)).tolist() == turned.codes(whole).tolist()


def test_gc_content_is_that_of_all_letters():
    genome = Genome([SequenceRecord("a", "GGcNNNN"), SequenceRecord("b", "ATATATAtc")])
    assert genome.gc_content == gc_content("GGcNNNNATATATAtc") == 4 / 12


def test_several_files_are_one_genome(tmp_path):
    plain, packed = tmp_path / "a.fa", tmp_path / "b.fna.gz"
    plain.write_text(">one first chromosome\nACGT\nacgt\n>two\nNNAC\n")
    packed.write_bytes(gzip.compress(b">three\nTTTT\n"))
    genome = Genome.read([plain, packed])
    assert genome.contigs() == [Region("one", 0, 8), Region("two", 0, 4), Region("three", 0, 4)]
    assert genome.bases == 16
    assert genome.sequence(Region("one", 2, 6)) == "GTAC"


def test_faults_name_the_file_they_are_in(tmp_path):
    good, twin, rna = tmp_path / "a.fa", tmp_path / "b.fa", tmp_path / "c.fa"
    good.write_text(">one\nACGT\n")
    twin.write_text(">one\nTTTT\n")
    rna.write_text(">two\nACGU\n")
    with pytest.raises(DataError, match=r"b\.fa: two contigs have the name 'one'"):
        Genome.read([good, twin])
    with pytest.raises(AlphabetError, match=r"c\.fa: two: 1 foreign letter, the first is 'U'"):
        Genome.read([good, rna])
    cut = tmp_path / "d.fa.gz"
    cut.write_bytes(gzip.compress(b">x\n" + b"ACGTTGCA" * 5000)[:-20])
    with pytest.raises(DataError, match=r"d\.fa\.gz: the gzip data stop early"):
        Genome.read([cut])


def test_one_contig_loses_its_end():
    kept, held = split_regions([Region("chr", 0, 1000)], 0.1, seed=3)
    assert kept == [Region("chr", 0, 900)]
    assert held == [Region("chr", 900, 1000)]


def test_a_plasmid_is_no_tenth_of_the_genome():
    regions = [Region("plasmid", 0, 20), Region("chr", 0, 1000)]
    kept, held = split_regions(regions, 0.1, seed=0)
    assert kept == [Region("plasmid", 0, 20), Region("chr", 0, 898)]
    assert held == [Region("chr", 898, 1000)]


def test_many_contigs_are_held_out_whole_and_the_seed_says_which():
    regions = [Region(f"contig{i}", 0, 90 + i) for i in range(40)]
    chosen = set()
    for seed in range(5):
        kept, held = split_regions(regions, 0.1, seed)
        assert sorted(kept + held) == sorted(regions)
        share = sum(region.bases for region in held) / sum(region.bases for region in regions)
        assert 0.09 <= share <= 0.11
        chosen.add(tuple(held))
    assert len(chosen) > 1


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=12),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_every_base_is_on_one_side_and_the_share_is_met(lengths, holdout, seed):
    regions = [Region(f"c{i}", 5, 5 + length) for i, length in enumerate(lengths)]
    kept, held = split_regions(regions, holdout, seed)
    covered = np.zeros(sum(lengths) + 5 * len(lengths) + 300, dtype=int)
    starts = np.cumsum([0, *[length + 5 for length in lengths]])
    for region in kept + held:
        assert region.bases > 0
        offset = starts[int(region.contig[1:])]
        covered[offset + region.start : offset + region.end] += 1
    assert covered.sum() == sum(lengths)
    assert covered.max() == 1
    total = sum(lengths)
    wanted = holdout * total
    assert abs(sum(region.bases for region in held) - wanted) <= max(0.1 * wanted + 1, 2)


@pytest.mark.parametrize("holdout", [0, 1, -0.1, 1.5])
def test_a_share_out_of_range_is_refused(holdout):
    with pytest.raises(ConfigError, match=r"holdout must be in \(0, 1\)"):
        Genome([SequenceRecord("chr", "ACGT" * 10)]).split_regions(holdout)


def test_no_contig_is_no_genome():
    with pytest.raises(DataError, match="at least one contig"):
        Genome([])


@given(st.from_regex(r"[A-Za-z0-9_.:|]{1,12}", fullmatch=True), st.integers(1, 10**9), st.data())
def test_regions_are_one_based_and_hold_their_last_base(contig, first, data):
    last = data.draw(st.integers(first, 2 * 10**9))
    found = Region.parse(f"{contig}:{first:,}-{last}")
    assert found == (contig, first - 1, last)


@pytest.mark.parametrize(
    "region", ["chr1", "chr1:5", "chr1:0-9", "chr1:9-5", ":1-9", "chr1:1-9x", "chr1:,-5"]
)
def test_what_is_no_region_is_refused(region):
    with pytest.raises(ConfigError, match="--region '"):
        Region.parse(region)
