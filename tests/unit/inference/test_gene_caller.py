import numpy as np

from hyena_glt.biology.genetic_codes import genetic_code
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.inference.gene_caller import GeneCaller, LongestOrfs

LABELS = ["other", "CDS+", "CDS-"]
CODE = genetic_code(11)
GAP = "TAACTAACTAACTTACTTACTTAC" + "C" * 26  # stops in all frames of both strands
BODY = "GCC" * 70


def codes_of(letters):
    return np.array(["ACGTN".index(base) for base in letters], dtype=np.uint8)


def probabilities_of(length, *stretches):
    found = np.full((length, 3), 0.01, dtype=np.float32)
    found[:, 0] = 0.98
    for start, end, column in stretches:
        found[start:end] = 0.01
        found[start:end, column] = 0.98
    return found


def called(caller, codes, probabilities, block=37):
    found = []
    for start in range(0, len(codes), block):
        found += caller.add(codes[start : start + block], probabilities[start : start + block])
    return found + list(caller.finish())


def test_genes_are_features_with_phase_score_and_id():
    gene = "ATG" + BODY + "TAA"
    codes = codes_of(GAP + gene + GAP + reverse_complement(gene) + GAP)
    second = 2 * len(GAP) + len(gene)
    chances = probabilities_of(len(codes), (50, 50 + len(gene), 1), (second, second + len(gene), 2))
    caller = GeneCaller("chr", CODE, LABELS, start=1000, length=len(codes), number=4)
    found = called(caller, codes, chances)
    assert [(f.start, f.end, f.strand, f.kind, f.phase, f.score) for f in found] == [
        (1050, 1050 + len(gene), "+", "CDS", 0, 0.98),
        (1000 + second, 1000 + second + len(gene), "-", "CDS", 0, 0.98),
    ]
    assert [f.attributes for f in found] == [
        {"ID": f"CDS_{number}", "transl_table": "11"} for number in (5, 6)
    ]


def test_a_gene_that_runs_off_the_sequence_keeps_its_cut_codon_and_its_phase():
    cut = "GC" + BODY + "TAA"  # two bases of a codon, then whole codons
    codes = codes_of(cut + GAP)
    found = called(
        GeneCaller("chr", CODE, LABELS, start=0, length=len(codes)), codes,
        probabilities_of(len(codes), (0, len(cut), 1)),
    )  # fmt: skip
    assert [(f.start, f.end, f.strand, f.phase) for f in found] == [(0, len(cut), "+", 2)]
    assert found[0].attributes["partial"] == "10"
    turned = codes_of(reverse_complement(cut + GAP))
    found = called(
        GeneCaller("chr", CODE, LABELS, start=0, length=len(turned)), turned,
        probabilities_of(len(turned), (len(turned) - len(cut), len(turned), 2)),
    )  # fmt: skip
    assert [(f.start, f.end, f.strand, f.phase) for f in found] == [
        (len(turned) - len(cut), len(turned), "-", 2)
    ]
    assert found[0].attributes["partial"] == "01"


def test_without_a_model_the_bases_alone_decide():
    drawn = np.random.default_rng(0).integers(0, 4, (400, 3))
    codons = ["".join("ACGT"[base] for base in codon) for codon in drawn.tolist()]
    body = "".join("GCC" if codon in CODE.stops + CODE.starts else codon for codon in codons)
    gene = "ATG" + body + "TAA"
    codes = codes_of(GAP + "AGGAGGCCCCCCC" + gene + GAP)
    caller = GeneCaller("chr", CODE, None, start=0, length=len(codes))
    found = called(caller, codes, probabilities_of(len(codes)))
    assert [(f.start, f.end, f.score) for f in found] == [(63, 63 + len(gene), None)]


def test_the_baseline_gives_features_on_the_strand_of_the_file():
    gene = "ATG" + "GCC" * 120 + "TAA"
    codes = codes_of(GAP + gene + GAP)
    baseline = LongestOrfs("chr", CODE, start=7)
    found = [*baseline.add(codes[:100]), *baseline.add(codes[100:]), *baseline.finish()]
    assert [(f.contig, f.start, f.end, f.strand, f.phase) for f in found] == [
        ("chr", 57, 57 + len(gene), "+", 0)
    ]
