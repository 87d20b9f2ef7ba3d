"""Genes in three molecules, from annotations of both strands, with and without introns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.codons import GENETIC_CODE, translate
from hyena_glt.biology.intervals import Feature
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.multimodal import GeneSequences, JointExamples, gene_sequences
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.io.formats import read_sequences
from hyena_glt.io.gff import iter_gff
from hyena_glt.tokenizers import GenomicTokenizer

TOKENIZER = GenomicTokenizer()
SENSE = sorted(codon for codon, letter in GENETIC_CODE.items() if letter != "*")


def reader(genome):
    return lambda contig, start, end: genome[contig][start:end]


def cds(start, end, strand="+", phase=0, **attributes):
    return Feature("c", start, end, "CDS", strand, phase=phase, attributes=attributes)


@given(
    codons=st.lists(st.sampled_from(SENSE), min_size=1, max_size=12),
    introns=st.lists(st.tuples(st.integers(1, 34), st.text("ACGT", min_size=1, max_size=9)),
                     max_size=3, unique_by=lambda pair: pair[0]),
    flanks=st.tuples(st.text("ACGT", max_size=5), st.text("ACGT", max_size=5)),
    backward=st.booleans(),
)  # fmt: skip
def test_a_gene_is_put_together_as_it_was_taken_apart(codons, introns, flanks, backward):
    coding = "ATG" + "".join(codons) + "TAA"
    dna, exons, done = "", [], 0
    for place, intron in sorted(introns):
        if place < len(coding):
            exons.append((len(dna), len(dna) + place - done))
            dna += coding[done:place] + intron
            done = place
    exons.append((len(dna), len(dna) + len(coding) - done))
    dna += coding[done:]
    genome = flanks[0].lower() + dna + flanks[1]
    exons = [(start + len(flanks[0]), end + len(flanks[0])) for start, end in exons]
    if backward:
        genome = reverse_complement(genome)
        exons = [(len(genome) - end, len(genome) - start) for start, end in exons]
    features = [cds(start, end, "-" if backward else "+", ID="g") for start, end in exons]
    (gene,) = gene_sequences(reader({"c": genome}), features)
    assert gene == GeneSequences(
        "g", dna, coding.replace("T", "U"), "M" + translate("".join(codons))
    )


def test_only_coding_sequences_are_taken():
    genome = {"c": "GTGAAATAACCCATGTTTTAG"}
    features = [
        Feature("c", 0, 9, "gene", "+"),
        cds(0, 9),
        cds(0, 9, pseudo="true", ID="dead"),
        cds(12, 21, transcript_id="t2"),
    ]
    genes = list(gene_sequences(reader(genome), features))
    # GTG starts translation, and is then read as methionine.
    assert [(gene.id, gene.protein) for gene in genes] == [("CDS_2", "MK"), ("t2", "MF")]


def test_a_part_that_begins_within_a_codon_loses_it():
    genome = {"c": "AGTGAAAT"}
    (gene,) = gene_sequences(reader(genome), [cds(0, 8, phase=1, ID="x")])
    assert gene == GeneSequences("x", "GTGAAAT", "GUGAAA", "VK")


def test_a_part_may_belong_to_several_transcripts():
    genome = {"c": "ATGAAACCCTTTTAA"}
    features = [cds(0, 6, Parent="t1,t2"), cds(9, 15, Parent="t1"), cds(6, 15, Parent="t2")]
    # A third transcript that differs outside its coding part.
    features += [cds(0, 6, Parent="t3"), cds(9, 15, Parent="t3")]
    genes = {gene.id: gene.protein for gene in gene_sequences(reader(genome), features)}
    assert genes == {"t1": "MKF", "t2": "MKPF"}


def test_bacteria_start_at_more_codons():
    genome = {"c": "ATTAAATAA" * 2}
    tables = [cds(0, 9, ID="a"), cds(9, 18, ID="b", transl_table="11")]
    assert [gene.protein for gene in gene_sequences(reader(genome), tables)] == ["IK", "MK"]


def test_the_proteins_of_e_coli_are_those_of_its_annotators(shared_data):
    folder = shared_data / "genomes" / "ecoli_k12_mg1655"
    name = "GCF_000005845.2_ASM584v2"
    genome = {r.id: r.sequence for r in read_sequences(folder / f"{name}_genomic.fna.gz")}
    features = list(iter_gff(folder / f"{name}_genomic.gff.gz"))
    published = {r.id: r.sequence for r in read_sequences(folder / f"{name}_protein.faa.gz")}
    genes = list(gene_sequences(reader(genome), features))
    assert len(genes) == len(published) == 4298
    different = {
        gene.id
        for gene in genes
        # The annotators read selenocysteine where the code has a stop.
        if gene.protein.replace("*", "U") != published[gene.id.removeprefix("cds-")]
    }
    assert different == set()


def test_bad_annotations_are_refused_by_name():
    genome = {"c": "ATGAAATAA", "d": "ATGAAATAA"}
    apart = [cds(0, 3, ID="g"), Feature("d", 0, 3, "CDS", "-", attributes={"ID": "g"})]
    with pytest.raises(DataError, match=r"^g: .*different contigs or strands: c \(\+\), d \(-\)$"):
        list(gene_sequences(reader(genome), apart))
    with pytest.raises(DataError, match=r"^g: the coding sequence has no whole codon$"):
        list(gene_sequences(reader(genome), [cds(0, 2, ID="g")]))


GENES = [
    GeneSequences("a", "ATGAAATAA", "AUGAAAUAA", "MK"),
    GeneSequences("b", "ATGTTTCCCTAA", "AUGUUUCCCUAA", "MFP"),
]


def test_joint_examples_hold_the_molecules_asked_for():
    examples = JointExamples(GENES, TOKENIZER)
    assert [TOKENIZER.decode(item["input_ids"]) for item in examples] == [
        "ATGAAATAA[SEP]AUGAAAUAA[SEP]MK", "ATGTTTCCCTAA[SEP]AUGUUUCCCUAA[SEP]MFP",
    ]  # fmt: skip
    assert examples.lengths.tolist() == [len(item["input_ids"]) for item in examples] == [22, 29]
    assert examples.ids == ["a", "b"]
    two = JointExamples(GENES, TOKENIZER, ("protein", "dna"))[0]
    assert two["modality_ids"].tolist() == [0] * 10 + [2] * 2
    assert two["input_ids"].dtype == torch.int64


def test_long_genes_are_cut_behind_a_codon():
    with pytest.warns(UserWarning, match="1 of 2 genes are longer than max_length=23 .* codon 3"):
        examples = JointExamples(GENES, TOKENIZER, max_length=23)
    assert TOKENIZER.decode(examples[0]["input_ids"]) == "ATGAAATAA[SEP]AUGAAAUAA[SEP]MK"
    assert TOKENIZER.decode(examples[1]["input_ids"]) == "ATGTTTCCC[SEP]AUGUUUCCC[SEP]MFP"
    assert examples.lengths.max() <= 23


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="some of dna, rna, protein, got 'mrna'"):
        JointExamples(GENES, TOKENIZER, ("mrna",))
    with pytest.raises(ConfigError, match=r"max_length=8 tokens leaves no codon of .* at least 9"):
        JointExamples(GENES, TOKENIZER, max_length=8)
    with pytest.raises(DataError, match="there is no gene"):
        JointExamples([], TOKENIZER)
