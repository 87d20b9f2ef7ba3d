import numpy as np
import pytest
import torch

from hyena_glt.biology.motifs import Motif
from hyena_glt.data.simulation import simulate_classification
from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention import AttentionPatterns
from hyena_glt.interpretability.attention_motifs import motifs_from_attention
from hyena_glt.interpretability.motif_quality import evaluate_motif_quality

GATA = Motif.from_consensus("GATA", "TTAGATAAGC", purity=0.95)
CRE = Motif.from_consensus("CRE", "CTGACGTAAG", purity=0.95)


def patterns(looks_at_motif, seed=0):
    """Patterns of a model with single-base patches that hears the bases of the motif most."""
    random = torch.Generator().manual_seed(seed)
    made = []
    for one in simulate_classification(120, length=80, motifs=[GATA], strands="both", seed=3):
        heard = torch.rand(80, generator=random)
        for feature in one.features if looks_at_motif else ():
            heard[feature.start : feature.stop] += 4
        matrix = (heard / heard.sum()).expand(80, 80)
        places = torch.arange(80)
        ones = torch.ones(80, 1)
        bases = torch.ones(80, dtype=torch.long)
        made.append(AttentionPatterns(places, ones, ones, {0: matrix}, bases, one.sequence))
    return made


def test_a_motif_that_is_attended_to_is_found():
    (found,) = motifs_from_attention(patterns(looks_at_motif=True))
    assert len(found.sites) >= 55
    assert all(site.score > 0 for site in found.sites)
    quality = evaluate_motif_quality(patterns(looks_at_motif=True), [GATA, CRE])
    assert (quality["recovered"], quality["precision"], quality["recall"]) == (1.0, 1.0, 0.5)


def test_attention_at_random_has_no_motif():
    assert motifs_from_attention(patterns(looks_at_motif=False)) == []
    assert evaluate_motif_quality(patterns(looks_at_motif=False), [GATA])["f1"] == 0.0


def test_without_letters_there_is_no_motif():
    one = patterns(looks_at_motif=True)[0]._replace(sequence="")
    with pytest.raises(DataError, match="attention pattern 0 does not know its letters"):
        motifs_from_attention([one])


def test_rna_reads_like_dna():
    made = patterns(looks_at_motif=True)
    rna = [one._replace(sequence=one.sequence.replace("T", "U")) for one in made]
    first, second = (motifs_from_attention(one)[0].counts for one in (rna, made))
    np.testing.assert_array_equal(first, second)
