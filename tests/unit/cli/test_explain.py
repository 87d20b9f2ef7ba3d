import gzip

import pytest
import torch

from hyena_glt.cli.explain import run_explanation
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import AlphabetError, ConfigError, DataError, HyenaGLTError
from hyena_glt.model import (
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tokenizers import DNATokenizer

CONTIG = "ACGTTGCAGT" * 12
GFF = "chr1\tme\tregion\t1\t120\t.\t+\t.\tID=r\nchr1\tme\tCDS\t31\t60\t.\t+\t0\tID=c;gene=abc\n"


def saved(folder, kind, labels):
    torch.manual_seed(0)
    tokenizer = DNATokenizer(kmer_size=1)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer, hidden_size=32, num_layers=2, num_attention_heads=4, causal=False,
        num_labels=len(labels), merge_threshold=0.02, max_position_embeddings=100,
    )  # fmt: skip
    config.id2label = dict(enumerate(labels))
    kind(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    return saved(folder, HyenaGLTForSequenceClassification, ["other", "promoter"])


@pytest.fixture(scope="module")
def labeller(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labeller")
    return saved(folder, HyenaGLTForTokenClassification, ["other", "CDS+", "CDS-"])


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{CONTIG}\n>chr2\nACGTAGGA\n")
    return path


def explained(model, fasta, output, **options):
    return run_explanation(
        model, fasta, output, **{"records": [], "limit": 1000, "method": "none", **options}
    )


def test_a_folder_gets_page_table_and_picture(classifier, fasta, tmp_path):
    options = {"records": ["chr2"], "method": "mutagenesis"}
    pages = explained(classifier, fasta, tmp_path / "out", **options)
    assert pages == [tmp_path / "out" / "explain.html"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "explain.html", "explain.png", "explain.tsv",
    ]  # fmt: skip
    rows = (tmp_path / "out" / "explain.tsv").read_text().splitlines()
    assert len(rows) == 9
    assert rows[1].startswith("chr2\t1\tA\t1\t")
    assert (tmp_path / "out" / "explain.png").read_bytes()[:4] == b"\x89PNG"


def test_the_page_says_how_good_the_model_was_on_its_test_data(classifier, fasta, tmp_path):
    path = classifier / "metrics.json"
    path.write_text('{"test": {"mcc": 0.8125, "loss": 1.0}}')
    page = explained(classifier, fasta, tmp_path / "x.html", records=["chr2"])[0].read_text()
    path.write_text('{"test": "broken"}')
    bare = explained(classifier, fasta, tmp_path / "x.html", records=["chr2"])[0].read_text()
    path.unlink()
    assert "<dt>on its test data, MCC</dt><dd>0.812</dd>" in page
    assert "on its test data" not in bare


def test_several_sequences_are_several_pages(classifier, tmp_path):
    fasta = tmp_path / "two.fa"
    fasta.write_text(">a\nACGTAGGA\n>b\nTTGACA\n")
    pages = explained(classifier, fasta, tmp_path / "out")
    assert [page.name for page in pages] == ["a.html", "b.html"]
    alike = tmp_path / "alike.fa"
    alike.write_text(">a/b\nACGTAGGA\n>A_b\nTTGACA\n>a/b\nTTGCC\n")
    pages = explained(classifier, alike, tmp_path / "more")
    assert [page.name for page in pages] == ["a_b.html", "A_b_2.html", "a_b_3.html"]
    assert [len(page.with_suffix(".tsv").read_text().splitlines()) for page in pages] == [9, 7, 6]
    with pytest.raises(ConfigError, match=r"2 sequences are 2 pages: give a folder"):
        explained(classifier, fasta, tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_a_region_is_read_with_what_stands_around_it(labeller, fasta, tmp_path, packed, capsys):
    if packed:
        path = fasta.with_suffix(".fa.gz")
        path.write_bytes(gzip.compress(fasta.read_bytes()))
        fasta = path
    (tmp_path / "genes.gff").write_text(GFF)
    pages = explained(
        labeller, fasta, tmp_path / "page.html", region="chr1:21-50", flank=15,
        annotation=tmp_path / "genes.gff",
    )  # fmt: skip
    page = pages[0].read_text()
    assert "chr1:21-50 (1-based), 30 bases" in page
    assert "also read 15 bases before and 15 behind" in page
    assert '"name":"CDS abc"' in page
    assert '"start":10,"end":30' in page
    assert "region r" not in page
    assert [path.name for path in tmp_path.glob("page*")] == ["page.html"]
    assert "page.html" in capsys.readouterr().err


def test_the_flank_ends_with_the_contig_and_with_what_the_model_takes(labeller, fasta, tmp_path):
    page = explained(labeller, fasta, tmp_path / "a.html", region="chr1:3-12", flank=20)[0]
    assert "also read 2 bases before and 20 behind" in page.read_text()
    page = explained(labeller, fasta, tmp_path / "b.html", region="chr1:11-100")[0]
    assert "also read 5 bases before and 5 behind" in page.read_text()


def test_intervals_of_a_bed_file_are_kinds_by_their_names(classifier, fasta, tmp_path):
    (tmp_path / "sites.bed").write_text("chr2\t1\t4\tTATA\t0\t-\n")
    page = explained(
        classifier, fasta, tmp_path / "x.html", records=["chr2"], annotation=tmp_path / "sites.bed"
    )[0].read_text()
    assert '"strand":"-","kind":"TATA"' in page
    assert ">TATA</th>" in page  # the table of attention


def test_an_annotation_of_other_contigs_is_told(classifier, fasta, tmp_path, capsys):
    (tmp_path / "genes.gff").write_text(GFF)
    explained(
        classifier, fasta, tmp_path / "x.html", records=["chr2"], annotation=tmp_path / "genes.gff"
    )
    assert "no feature on chr2; its contigs: chr1" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"region": "chr1:1-9", "records": ["chr1"]}, ConfigError, "either --record or --region"),
        ({"flank": 5}, ConfigError, "--flank is for --region"),
        ({"region": "chr1:1-9", "flank": 5}, ConfigError, "models that say something of every"),
        ({"region": "chr1:100-121"}, DataError, "ends at 121, and chr1 has 120 bases"),
        ({"region": "1:1-9"}, DataError, r"no contig '1' \(did you mean 'chr1'\?\)"),
        ({"records": ["chr3"]}, DataError, "no record 'chr3'; records of this file: chr1, chr2"),
        ({"records": ["chr1"]}, DataError, "chr1: 120 letters .* at most 100"),
        ({"records": ["chr2"], "task": "x"}, ConfigError, "has one task"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    classifier, fasta, tmp_path, options, error, message
):
    with pytest.raises(error, match=message):
        explained(classifier, fasta, tmp_path / "x.html", **options)
    assert not (tmp_path / "x.html").exists()


def test_foreign_letters_and_too_many_sequences_are_refused(classifier, tmp_path):
    path = tmp_path / "strange.fa"
    path.write_text(">p\nMKVLEQ\n")
    with pytest.raises(AlphabetError, match=r"strange.fa: p: "):
        explained(classifier, path, tmp_path / "x.html")
    path.write_text("".join(f">s{n}\nACGT\n" for n in range(21)))
    with pytest.raises(DataError, match=r"more than 20 sequences; name those .* --record s0"):
        explained(classifier, path, tmp_path / "out")
    with pytest.raises(HyenaGLTError):
        explained(tmp_path, path, tmp_path / "out")
