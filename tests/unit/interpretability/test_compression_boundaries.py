import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature, Interval
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability.compression_boundaries import (
    analyze_boundaries,
    boundary_enrichment,
    codon_phases,
    patch_boundaries,
)
from hyena_glt.model import HyenaGLT
from hyena_glt.tokenizers import DNATokenizer


def model_of(**options):
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(
        DNATokenizer(kmer_size=1), hidden_size=32, num_layers=1, num_attention_heads=4,
        max_position_embeddings=60, **options,
    )  # fmt: skip
    return HyenaGLT(config).eval()


THREES = model_of(boundary_scorer="fixed", max_patch_size=3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 20), st.integers(1, 20), st.sampled_from("+-"), st.integers(0, 2),
       st.sets(st.integers(0, 44)))  # fmt: skip
def test_phases_are_those_of_the_base_read_next(start, length, strand, phase, places):
    boundaries = np.zeros(45, dtype=bool)
    boundaries[list(places)] = True
    gene = Feature("chr", start, start + length, "CDS", strand, phase=phase)
    expected = [0, 0, 0]
    for place in places:
        # Bases between the 5' end of the gene and the boundary; less the cut codon, its phase.
        passed = place - start if strand == "+" else start + length - place
        if 0 <= passed < length:
            expected[(passed - phase) % 3] += 1
    assert list(codon_phases(boundaries, [gene])) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=40))
def test_what_is_expected_is_the_mean_over_all_shifts(pairs):
    boundaries, places = (np.array(column) for column in zip(*pairs, strict=True))
    found = boundary_enrichment(boundaries, places, "x", 4000)
    counts = [np.count_nonzero(np.roll(boundaries, shift) & places) for shift in range(len(pairs))]
    assert found.observed == counts[0]
    assert found.expected == pytest.approx(np.mean(counts), abs=0.5)
    assert min(counts) <= found.expected <= max(counts)


def test_p_values_are_small_for_places_met_and_not_for_others():
    random = np.random.default_rng(0)
    places = random.random(4000) < 0.05
    met = places | (random.random(4000) < 0.05)
    assert boundary_enrichment(met, places, "met", 500).p_value < 0.01
    shunned = ~places & (random.random(4000) < 0.3)
    found = boundary_enrichment(shunned, places, "shunned", 500)
    assert (found.observed, found.fold) == (0, 0.0)
    assert found.p_value < 0.01
    by_chance = [
        boundary_enrichment(random.random(4000) < 0.1, places, "none", 500, random).p_value
        for _ in range(60)
    ]
    assert 0.3 < np.mean(by_chance) < 0.75
    assert math.isnan(boundary_enrichment(np.zeros(9, bool), np.ones(9, bool), "no", 9).fold)


def test_patches_of_three_begin_between_codons():
    sequence = "ACGTGCATGC" * 18  # three windows of 60 bases
    boundaries, ratio = patch_boundaries(THREES, sequence)
    assert ratio == 3.0
    assert np.flatnonzero(boundaries).tolist() == [i for i in range(0, 180, 3) if i % 60]
    genes = [Feature("chr", 9, 99, "CDS", "+", phase=0), Feature("chr", 120, 150, "CDS", "-"),
             Feature("chr", 9, 99, "gene", "+")]  # fmt: skip
    found = analyze_boundaries(
        THREES, sequence, genes, elements={"motif": [Interval("chr", 10, 12)]}, tolerance=0
    )
    assert found.phases == (29 + 10, 0, 0)  # no patch of its own begins at 60 and 120
    by_name = {one.name: one for one in found.enrichments}
    assert list(by_name) == ["between codons", "CDS start", "CDS end", "gene edge", "motif"]
    assert by_name["between codons"].observed == sum(found.phases)
    assert 2.5 < by_name["between codons"].fold < 3.5
    assert (by_name["CDS start"].places, by_name["CDS start"].observed) == (2, 2)
    assert by_name["motif"].observed == 0


def test_lower_case_letters_are_repeats():
    found = analyze_boundaries(THREES, "ACGT" * 10 + "acgt" * 3)
    assert [(one.name, one.places) for one in found.enrichments] == [("repeats (lower case)", 12)]


def test_faults_are_told():
    with pytest.raises(DataError, match="the gene at 5-90 does not lie within"):
        analyze_boundaries(THREES, "ACGT" * 10, [Feature("chr", 5, 90, "gene")])
    with pytest.raises(DataError, match="empty"):
        patch_boundaries(THREES, "")
    with pytest.raises(ConfigError, match="permutations"):
        analyze_boundaries(THREES, "ACGT", permutations=0)
    tokenizer = DNATokenizer(kmer_size=3)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer, hidden_size=32, num_layers=1, num_attention_heads=4
    )
    with pytest.raises(ConfigError, match="single nucleotides"):
        patch_boundaries(HyenaGLT(config), "ACGT")
