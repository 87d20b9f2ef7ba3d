import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.biology.codons import STOP_CODONS, translate
from hyena_glt.biology.motifs import Motif
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.simulation import (
    Feature,
    MarkovBackground,
    SequenceSimulator,
    simulate_genome,
    write_bed,
    write_gff3,
)
from hyena_glt.data.simulation.elements import cpg_island, mutate, random_gene, tandem_repeat
from hyena_glt.data.simulation.features import SimulatedSequence
from hyena_glt.errors import ConfigError


def letters_of(simulated, feature):
    """Read a feature on its own strand."""
    stretch = simulated.sequence[feature.start : feature.stop]
    return reverse_complement(stretch) if feature.strand == "-" else stretch


def assert_apart_and_inside(simulated):
    ends = [0]
    for feature in simulated.features:
        assert ends[-1] <= feature.start < feature.stop
        ends.append(feature.stop)
    assert ends[-1] <= len(simulated.sequence)


@given(
    st.lists(
        st.tuples(st.text("ACGT", min_size=1, max_size=12), st.sampled_from("+-.")), max_size=8
    ),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_what_is_planted_stands_where_it_is_said_to(pieces, seed):
    canvas = SequenceSimulator(300, np.random.default_rng(seed))
    for number, (bases, strand) in enumerate(pieces):
        canvas.plant(bases, kind="CDS", name=str(number), strand=strand)
    simulated = canvas.finish("chr1")
    assert len(simulated.sequence) == 300
    assert_apart_and_inside(simulated)
    assert len(simulated.features) == len(pieces)
    for feature in simulated.features:
        assert (letters_of(simulated, feature), feature.strand) == pieces[int(feature.name)]


def test_all_free_places_are_used_and_only_those():
    starts = set()
    for seed in range(200):
        canvas = SequenceSimulator(10, np.random.default_rng(seed))
        canvas.plant("AAA", kind="x", name="a", start=4)
        starts.add(canvas.plant("CC", kind="x", name="b").start)
    assert starts == {0, 1, 2, 7, 8}


def test_a_full_sequence_and_a_taken_place_are_refused():
    canvas = SequenceSimulator(10, np.random.default_rng(0))
    canvas.plant("AAAAAA", kind="x", name="a", start=2)
    with pytest.raises(ConfigError, match="no free stretch of 3 bases"):
        canvas.plant("CCC", kind="x", name="b")
    for start in (-1, 0, 7, 9):
        with pytest.raises(ConfigError, match="taken"):
            canvas.plant("CCC", kind="x", name="b", start=start)
    with pytest.raises(ConfigError, match="only A, C, G and T"):
        canvas.plant("N", kind="x", name="b")
    with pytest.raises(ConfigError, match="no free stretch of 11"):
        canvas.plant("A" * 11, kind="x", name="b")
    with pytest.raises(ConfigError, match="length"):
        SequenceSimulator(0, np.random.default_rng(0))


def test_motifs_are_drawn_from_their_matrix():
    motif = Motif.from_consensus("R", "RRRR")
    canvas = SequenceSimulator(100, np.random.default_rng(0))
    feature = canvas.plant_motif(motif, strand="-", start=50)
    assert feature == Feature("TF_binding_site", "R", 50, 54, "-")
    assert set(canvas.finish("x").sequence[50:54]) <= set("CT")


@given(st.integers(2, 80), st.integers(0, 2**32 - 1))
def test_genes_translate_to_one_protein(num_codons, seed):
    gene = random_gene(np.random.default_rng(seed), num_codons)
    protein = translate(gene)
    assert len(gene) == 3 * num_codons
    assert protein[0] == "M"
    assert protein.index("*") == num_codons - 1


def test_codon_usage_is_followed():
    usage = {"GCC": 3.0, "GCA": 1.0, "TAA": 5.0}
    gene = random_gene(np.random.default_rng(0), 2002, usage=usage)
    codons = [gene[at : at + 3] for at in range(3, 6003, 3)]
    assert set(codons) == {"GCC", "GCA"}
    assert codons.count("GCC") / 2000 == pytest.approx(0.75, abs=0.03)
    assert gene.endswith("TAA")
    assert random_gene(np.random.default_rng(0), 5, usage={"GCC": 1})[-3:] in STOP_CODONS


@pytest.mark.parametrize("usage", [{"XYZ": 1.0}, {"GCC": -1.0}, {"TAA": 1.0}])
def test_impossible_codon_usage_is_refused(usage):
    with pytest.raises(ConfigError, match="usage"):
        random_gene(np.random.default_rng(0), 5, usage=usage)


def test_mutations_are_as_frequent_as_asked_and_change_the_base():
    rng = np.random.default_rng(0)
    sequence = "ACGT" * 2500
    for rate in (0.0, 0.1, 1.0):
        changed = mutate(rng, sequence, rate)
        share = np.mean([old != new for old, new in zip(sequence, changed, strict=True)])
        assert share == pytest.approx(rate, abs=0.01)
    assert tandem_repeat(rng, "CAG", 4) == "CAGCAGCAGCAG"


def test_an_island_is_rich_in_cpg():
    island = cpg_island(np.random.default_rng(0), 20_000)
    c, g = island.count("C") / 20_000, island.count("G") / 20_000
    assert c + g > 0.6
    assert 0.6 < island.count("CG") / 20_000 / (c * g) < 1.3


def test_elements_refuse_what_makes_no_sense():
    rng = np.random.default_rng(0)
    for call, message in (
        (lambda: random_gene(rng, 1), "num_codons"),
        (lambda: mutate(rng, "A", 2), "rate"),
        (lambda: tandem_repeat(rng, "", 3), "unit"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()


def test_a_genome_holds_what_its_truth_says():
    genome = simulate_genome(60_000, num_genes=12, seed=3)
    assert_apart_and_inside(genome)
    kinds = [feature.kind for feature in genome.features]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "CDS": 12,
        "CpG_island": 5,
        "dispersed_repeat": 10,
        "tandem_repeat": 5,
    }
    genes = [feature for feature in genome.features if feature.kind == "CDS"]
    assert {feature.strand for feature in genes} == {"+", "-"}
    for gene in genes:
        protein = translate(letters_of(genome, gene))
        assert protein.startswith("M")
        assert protein.index("*") == len(protein) - 1
    copies = [letters_of(genome, f) for f in genome.features if f.kind == "dispersed_repeat"]
    for copy in copies[1:]:  # 10 % off their source each, so about 19 % off each other
        same = np.mean([a == b for a, b in zip(copies[0], copy, strict=True)])
        assert 0.7 < same < 0.92
    for repeat in (f for f in genome.features if f.kind == "tandem_repeat"):
        unit = repeat.name.split("_")[0]
        stretch = letters_of(genome, repeat)
        perfect = unit * (len(stretch) // len(unit))
        assert np.mean([a == b for a, b in zip(perfect, stretch, strict=True)]) > 0.75


def test_the_seed_decides():
    chain = MarkovBackground.from_gc(0.6)
    first, again, other = (
        simulate_genome(30_000, num_genes=2, num_islands=1, background=chain, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.sequence != other.sequence


def test_too_much_for_too_few_bases_is_refused():
    with pytest.raises(ConfigError, match="no free stretch"):
        simulate_genome(5000)


TRUTH = [
    SimulatedSequence("chr1", "A" * 50, (Feature("CDS", "g 1;a=b", 3, 12, "-"),)),
    SimulatedSequence("chr2", "A" * 30, (Feature("CpG_island", "i1", 0, 30),)),
]


def test_bed(tmp_path):
    write_bed(tmp_path / "x.bed", TRUTH)
    assert (tmp_path / "x.bed").read_text() == (
        "chr1\t3\t12\tCDS:g_1%3Ba%3Db\t0\t-\nchr2\t0\t30\tCpG_island:i1\t0\t.\n"
    )


def test_gff3(tmp_path):
    write_gff3(tmp_path / "x.gff3", TRUTH)
    assert (tmp_path / "x.gff3").read_text().splitlines() == [
        "##gff-version 3",
        "##sequence-region chr1 1 50",
        "chr1\thyena_glt\tCDS\t4\t12\t.\t-\t0\tID=chr1.1;Name=g 1%3Ba%3Db",
        "##sequence-region chr2 1 30",
        "chr2\thyena_glt\tCpG_island\t1\t30\t.\t.\t.\tID=chr2.1;Name=i1",
    ]
