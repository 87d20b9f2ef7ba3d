import numpy as np
import pytest

from hyena_glt.biology.motifs import Motif
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.simulation import simulate_classification
from hyena_glt.errors import DataError
from hyena_glt.interpretability.motif_clustering import cluster_seqlets, likeness
from hyena_glt.interpretability.motif_discovery import discover_motifs
from hyena_glt.interpretability.motif_quality import evaluate_motif_quality, recover_motifs

GATA = Motif.from_consensus("GATA", "TTAGATAAGC", purity=0.93)
CRE = Motif.from_consensus("CRE", "CTGACGTAAG", purity=0.93)
YY1 = Motif.from_consensus("YY1", "CAAGATGGCGG", purity=0.93)
MOTIFS = (GATA, CRE, YY1)


def knowing_effects(sequences, *, noise=0.4, seed=0, sign=1.0):
    """Effects as a model has them that scores every site by its motif's log-odds, and is unsure."""
    random = np.random.default_rng(seed)
    found = []
    for one in sequences:
        worth = random.normal(0, noise, (len(one.sequence), 4))
        for feature in one.features:
            motif = next(motif for motif in MOTIFS if motif.name == feature.name)
            own = motif.log_odds().clip(min=-3)
            worth[feature.start : feature.stop] += own if feature.strand == "+" else own[::-1, ::-1]
        codes = np.array(["ACGT".index(base) for base in one.sequence])
        found.append(sign * (worth - worth[np.arange(len(codes)), codes][:, None]))
    return found


@pytest.fixture(scope="module")
def planted():
    return [
        one
        for number, motif in enumerate(MOTIFS)
        for one in simulate_classification(
            100, length=90, motifs=[motif], strands="both", seed=number
        )
    ]


@pytest.mark.parametrize(("sign", "evidence"), [(1.0, "for"), (-1.0, "against")])
def test_planted_motifs_come_out_whole_with_their_sites(planted, sign, evidence):
    letters = [one.sequence for one in planted]
    found = discover_motifs(letters, knowing_effects(planted, sign=sign))
    assert [one.evidence for one in found] == [evidence] * 3
    assert [one.motif.name for one in found] == ["motif_1", "motif_2", "motif_3"]
    quality = evaluate_motif_quality(found, MOTIFS)
    assert quality["recall"] == quality["precision"] == quality["f1"] == 1.0
    assert quality["recovered"] == quality["known"] == quality["discovered"] == 3.0
    truth = {
        (number, feature.name): feature
        for number, one in enumerate(planted)
        for feature in one.features
    }
    for known in recover_motifs(found, MOTIFS):
        one = next(one for one in found if one.motif is known.found)
        overlapping = 0
        for site in one.sites:
            feature = truth.get((site.sequence, known.known.name))
            overlapping += feature is not None and (
                min(site.end, feature.stop) - max(site.start, feature.start) >= 6
            )
        assert overlapping >= 0.95 * len(one.sites)
        assert overlapping >= 0.9 * 50
        assert all((site.score > 0) == (sign > 0) for site in one.sites)
        for site in one.sites[:5]:
            own = letters[site.sequence][site.start : site.end]
            own = reverse_complement(own) if site.strand == "-" else own
            assert len(own) == len(one.motif)
        # Every whole site is counted; a site that hangs over the end is counted in part.
        assert (one.counts.sum(axis=1) >= len(one.sites)).all()


def test_counts_are_those_of_the_letters_at_the_sites(planted):
    letters = [one.sequence for one in planted]
    for one in discover_motifs(letters, knowing_effects(planted)):
        counts = np.zeros_like(one.counts)
        for site in one.sites:
            own = letters[site.sequence][site.start : site.end]
            own = reverse_complement(own) if site.strand == "-" else own
            counts[np.arange(len(own)), ["ACGT".index(base) for base in own]] += 1
        hanging = one.counts - counts
        assert (hanging >= 0).all() and hanging.sum() <= 0.1 * counts.sum()  # noqa: PT018


def test_shuffled_effects_give_no_motif(planted):
    random = np.random.default_rng(5)
    effects = [random.permutation(one) for one in knowing_effects(planted)]
    assert discover_motifs([one.sequence for one in planted], effects) == []


def test_without_the_other_strand_a_motif_is_found_once_for_each(planted):
    chosen = [one for one in planted if not one.features or one.features[0].name == "GATA"]
    letters = [one.sequence for one in chosen]
    found = discover_motifs(letters, knowing_effects(chosen), both_strands=False, least_sites=12)
    assert {site.strand for one in found for site in one.sites} == {"+"}
    assert len(found) == 2


def test_unknown_letters_are_left_out_and_rna_reads_like_dna(planted):
    some = [one for one in planted if one.features and one.features[0].name == "YY1"]
    effects = knowing_effects(some)
    letters = [one.sequence for one in some]
    dna = discover_motifs(letters, effects, both_strands=False, least_sites=10)
    rna = discover_motifs(
        [one.lower().replace("t", "u") for one in letters],
        effects, both_strands=False, least_sites=10,
    )  # fmt: skip
    np.testing.assert_array_equal(dna[0].counts, rna[0].counts)
    hidden = ["N" * len(one) for one in letters]
    assert discover_motifs(hidden, effects) == []


def test_a_palindrome_is_one_site_whichever_strand_its_seqlets_lie_on():
    random = np.random.default_rng(1)
    palindrome = "ATGAATGCGCATTCAT"
    sequences, effects, places = [], [], []
    for _ in range(60):
        letters = random.choice(list("ACGT"), 120)
        start = int(random.integers(20, 80))
        letters[start : start + 16] = list(palindrome)
        worth = random.normal(0, 0.05, (120, 4))
        worth[start : start + 16] -= 1 + 0.1 * random.normal(size=(16, 1))
        effects.append(np.where(letters[:, None] == np.array(list("ACGT")), 0.0, worth))
        sequences.append("".join(letters))
        places.append((start, start + 16))
    (found,) = discover_motifs(sequences, effects)
    assert found.motif.consensus() == palindrome
    assert sorted((one.sequence, one.start, one.end) for one in found.sites) == [
        (number, *place) for number, place in enumerate(places)
    ]
    assert found.counts.sum(axis=1).tolist() == [60] * 16


def test_effects_must_fit_the_sequences():
    with pytest.raises(DataError, match=r"shape \(length, 4\)"):
        discover_motifs(["ACGT"], [np.zeros((3, 4))])
    assert discover_motifs([], []) == []


def test_likeness_finds_shift_and_strand():
    random = np.random.default_rng(0)
    first = np.zeros((1, 20, 4))
    first[0, 4:12] = random.normal(size=(8, 4))
    first /= np.sqrt((first**2).sum())
    moved = np.zeros_like(first)
    moved[0, 7:15] = first[0, 4:12]
    same = likeness(first, moved, both_strands=True)
    assert same.cosine[0, 0] == pytest.approx(1.0)
    assert (same.shift[0, 0], same.minus[0, 0]) == (-3, False)
    turned = likeness(first, moved[:, ::-1, ::-1], both_strands=True)
    assert turned.cosine[0, 0] == pytest.approx(1.0)
    assert turned.minus[0, 0]
    assert likeness(first, moved[:, ::-1, ::-1], both_strands=False).cosine[0, 0] < 0.9


def test_no_seqlet_lies_on_two_templates():
    random = np.random.default_rng(0)
    kinds = random.normal(size=(3, 24, 4))
    matrices = kinds[np.arange(90) % 3] + random.normal(0, 0.3, (90, 24, 4))
    groups = cluster_seqlets(matrices)
    assert [len(group) for group in groups] == [30, 30, 30]
    members = [one.seqlet for group in groups for one in group]
    assert len(set(members)) == 90
    assert all(len({one.seqlet % 3 for one in group}) == 1 for group in groups)
    assert cluster_seqlets(np.zeros((5, 24, 4))) == []
