import pytest

from hyena_glt.biology.intervals import Feature
from hyena_glt.errors import DataError
from hyena_glt.io.genbank import iter_genbank

RECORD = """\
LOCUS       {name}               {length} bp    DNA     circular BCT 01-JAN-2000
DEFINITION  A plasmid, {name}.
ACCESSION   {name}
VERSION     {name}.2
FEATURES             Location/Qualifiers
     source          1..60
                     /organism="Escherichia coli"
     CDS             join(3..9,21..<31)
                     /gene="abc"
                     /codon_start=2
                     /db_xref="GI:1"
                     /db_xref="UniProt:Q"
     CDS             complement(join(11..14,51..60))
                     /product="two exons of
                     a protein"
     misc_feature    order(5,58..60)
ORIGIN
        1 acgtacgtac gtacgtacgt acgtacgtac gtacgtacgt acgtacgtac gtacgtacgn
//
"""


def text(name="AB000001", length=60):
    return RECORD.format(name=name, length=length)


def put(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def test_places_are_0_based_and_every_part_is_a_feature(tmp_path):
    (record,) = iter_genbank(put(tmp_path / "x.gb", text()))
    assert (record.id, record.description) == ("AB000001.2", "A plasmid, AB000001")
    assert record.sequence == "ACGT" * 14 + "ACGN"
    first = {"gene": "abc", "codon_start": "2", "db_xref": "GI:1,UniProt:Q"}
    second = {"product": "two exons of a protein"}
    id_ = record.id
    assert list(record.features) == [
        Feature(id_, 0, 60, "source", "+", attributes={"organism": "Escherichia coli"}),
        # seven bases, the first of them before the codons: the second part begins a codon
        Feature(id_, 2, 9, "CDS", "+", phase=1, attributes=first),
        Feature(id_, 20, 31, "CDS", "+", phase=0, attributes=first),
        # on the reverse strand transcription begins at the last part: 10 bases, then 2 to a codon
        Feature(id_, 50, 60, "CDS", "-", phase=0, attributes=second),
        Feature(id_, 10, 14, "CDS", "-", phase=2, attributes=second),
        Feature(id_, 4, 5, "misc_feature", "+"),
        Feature(id_, 57, 60, "misc_feature", "+"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda good: good[: good.index("//")], "Premature end"),
        (lambda good: good[: good.index("ORIGIN") - 30], "Premature end"),
        (lambda good: good.replace("//\n", "", 1), "no GenBank record"),
        (lambda good: good.replace("1 acgt", "1 acg"), "Expected sequence length 60, found 59"),
        (lambda good: good.replace("1 acgt", "1 ac7t"), "holds '7'"),
        (lambda good: good.replace("3..9", "3..x"), "setting feature location to None"),
        (lambda good: good.replace("21..<31", "21..<61"), "is none of its 60 letters"),
        (lambda good: good.replace("codon_start=2", "codon_start=7"), "codon_start is '7'"),
        (lambda good: good.replace("LOCUS", "LOCVS", 1), "2 records end with '//', but only 1"),
        (lambda good: good.replace("LOCUS", "LOCVS"), "2 records end with '//', but only 0"),
        (lambda good: ">a\nACGT\n", "no line begins with LOCUS"),
        (
            lambda good: good[: good.index("ORIGIN")] + "CONTIG      join(X.1:1..60)\n//\n",
            "no sequence of its own",
        ),
    ],
)
def test_what_biopython_passes_over_is_an_error(tmp_path, change, message):
    path = put(tmp_path / "x.gb", change(text() + text("AB000002")))
    with pytest.raises(DataError, match=message) as caught:
        list(iter_genbank(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_records_before_a_fault_are_given(tmp_path):
    records = iter_genbank(put(tmp_path / "x.gb", text() + text("AB000002", length=61)))
    assert next(records).id == "AB000001.2"
    with pytest.raises(DataError, match=r":\d+: .*Expected sequence length 61, found 60 .AB000002"):
        next(records)


def test_annotation_of_real_genomes(shared_data):
    genomes = shared_data / "genomes"
    (plasmid,) = iter_genbank(genomes / "yersinia_plasmid_pPCP1" / "NC_005816.gb")
    assert len(plasmid.sequence) == 9609
    genes = [one for one in plasmid.features if one.kind == "CDS"]
    assert len(genes) == 10
    assert all((one.end - one.start) % 3 == 0 and one.phase == 0 for one in genes)
    (chloroplast,) = iter_genbank(genomes / "arabidopsis_chloroplast" / "NC_000932.gb.gz")
    assert len(chloroplast.sequence) == 154_478
    # trans-spliced rps12: a part on each strand
    strands = {
        one.strand
        for one in chloroplast.features
        if one.kind == "CDS" and one.attributes.get("gene") == "rps12"
    }
    assert strands == {"+", "-"}
