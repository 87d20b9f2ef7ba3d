import gzip
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature
from hyena_glt.errors import DataError
from hyena_glt.io.gff import iter_gff, write_gff3

GFF3 = (
    "##gff-version 3\n"
    "chr%201\tRef Seq\tgene\t1\t9\t.\t-\t.\tID=g1;Note=a%2Cb%3B c; Alias=x,y ;\n"
    "\n"
    "chr2\t.\tCDS\t3\t8\t0.5\t?\t2\t.\n"
    "##FASTA\n>chr2\nACGT\n"
)
GTF = (
    "#!genome-build 1\n"
    'I\tsgd\tCDS\t5\t7\t.\t+\t0\tgene_id "Y; 1"; exon_number 2; tag "a"; tag "b=c";\n'
)


def gff(tmp_path, text, name="x.gff"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_gff3(tmp_path):
    first, second = iter_gff(gff(tmp_path, GFF3.replace("chr%201", "chr%7C1")))
    assert first == Feature(
        "chr|1",
        0,
        9,
        "gene",
        "-",
        "Ref Seq",
        attributes={"ID": "g1", "Note": "a,b; c", "Alias": "x,y "},
    )
    assert second == Feature("chr2", 2, 8, "CDS", ".", score=0.5, phase=2)


def test_gtf(tmp_path):
    (cds,) = iter_gff(gff(tmp_path, GTF))
    assert cds == Feature(
        "I",
        4,
        7,
        "CDS",
        "+",
        "sgd",
        phase=0,
        attributes={"gene_id": "Y; 1", "exon_number": "2", "tag": "a,b=c"},
    )


@pytest.mark.parametrize("text", [GFF3.replace("chr%201", "chr1"), GTF])
def test_line_ends_and_blank_lines_change_nothing(tmp_path, text):
    expected = list(iter_gff(gff(tmp_path, text)))
    path = tmp_path / "y.gff"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + text.replace("\n", "\r\n\r\n").encode())
    assert list(iter_gff(path)) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c\ts\tgene\t1\t9\t.\t+\t.", "9 columns expected, separated by tabs, got 8"),
        ("c s gene 1 9 . + . ID=x", "9 columns expected, separated by tabs, got 1"),
        ("c\ts\tgene\t0\t9\t.\t+\t.\tID=x", "the start must be a whole number of at least 1"),
        ("c\ts\tgene\t9\t8\t.\t+\t.\tID=x", "the start 9 lies behind the end 8"),
        ("c\ts\t\t1\t9\t.\t+\t.\tID=x", r"the kind of feature \(column 3\) is missing"),
        ("c\ts\tgene\t1\t9\thigh\t+\t.\tID=x", "the score must be a finite number"),
        ("c\ts\tgene\t1\t9\t.\tplus\t.\tID=x", "the strand must be"),
        ("c\ts\tgene\t1\t9\t.\t+\t3\tID=x", "the phase must be 0, 1, 2 or ., got '3'"),
        ("c%20d\ts\tgene\t1\t9\t.\t+\t0\tID=x", "a contig's name without white space"),
        ("c\ts\tgene\t1\t9\t.\t+\t0\tID=x;y z;", "attributes key=value; expected, got 'y z'"),
        ('c\ts\tgene\t1\t9\t.\t+\t0\tid "x', 'attributes key "value"; expected'),
        ('c\ts\tgene\t1\t9\t.\t+\t0\tid "x"; y', "expected, got 'y'"),
    ],
)
def test_faults_name_the_line_and_the_rule(tmp_path, line, message):
    with pytest.raises(DataError, match=r"x\.gff:2: .*" + message):
        list(iter_gff(gff(tmp_path, f"#\n{line}\n")))


def test_one_file_has_one_kind_of_attributes(tmp_path):
    with pytest.raises(DataError, match=r"x\.gff:2: attributes key=value; expected"):
        list(iter_gff(gff(tmp_path, "c\ts\tg\t1\t9\t.\t+\t.\tID=x\n" + GTF.split("\n")[1])))
    with pytest.raises(DataError, match="the file holds no feature"):
        list(iter_gff(gff(tmp_path, "##gff-version 3\n##FASTA\n>c\nACGT\n")))


TEXT = st.text(st.characters(max_codepoint=0x3FF), max_size=8)
KEYS = TEXT.filter(lambda key: key.strip() == key != "")
CONTIGS = st.text(
    st.characters(max_codepoint=0x3FF, exclude_categories=("C", "Z")), min_size=1, max_size=8
)
FEATURES = st.builds(
    lambda start, length, **rest: Feature(start=start, end=start + length, **rest),
    contig=CONTIGS,
    start=st.integers(0, 10**12),
    length=st.integers(1, 10**9),
    kind=st.sampled_from(["gene", "CDS", "weird kind\t%"]),
    strand=st.sampled_from("+-."),
    source=st.sampled_from(["", "RefSeq", "a b\n;"]),
    score=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    phase=st.sampled_from([None, 0, 1, 2]),
    attributes=st.dictionaries(KEYS | st.sampled_from(["Parent", "Note"]), TEXT, max_size=4),
)


@given(st.lists(FEATURES, min_size=1, max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(tmp_path, features):
    path = tmp_path / "x.gff3"
    assert write_gff3(path, features) == len(features)
    assert path.read_text(encoding="utf-8").startswith("##gff-version 3\n")
    assert list(iter_gff(path)) == features


def test_escapes_and_several_values(tmp_path):
    path = tmp_path / "x.gff3.gz"
    write_gff3(
        path, [Feature("c", 0, 9, "mRNA", attributes={"Parent": "a,b", "product": "x, y=1"})]
    )
    line = gzip.decompress(path.read_bytes()).decode().splitlines()[1]
    assert line == "c\t.\tmRNA\t1\t9\t.\t.\t.\tParent=a,b;product=x%2C y%3D1"


@pytest.mark.parametrize(
    "wrong",
    [
        Feature("a b", 0, 1, "gene"),
        Feature("c", 1, 1, "gene"),
        Feature("c", 0, 1, ""),
        Feature("c", 0, 1, "gene", "?"),
        Feature("c", 0, 1, "gene", phase=3),
        Feature("c", 0, 1, "gene", attributes={"": "x"}),
    ],
)
def test_what_gff3_cannot_carry_is_refused_and_nothing_is_left(tmp_path, wrong):
    with pytest.raises(DataError, match=r"x\.gff:3: "):
        write_gff3(tmp_path / "x.gff", [Feature("c", 0, 1, "gene"), wrong])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("good", [GFF3, GTF])
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_features_or_one_line(tmp_path, good, flips, cut):
    data = bytearray(good.encode())
    for at, value in flips:
        data[int(at * len(data))] = value
    path = tmp_path / "x.gff"
    path.write_bytes(bytes(data[: int(cut * len(data))]))
    try:
        features = list(iter_gff(path))
    except DataError as error:
        message = str(error)
    else:
        assert features
        assert all(one.contig and one.kind and 0 <= one.start < one.end for one in features)
        return
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gff.gz", 9490),
        ("human/GRCh38_chr21_24985581-26000306.gff3.gz", 658),
        ("human/ensembl_GRCh38_chr21_all.gff.gz", 30773),
        ("model_organisms_1pct/A.thaliana.gff.gz", 26474),
        ("model_organisms_1pct/C.elegans.gff.gz", 21770),
        ("yeast_R64-1-1/Saccharomyces_cerevisiae.R64-1-1.96.gtf.gz", 41606),
    ],
)
def test_real_annotations(shared_data, name, count):
    path = shared_data / "genomes" / name
    features = list(iter_gff(path))
    assert len(features) == count
    with gzip.open(path, "rt") as handle:
        rows = [line.split("\t") for line in handle if not line.startswith("#")]
    # The oracle: a plain split of the columns that need no rule.
    assert [(one.contig, one.kind, one.start + 1, one.end) for one in features] == [
        (row[0], row[2], int(row[3]), int(row[4])) for row in rows
    ]


def test_attributes_of_real_annotations(shared_data):
    folder = shared_data / "genomes"
    bacterium = iter_gff(folder / "ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gff.gz")
    region, gene = next(bacterium), next(bacterium)
    assert region.attributes["Is_circular"] == "true"
    assert gene.attributes["gene_synonym"] == "ECK0001"
    assert gene.attributes["Dbxref"] == "ASAP:ABE-0000006,ECOCYC:EG11277,GeneID:944742"
    yeast = list(iter_gff(folder / "yeast_R64-1-1/Saccharomyces_cerevisiae.R64-1-1.96.gtf.gz"))
    assert yeast[0].attributes == {
        "gene_id": "YDL248W",
        "gene_source": "sgd",
        "gene_biotype": "protein_coding",
    }
    coding = Counter(one.attributes["protein_id"] for one in yeast if one.kind == "CDS")
    assert len(coding) == 6600
    phage = list(iter_gff(folder / "phix174/NC_001422.1_pseudocircular.gff"))
    assert len(phage) == 11
    assert max(one.end for one in phage) == 5522
