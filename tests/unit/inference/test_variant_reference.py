import pytest

from hyena_glt.biology.intervals import Variant
from hyena_glt.inference.variant_reference import REASONS, Place, VariantReference
from hyena_glt.inference.variant_survey import survey_vcf


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(
        ">chr1\nACGTACGTAC\n>2\nGGGGG\n>chrM\nTTTT\n>chr17:1,001-1,010 a slice\nAACCGGTTAC\n"
        ">chr17:2001-2010\nTTTTTTTTTT\n>HLA:1-9\nACG\n"
    )
    return path


def test_names_must_agree_unless_told_otherwise(fasta):
    strict, auto = VariantReference(fasta), VariantReference(fasta, "auto")
    for contig, position, expected in (
        ("chr1", 3, Place("chr1", 0)),
        ("1", 3, Place("chr1", 0)),
        ("chr2", 3, Place("2", 0)),
        ("MT", 3, Place("chrM", 0)),
        ("17", 1003, Place("chr17:1,001-1,010", 1000)),
        ("chr17", 2009, Place("chr17:2001-2010", 2000)),
        ("chr17", 5000, Place("chr17:1,001-1,010", 1000)),  # beyond both
        ("HLA", 1, None),  # not as long as its name says
        ("3", 3, None),
    ):
        assert auto.place(contig, position) == expected
        assert strict.renamed(contig, position) == (None if contig == "chr1" else expected) or (
            contig == "chr1"
        )
        assert strict.place(contig, position) == (expected if contig == "chr1" else None)


def test_slices_are_read_where_the_chromosome_says(fasta):
    auto = VariantReference(fasta, "auto")
    inside = Variant("17", 1002, "CC", ("C",))
    assert auto.reasons(inside) == [""]
    assert auto.context(inside, 2) == ("AACCGG", 2)
    assert auto.context(inside, 100) == ("AACCGGTTAC", 2)
    for position, reference in ((999, "A"), (1009, "CA"), (1010, "A")):
        assert (
            auto.reasons(Variant("17", position, reference, ("G", "T")))
            == ["beyond_contig_end"] * 2
        )
    assert auto.reasons(Variant("17", 2003, "T", ("C",))) == [""]
    assert auto.reasons(Variant("17", 1002, "T", ("C",))) == ["ref_mismatch"]


def test_a_survey_counts_everything_and_offers_the_names(fasta, tmp_path):
    path = tmp_path / "x.vcf"
    rows = ["1 4 T C", "1 2 C <DEL>,A", "9 1 A C", "17 1003 C G", "1 9 A .", "chr1 1 G C"]
    path.write_text(
        "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        + "".join("{}\t{}\t.\t{}\t{}\t.\t.\t.\n".format(*row.split()) for row in rows)
    )
    survey = survey_vcf(path, VariantReference(fasta))
    assert survey.records == 6
    assert survey.alternatives == 7
    assert survey.reasons == {"contig_not_in_fasta": 6, "ref_mismatch": 1}
    assert survey.examples["contig_not_in_fasta"] == "1:4 T>C"
    assert survey.absent == {"1": 3, "9": 1, "17": 1}
    assert survey.renamed == {"1": "chr1", "17": "chr17:1,001-1,010"}
    # 1:2 lies before 1:4, and contig 1 came before.
    assert (survey.unsorted, survey.first_unsorted) == (2, "1:2 C><DEL>")
    survey = survey_vcf(path, VariantReference(fasta, "auto"))
    assert survey.reasons == {
        "symbolic_allele": 1, "contig_not_in_fasta": 1, "no_alternative": 1, "ref_mismatch": 1,
    }  # fmt: skip
    assert set(survey.reasons) <= set(REASONS)
    assert survey.renamed == {}


def test_every_ref_of_real_variants_agrees(shared_data, tmp_path):
    """ClinVar on GRCh38, against 200,000 bases around BRCA1 whose contig is a slice of chr17."""
    import gzip

    fasta = tmp_path / "brca1.fa"
    fasta.write_bytes(
        gzip.decompress((shared_data / "genomes/human/brca1_hg38.fa.gz").read_bytes())
    )
    vcf = shared_data / "variants/clinvar_20260226_grch38_subset/clinvar.vcf.gz"
    survey = survey_vcf(vcf, VariantReference(fasta, "auto"))
    assert survey.records == 69_302
    assert "ref_mismatch" not in survey.reasons
    inside = survey.records - survey.reasons["contig_not_in_fasta"]
    assert inside - survey.reasons["beyond_contig_end"] == 14_998
    assert survey.unsorted == 0
