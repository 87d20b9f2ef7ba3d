import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Variant
from hyena_glt.errors import DataError
from hyena_glt.io.vcf import (
    add_info,
    declare_info,
    iter_vcf,
    iter_vcf_rows,
    vcf_header,
    write_vcf,
)

HEADER = ["##fileformat=VCFv4.3", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
ROWS = [
    ["1", "10", "rs1", "A", "G", "50", "PASS", "DP=3"],
    ["1", "12", ".", "AC", "A,ACT,<DEL>,*", ".", ".", "."],
    ["chr2", "1", ".", "n", "N[17:198982[", ".", ".", "AF=0.5;DB"],
    ["chr2", "7", ".", "R", "]13:123456]T,.A,TGCA.", ".", ".", "AF=0.5"],
    ["chr2", "9", ".", "T", ".", ".", ".", "AF=0.5"],
]


def vcf(tmp_path, *rows, header=HEADER):
    path = tmp_path / "x.vcf"
    path.write_text("\n".join([*header, *("\t".join(row) for row in rows)]) + "\n")
    return path


def test_alleles_of_every_sort(tmp_path):
    assert list(iter_vcf(vcf(tmp_path, *ROWS))) == [
        Variant("1", 9, "A", ("G",), "rs1"),
        Variant("1", 11, "AC", ("A", "ACT", "<DEL>", "*")),
        Variant("chr2", 0, "n", ("N[17:198982[",)),
        Variant("chr2", 6, "R", ("]13:123456]T", ".A", "TGCA.")),
        Variant("chr2", 8, "T", ()),
    ]
    assert list(iter_vcf(vcf(tmp_path))) == []


def test_line_ends_and_blank_lines_change_nothing(tmp_path):
    expected = list(iter_vcf(vcf(tmp_path, *ROWS)))
    text = (tmp_path / "x.vcf").read_text()
    path = tmp_path / "y.vcf"
    path.write_bytes(text.replace("\n", "\r\n\r\n").encode())
    assert list(iter_vcf(path)) == expected
    path.write_text(text.replace(HEADER[1], HEADER[1].replace("\t", "  ")))
    assert list(iter_vcf(path)) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROWS[0][:7], "8 columns expected, as in the header, got 7"),
        ([*ROWS[0], "GT"], "8 columns expected, as in the header, got 9"),
        (["1", "-1", ".", "A", "G", ".", ".", "."], "POS must be a whole number of at least 0"),
        (["1", "x", ".", "A", "G", ".", ".", "."], "POS must be a whole number"),
        (["", "1", ".", "A", "G", ".", ".", "."], "a contig's name"),
        (["1", "1", ".", "-", "G", ".", ".", "."], "REF must be bases, got '-'"),
        (["1", "1", ".", "A", "G,", ".", ".", "."], "each ALT must be bases"),
        (["1", "1", ".", "AC", "-", ".", ".", "."], "got '-'"),
        (["1", "1", ".", "A", "G,.", ".", ".", "."], "got '.'"),
        (["1", "1", ".", "A", "<DEL", ".", ".", "."], "got '<DEL'"),
    ],
)
def test_faults_name_the_line_and_the_rule(tmp_path, row, message):
    with pytest.raises(DataError, match=r"x\.vcf:4: .*" + message):
        list(iter_vcf(vcf(tmp_path, ROWS[0], row)))


def test_the_telomere_lies_before_the_first_base(tmp_path):
    row = ["1", "0", ".", "N", "<DEL>", ".", ".", "."]
    assert list(iter_vcf(vcf(tmp_path, row))) == [Variant("1", -1, "N", ("<DEL>",))]


@pytest.mark.parametrize("info", ["DP=3;", "DP=3;;LLR=9", ";DP=3", "LLR;DP=3"])
def test_info_that_is_added_leaves_no_empty_field(info):
    row = ["1", "9", ".", "A", "G", ".", ".", info]
    assert add_info(row, "LLR", ["1"])[7] == "DP=3;LLR=1"


def test_a_header_is_needed(tmp_path):
    with pytest.raises(DataError, match=r"x\.vcf:2: a VCF file has the line #CHROM POS"):
        list(iter_vcf(vcf(tmp_path, ROWS[0], header=HEADER[:1])))
    with pytest.raises(DataError, match="there is no line #CHROM"):
        list(iter_vcf(vcf(tmp_path, header=HEADER[:1])))
    with pytest.raises(DataError, match=r"x\.vcf:1: the header must begin with #CHROM POS ID REF"):
        list(iter_vcf(vcf(tmp_path, header=["#CHROM\tPOS"])))
    with pytest.raises(DataError, match="there is no line #CHROM"):
        vcf_header(vcf(tmp_path, ROWS[0], header=HEADER[:1]))


def test_scores_are_added_and_the_rest_stays(tmp_path):
    source = vcf(tmp_path, *ROWS)
    header = declare_info(vcf_header(source), "LLR", "A", "Float", 'score of "this"')
    header = declare_info(header, "LLR", "A", "Float", "score")
    assert header[1:-1] == ['##INFO=<ID=LLR,Number=A,Type=Float,Description="score">']
    rows = (
        add_info(columns, "LLR", [f"{len(allele)}" for allele in variant.alternatives] or ["."])
        for variant, columns in iter_vcf_rows(source)
    )
    target = tmp_path / "y.vcf.gz"
    assert write_vcf(target, header, rows) == 5
    assert list(iter_vcf(target)) == list(iter_vcf(source))
    told = [columns[7] for _, columns in iter_vcf_rows(target)]
    assert told[:3] == ["DP=3;LLR=1", "LLR=1,3,5,1", "AF=0.5;DB;LLR=12"]
    assert (
        add_info(["c", "1", ".", "A", "G", ".", ".", "X=1;Y=2"], "X", ["a;b"])[7] == "Y=2;X=a%3Bb"
    )

    import pysam

    with pysam.VariantFile(str(target)) as oracle:
        assert [record.info["LLR"] for record in oracle][:2] == [(1.0,), (1.0, 3.0, 5.0, 1.0)]
    pysam.tabix_index(str(target), preset="vcf")


def test_what_is_no_vcf_is_not_written(tmp_path):
    target = tmp_path / "y.vcf"
    for header, rows, message in (
        (HEADER[1:], ROWS, "begins with ##fileformat=VCF"),
        (HEADER[:1], ROWS, "the header must begin with #CHROM"),
        (HEADER, [ROWS[0], ROWS[0][:6]], r"y\.vcf:4: 8 columns expected"),
        (HEADER, [[*ROWS[0][:7], "a\nb"]], "8 columns expected"),
        (HEADER, [[*ROWS[0][:3], "?", *ROWS[0][4:]]], "REF must be bases"),
    ):
        with pytest.raises(DataError, match=message):
            write_vcf(target, header, rows)
    with pytest.raises(DataError, match="an INFO key is made of letters"):
        declare_info(HEADER, "a b", "1", "Float", "")
    assert not list(tmp_path.iterdir())


GOOD = "\n".join([*HEADER, *("\t".join(row) for row in ROWS)]).encode() + b"\n"


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(GOOD)),
    st.booleans(),
    st.integers(0, 40),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_variants_or_one_line(tmp_path, flips, cut, zipped, lost):
    data = bytearray(GOOD)
    for at, value in flips:
        data[at] = value
    content = bytes(data[:cut])
    if zipped:
        content = gzip.compress(content)
        content = content[: len(content) - lost]
    path = tmp_path / ("x.vcf.gz" if zipped else "x.vcf")
    path.write_bytes(content)
    try:
        variants = list(iter_vcf(path))
    except DataError as error:
        message = str(error)
    else:
        assert not (zipped and lost)
        assert all(one.contig and one.position >= 0 and one.reference for one in variants)
        return
    assert str(path) in message
    assert "\n" not in message


def test_real_files_agree_with_a_plain_split(shared_data):
    for name, count in (
        ("genomes/human/hs37_chr20_1000000-2000000.1kgp3.vcf.gz", 28_998),
        ("variants/clinvar_20260226_grch38_subset/clinvar.vcf.gz", 69_302),
    ):
        path = shared_data / name
        with gzip.open(path, "rt") as handle:
            rows = [line.split("\t", 5)[:5] for line in handle if not line.startswith("#")]
        variants = list(iter_vcf(path))
        assert len(variants) == count
        assert rows == [
            [
                one.contig,
                str(one.position + 1),
                one.id or ".",
                one.reference,
                ",".join(one.alternatives) or ".",
            ]
            for one in variants
        ]


def test_what_is_written_can_be_indexed_by_tabix(shared_data, tmp_path):
    import pysam

    source = shared_data / "variants/clinvar_20260226_grch38_subset/clinvar.vcf.gz"
    target = tmp_path / "clinvar.vcf.gz"
    rows = [columns for _, columns in iter_vcf_rows(source)]
    assert write_vcf(target, vcf_header(source), rows) == 69_302
    pysam.tabix_index(str(target), preset="vcf")
    with pysam.TabixFile(str(target)) as tabix:
        there = [line.split("\t") for line in tabix.fetch("17", 43_044_294, 43_125_364)]
    # A deletion that begins before the stretch reaches into it.
    assert there == [
        row
        for row in rows
        if row[0] == "17" and int(row[1]) <= 43_125_364 and int(row[1]) + len(row[3]) > 43_044_295
    ]
    assert len(there) > 10_000
    with pysam.VariantFile(str(target)) as oracle:
        theirs = [(one.chrom, one.start, one.alleles) for one in oracle]
    assert theirs == [
        (one.contig, one.position, (one.reference, *one.alternatives)) for one in iter_vcf(target)
    ]


def test_odd_files_are_read_or_refused_with_the_line(shared_data):
    with pytest.raises(DataError, match=r"C\.elegans\.vcf\.gz:1: a VCF file has the line #CHROM"):
        list(iter_vcf(shared_data / "genomes/model_organisms_1pct/C.elegans.vcf.gz"))
    folder = shared_data / "variants/brca_exchange_vcf_samples"
    for name in ("ENIGMA_BRCA12_Functional_Assays", "GnomAD", "LOVD"):
        assert len(list(iter_vcf(folder / f"{name}.vcf"))) == 2
    with pytest.raises(DataError, match=r"ClinVar\.vcf:\d+: each ALT must be bases.* got '-'"):
        list(iter_vcf(folder / "ClinVar.vcf"))
