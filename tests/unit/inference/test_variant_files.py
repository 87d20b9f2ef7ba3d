import csv
import gzip

import numpy as np
import pytest

from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.inference import variant_files
from hyena_glt.inference.variant_files import score_vcf, unfinished_folder
from hyena_glt.inference.variants import VariantScorer
from hyena_glt.io.vcf import iter_vcf, iter_vcf_rows

HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=HGLT_LLR,Number=1,Type=Float,Description="an older run">',
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\tbob",
]
GENOME = "".join(np.random.default_rng(0).choice(list("ACGT"), 3000))


def other(base):
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def row(position, alternative=None, reference=None, contig="chr1", info="DP=7;HGLT_LLR=3;DB"):
    reference = GENOME[position - 1] if reference is None else reference
    alternative = other(reference[0]) if alternative is None else alternative
    return [
        contig,
        str(position),
        "rs1",
        reference,
        alternative,
        "50",
        "PASS",
        info,
        "GT",
        "./.",
        ".",
    ]


def write(path, rows, header=HEADER):
    path.write_text("\n".join([*header, *map("\t".join, rows)]) + "\n")
    return path


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{GENOME}\n")
    return path


@pytest.fixture
def scorer(model, tokenizer, fasta):
    return VariantScorer(model, tokenizer, fasta, window=24)


ODD = [
    row(10),
    row(12, "<DEL>,*," + other(GENOME[11])),
    row(20, "."),
    row(30, reference=other(GENOME[29])),
    row(2999, reference=GENOME[2998:] + "A", alternative="A"),
    row(5, contig="chrX", reference="A", alternative="C,G"),
]


def test_every_record_comes_out_with_a_score_or_a_reason(scorer, tmp_path):
    vcf = write(tmp_path / "in.vcf", ODD)
    output = tmp_path / "out.vcf"
    written = score_vcf(scorer, vcf, output)
    assert written.scored == 2
    assert written.survey.reasons == {
        "symbolic_allele": 1, "spanning_deletion": 1, "no_alternative": 1, "ref_mismatch": 1,
        "beyond_contig_end": 1, "contig_not_in_fasta": 2,
    }  # fmt: skip
    assert sum(written.survey.reasons.values()) + written.scored == written.survey.alternatives
    columns = [columns for _, columns in iter_vcf_rows(output)]
    assert [old[:7] + old[8:] for old in ODD] == [new[:7] + new[8:] for new in columns]
    values = [f"{score.values[0]:.6g}" for score in scorer.score(iter_vcf(vcf)) if score.values]
    assert [new[7] for new in columns] == [
        f"DP=7;DB;HGLT_LLR={values[0]}",
        f"DP=7;DB;HGLT_LLR=.,.,{values[1]};HGLT_UNSCORED=symbolic_allele,spanning_deletion,.",
        "DP=7;DB;HGLT_UNSCORED=no_alternative",
        "DP=7;DB;HGLT_UNSCORED=ref_mismatch",
        "DP=7;DB;HGLT_UNSCORED=beyond_contig_end",
        "DP=7;DB;HGLT_UNSCORED=contig_not_in_fasta,contig_not_in_fasta",
    ]
    header = [line for line in output.read_text().splitlines() if line.startswith("##")]
    assert sum(line.startswith("##INFO=<ID=HGLT_LLR,Number=A,") for line in header) == 1
    assert not any("an older run" in line for line in header)
    assert not unfinished_folder(output).exists()


def test_other_programs_read_what_is_written(scorer, tmp_path):
    import pysam

    output = tmp_path / "out.vcf.gz"
    rows = [row(10), row(12, f"{other(GENOME[11])},<DEL>"), row(2000)]
    header = [*HEADER[:3], "##contig=<ID=chr1,length=3000>", '##ALT=<ID=DEL,Description="">',
              '##FORMAT=<ID=GT,Number=1,Type=String,Description="">',
              '##INFO=<ID=DB,Number=0,Type=Flag,Description="">', HEADER[3]]  # fmt: skip
    written = score_vcf(scorer, write(tmp_path / "in.vcf", rows, header), output)
    assert written.tabix == tmp_path / "out.vcf.gz.tbi"
    expected = [score.values for score in scorer.score(iter_vcf(output))]
    with pysam.VariantFile(str(output)) as file:
        found = list(file.fetch("chr1", 11, 12))
        assert [record.pos for record in found] == [12]
        assert found[0].info["HGLT_LLR"] == (pytest.approx(expected[1][0], rel=1e-4), None)
        assert found[0].info["HGLT_UNSCORED"] == (".", "symbolic_allele")
        assert found[0].info["DP"] == 7


@pytest.mark.parametrize("name", ["out.vcf", "out.tsv"])
def test_names_of_samples_may_hold_blanks(scorer, tmp_path, name):
    header = [*HEADER[:-1], HEADER[-1].replace("\tann\t", "\tann of York\t")]
    output = tmp_path / name
    score_vcf(scorer, write(tmp_path / "in.vcf", [row(10)], header), output)
    *_, names, line = output.read_text().splitlines()
    assert "ann of York" in names.split("\t")
    assert len(names.split("\t")) == len(line.split("\t"))


def test_a_table_has_a_line_per_alternative(scorer, tmp_path):
    output = tmp_path / "out.tsv.gz"
    score_vcf(scorer, write(tmp_path / "in.vcf", ODD), output)
    with gzip.open(output, "rt", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert [(one["record"], one["ALT"], one["HGLT_UNSCORED"]) for one in rows] == [
        ("1", ODD[0][4], "."),
        ("2", "<DEL>", "symbolic_allele"),
        ("2", "*", "spanning_deletion"),
        ("2", other(GENOME[11]), "."),
        ("3", ".", "no_alternative"),
        ("4", ODD[3][4], "ref_mismatch"),
        ("5", "A", "beyond_contig_end"),
        ("6", "C", "contig_not_in_fasta"),
        ("6", "G", "contig_not_in_fasta"),
    ]
    assert {(one["CHROM"], one["INFO"], one["bob"]) for one in rows[:5]} == {
        ("chr1", "DP=7;HGLT_LLR=3;DB", ".")
    }
    scored = [float(one["HGLT_LLR"]) for one in rows if one["HGLT_UNSCORED"] == "."]
    assert len(scored) == 2
    assert [one["HGLT_LLR"] for one in rows].count(".") == 7


def test_strict_refuses_before_anything_is_scored(scorer, tmp_path):
    output = tmp_path / "out.vcf"
    vcf = write(tmp_path / "in.vcf", ODD)
    with pytest.raises(DataError, match=r"in\.vcf: refused, as --strict asks: .*1 ref_mismatch"):
        score_vcf(scorer, vcf, output, strict=True)
    vcf = write(tmp_path / "in.vcf", [row(20), row(10)])
    with pytest.raises(DataError, match="1 out of order, first chr1:10 "):
        score_vcf(scorer, vcf, output, strict=True)
    assert {path.name for path in tmp_path.iterdir()} == {"in.vcf", "genome.fa", "genome.fa.fai"}
    assert score_vcf(scorer, write(vcf, [row(10), row(20)]), output, strict=True).scored == 2


def test_files_out_of_order_and_empty_ones(scorer, tmp_path):
    output = tmp_path / "out.vcf.gz"
    index = score_vcf(scorer, write(tmp_path / "in.vcf", [row(10)]), output).tabix
    assert index.exists()
    written = score_vcf(scorer, write(tmp_path / "in.vcf", [row(20), row(10)]), output)
    assert written.survey.unsorted == 1
    assert written.tabix is None
    assert not index.exists()  # it would lead astray
    assert [variant.position for variant in iter_vcf(output)] == [19, 9]
    # Each one behind a higher position counts, not only the first.
    rows = [row(30), row(10), row(20), row(30), row(40)]
    written = score_vcf(scorer, write(tmp_path / "in.vcf", rows), output)
    assert (written.survey.unsorted, written.survey.first_unsorted[:7]) == (2, "chr1:10")
    written = score_vcf(scorer, write(tmp_path / "in.vcf", []), output)
    assert written.survey.records == written.scored == 0
    assert list(iter_vcf(output)) == []
    # Without ##fileformat, and with names that blanks separate.
    header = [HEADER[-1].replace("\t", " ")]
    score_vcf(scorer, write(tmp_path / "in.vcf", [row(10)], header), output)
    with gzip.open(output, "rt") as handle:
        assert handle.readline() == "##fileformat=VCFv4.3\n"
    (tmp_path / "in.vcf").write_text("")
    with pytest.raises(DataError, match="empty"):
        score_vcf(scorer, tmp_path / "in.vcf", output)
    write(tmp_path / "in.vcf", [row(10)[:9]])
    with pytest.raises(DataError, match=r"in\.vcf:5: 11 columns expected"):
        score_vcf(scorer, tmp_path / "in.vcf", output)
    assert not unfinished_folder(output).exists()


def test_names_of_outputs_that_mean_nothing_are_refused(scorer, tmp_path):
    vcf = write(tmp_path / "in.vcf", [row(10)])
    with pytest.raises(OutputError, match=r"must end in \.vcf, \.vcf\.gz"):
        score_vcf(scorer, vcf, tmp_path / "out.txt")
    with pytest.raises(ConfigError, match="made with embeddings=True"):
        score_vcf(scorer, vcf, tmp_path / "out.vcf", embeddings=tmp_path / "x.npz")
    (tmp_path / "folder.vcf").mkdir()
    with pytest.raises(OutputError, match="this is a folder"):
        score_vcf(scorer, vcf, tmp_path / "folder.vcf")


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_embeddings_are_written_beside(kind, model, tokenizer, fasta, tmp_path):
    scorer = VariantScorer(model, tokenizer, fasta, window=24, embeddings=True)
    vcf = write(tmp_path / "in.vcf", ODD)
    path = tmp_path / f"x.{kind}"
    score_vcf(scorer, vcf, tmp_path / "out.tsv", embeddings=path)
    if kind == "npz":
        with np.load(path) as found:
            records, alleles, deltas = (found[name] for name in ("record", "allele", "delta"))
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        records, alleles = (table[name].to_numpy() for name in ("record", "allele"))
        deltas = np.stack(table["delta"].to_numpy())
    assert records.tolist() == [1, 2]
    assert alleles.tolist() == [1, 3]
    expected = [one.embedding for one in scorer.score(iter_vcf(vcf)) if one.values]
    np.testing.assert_allclose(deltas, np.stack(expected), atol=1e-6)
    score_vcf(scorer, write(vcf, []), tmp_path / "out.tsv", embeddings=path)


class _Killed(BaseException):
    pass


def test_a_run_that_died_is_gone_on_with(model, tokenizer, fasta, tmp_path, monkeypatch):
    block = 20
    monkeypatch.setattr(variant_files, "BLOCK", block)
    scorer = VariantScorer(model, tokenizer, fasta, window=24, embeddings=True)
    rows = [row(1 + number % 2900) for number in range(2 * block + 5)]
    vcf = write(tmp_path / "in.vcf", rows)
    whole, moved = tmp_path / "whole.vcf", tmp_path / "whole.npz"
    score_vcf(scorer, vcf, whole, embeddings=moved)
    output, embeddings = tmp_path / "out.vcf", tmp_path / "out.npz"

    def die(done):
        if done == block:
            raise _Killed

    with pytest.raises(_Killed):
        score_vcf(scorer, vcf, output, embeddings=embeddings, on_progress=die)
    folder = unfinished_folder(output)
    assert not output.exists()
    # What was written behind the journal's last entry is half a block.
    for name, junk in (("rows.txt", b"chr1\t77\thalf a li"), ("embeddings.bin", b"12345")):
        with (folder / name).open("ab") as handle:
            handle.write(junk)
    with pytest.raises(OutputError, match="go on with it"):
        score_vcf(scorer, vcf, output, embeddings=embeddings)
    other_window = VariantScorer(model, tokenizer, fasta, window=26, embeddings=True)
    with pytest.raises(ConfigError, match="started with window 24, not 26"):
        score_vcf(other_window, vcf, output, embeddings=embeddings, resume=True)
    done = []
    written = score_vcf(
        scorer, vcf, output, embeddings=embeddings, resume=True, on_progress=done.append
    )
    assert written.resumed == block
    assert done == [block, 2 * block, len(rows)]
    assert output.read_bytes() == whole.read_bytes()
    assert embeddings.read_bytes() == moved.read_bytes()
    assert not folder.exists()
    # With nothing to go on with, it begins.
    assert score_vcf(scorer, vcf, output, embeddings=embeddings, resume=True).resumed == 0
