import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.simulation.elements import random_gene
from hyena_glt.errors import DataError
from hyena_glt.evaluation.periodicity import codon_periodicity


def slow_signal(sequence):
    """The definition, by a Fourier transform of every window."""
    window = min(351, len(sequence) // 3 * 3)
    ratios = []
    for start in range(0, len(sequence) - window + 1, window):
        part = sequence[start : start + window]
        power = sum(np.abs(np.fft.fft([letter == base for letter in part])) ** 2 for base in "ACGT")
        mean = power[1:].mean()
        ratios.append(power[window // 3] / mean if mean > 1e-9 else 0)
    return np.mean(ratios)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(6, 1200))
def test_it_is_the_share_of_the_spectrum_at_one_third(seed, length):
    sequence = "".join(np.random.default_rng(seed).choice(list("ACGTN"), length))
    assert codon_periodicity(sequence).signal == pytest.approx(slow_signal(sequence), abs=1e-9)


def test_a_gene_has_it_and_its_shuffled_copies_do_not():
    usage = {"GCG": 5.0, "GCC": 3.0, "CTG": 6.0, "GAA": 4.0, "AAA": 3.0, "GGC": 3.0, "ATT": 3.0}
    gene = random_gene(np.random.default_rng(0), 1000, usage=usage)
    found = codon_periodicity(gene)
    assert found.signal > found.shuffled_mean + 10 * found.shuffled_sd
    assert found.shuffled_mean == pytest.approx(1, abs=0.15)
    assert 0 < found.shuffled_sd < 0.5
    turned = codon_periodicity(reverse_complement(gene[: len(gene) // 351 * 351]))
    assert turned.signal == pytest.approx(found.signal)
    assert codon_periodicity(gene.lower().replace("t", "u")) == found


def test_random_sequence_has_none():
    sequence = "".join(np.random.default_rng(1).choice(list("ACGT"), 30_000))
    found = codon_periodicity(sequence)
    assert abs(found.signal - found.shuffled_mean) < 5 * found.shuffled_sd


def test_one_letter_has_no_spectrum():
    assert codon_periodicity("A" * 400) == (0.0, 0.0, 0.0)


def test_too_short_a_sequence_is_refused():
    with pytest.raises(DataError, match="at least 6 bases, got 5"):
        codon_periodicity("ACGTA")


def test_e_coli_genes_shine_through(shared_data):
    from hyena_glt.data.genome import Genome, Region

    folder = shared_data / "genomes/ecoli_k12_mg1655"
    genome = Genome.read([folder / "GCF_000005845.2_ASM584v2_genomic.fna.gz"])
    (contig,) = genome.contigs()
    found = codon_periodicity(genome.sequence(Region(contig.contig, 1_000_000, 1_060_000)))
    assert found.signal > 3
    assert found.shuffled_mean == pytest.approx(1, abs=0.1)


def test_several_sequences_are_windows_of_one_sample():
    random = np.random.default_rng(1)
    parts = ["".join(random.choice(list("ACGT"), length)) for length in (360, 351, 720)]
    found = codon_periodicity(parts)
    alone = [codon_periodicity(part).signal for part in parts]
    assert found.signal == pytest.approx((alone[0] + alone[1] + 2 * alone[2]) / 4)
    with pytest.raises(DataError, match="got 0"):
        codon_periodicity([])
