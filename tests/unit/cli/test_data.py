"""``hyena-glt data`` as it is typed: files that come out, what is printed, what is refused."""

import csv
import gzip
import io
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.cli.main import main
from hyena_glt.data import fetch as fetch_module
from hyena_glt.io.formats import read_labelled, read_sequences


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Run a command line in a folder of its own; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hyena-glt", "data", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        return code, out, err

    return call


def refused(result, *words):
    code, _, err = result
    assert code == 2, err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1, err
    for word in words:
        assert word in err


def random_dna(random, length=150):
    return "".join(random.choice(list("ACGT"), length))


def families(count, members, seed=0):
    """Sequences and labels; relatives differ at three bases and may lie on the other strand."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        ancestor = random_dna(random)
        for _ in range(members):
            letters = list(ancestor)
            for at in random.integers(0, len(letters), 3):
                letters[at] = "ACGT"[random.integers(4)]
            one = "".join(letters)
            rows.append((reverse_complement(one) if random.random() < 0.5 else one, number % 2))
    return [rows[i] for i in random.permutation(len(rows))]


@pytest.fixture
def table(tmp_path):
    """A table with a column that no record carries."""
    path = tmp_path / "in.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["name", "seq", "label", "comment"])
        for i, (sequence, label) in enumerate(families(30, 3)):
            writer.writerow([f"s{i}", sequence, label, f'note "{i}", with comma'])
    return path


def rows_of(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as handle:
        return list(csv.reader(handle))


def test_split_by_identity_keeps_relatives_together_and_columns_complete(run, table, tmp_path):
    code, out, err = run("split", table, "--output", "out")
    assert code == 0, err
    assert "30 clusters, the largest with 3 sequences" in err
    assert "leaks" not in err
    written = [rows_of(tmp_path / f"out/{part}.csv") for part in ("train", "validation", "test")]
    assert [len(rows) - 1 for rows in written] == [72, 9, 9]
    whole = rows_of(table)
    assert all(rows[0] == whole[0] for rows in written)
    assert sorted(row for rows in written for row in rows[1:]) == sorted(whole[1:])
    places = [line.split("\t") for line in (tmp_path / "out/split.tsv").read_text().splitlines()]
    assert places[0] == ["id", "part", "group", "like_training_sequence"]
    parts = {}
    for _, part, cluster, leak in places[1:]:
        assert parts.setdefault(cluster, part) == part
        assert leak == ""
    assert len(parts) == 30
    assert "80.0%" in out


def test_split_at_random_says_what_leaks(run, table, tmp_path):
    code, _, err = run("split", table, "--output", "out", "--by", "random", "--seed", 3)
    assert code == 0, err
    assert "leaks:" in err
    named = [line.split("\t")[3] for line in (tmp_path / "out/split.tsv").read_text().splitlines()]
    assert sum(map(bool, named[1:])) > 5
    assert run("split", table, "--output", "again", "--by", "random", "--seed", 3)[0] == 0
    for name in ("train.csv", "split.tsv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_split_by_contig_reads_names_and_columns(run, tmp_path):
    random = np.random.default_rng(0)
    names = [f"chr{1 + i % 5}:{i}-{i + 150}(+)" for i in range(20)]
    fasta = "".join(f">{name} extra words\n{random_dna(random)}\n" for name in names)
    (tmp_path / "in.fa").write_text(fasta)
    code, _, err = run(
        "split", "in.fa", "--output", "out", "--by", "contig", "--test-groups", "chr4",
        "--validation-groups", "chr2,chr3",
    )  # fmt: skip
    assert code == 0, err
    test = read_sequences(tmp_path / "out/test.fa")
    assert {record.id.partition(":")[0] for record in test} == {"chr4"}
    assert {record.description for record in test} == {"extra words"}
    held = {r.id.partition(":")[0] for r in read_sequences(tmp_path / "out/validation.fa")}
    assert held == {"chr2", "chr3"}


def test_labels_in_headers_are_kept_and_balanced(run, tmp_path):
    rows = families(20, 2)
    text = "".join(f">s{i} class{y} rest of it\n{s}\n" for i, (s, y) in enumerate(rows))
    (tmp_path / "in.fa").write_text(text)
    assert run("split", "in.fa", "--output", "out", "--label-column", "word:2")[0] == 0
    train = read_sequences(tmp_path / "out/train.fa")
    assert {record.description for record in train} == {"class0 rest of it", "class1 rest of it"}
    arguments = ("--format", "jsonl", "--label-column", "word:2")
    assert run("split", "in.fa", "--output", "lines", *arguments)[0] == 0
    labels = [record.label for record in read_labelled(tmp_path / "lines/train.jsonl")]
    assert sorted(labels) == sorted(record.description.split()[0] for record in train)


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_splits_of_formats_with_types_keep_types(run, tmp_path, ending):
    objects = [
        {"id": f"s{i}", "sequence": s, "label": y, "weights": [i, 0.5], "note": None}
        for i, (s, y) in enumerate(families(12, 2))
    ]
    path = tmp_path / f"in.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(objects), path)
    else:
        lines = [json.dumps(one) for one in objects]
        path.write_text("\n".join(lines) if ending == "jsonl" else f"[{','.join(lines)}]")
    code, _, err = run("split", path, "--output", "out", "--fractions", "0.5,0.25,0.25")
    assert code == 0, err
    written = []
    for part in ("train", "validation", "test"):
        file = tmp_path / f"out/{part}.{ending}"
        if ending == "parquet":
            written += pq.read_table(file).to_pylist()
        elif ending == "json":
            written += json.loads(file.read_text())
        else:
            written += [json.loads(line) for line in file.read_text().splitlines()]
    key = lambda one: int(one["id"][1:])  # noqa: E731
    assert sorted(written, key=key) == objects


def test_a_split_of_standard_input(run, table, tmp_path, monkeypatch):
    data = gzip.compress(table.read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, _, err = run("split", "-", "--output", "out", "--format", "tsv.gz")
    assert code == 0, err
    assert len(rows_of(tmp_path / "out/train.tsv.gz")) == 73


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fractions", "0.5,0.5"], ["--fractions '0.5,0.5'", "three numbers"]),
        (["--fractions", "0.5,0.4,0.2"], ["add up to 1", "1.1"]),
        (["--identity", "1.5"], ["at most 1, got 1.5"]),
        (["--test-groups", "a"], ["groups go with --by contig"]),
        (["--by", "contig", "--group-column", "chrom"], ["no column 'chrom'", "name, seq, label"]),
        (["--by", "contig", "--group-column", "label"], ["only 2 groups", "3 parts"]),
        (["--format", "doc"], ["must say the format to write"]),
        (["--label-column", "labels"], ["no label column 'labels'", "did you mean 'label'"]),
    ],
)
def test_impossible_splits_are_refused_and_nothing_is_written(
    run, table, tmp_path, arguments, words
):
    refused(run("split", table, "--output", "out", *arguments), *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_an_existing_folder_is_left_alone(run, table, tmp_path):
    (tmp_path / "out").mkdir()
    refused(run("split", table, "--output", "out"), "out exists")


def test_stats_prints_and_writes(run, table, tmp_path):
    rows = rows_of(table)
    with (tmp_path / "test.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([rows[0], rows[1], rows[2]])
    code, out, err = run("stats", table, "--test", "test.csv", "--output", "looks")
    assert code == 0, err
    assert "copies of train" in out
    assert "2 (100.0%)" in out
    assert f"test {rows[1][0]} is like train {rows[1][0]} (identity 1.00)" in err
    numbers = json.loads((tmp_path / "looks/stats.json").read_text())
    assert numbers["parts"]["train"]["count"] == 90
    assert numbers["leakage"][0]["exact"] == 2
    names = sorted(path.name for path in (tmp_path / "looks").iterdir())
    assert names == ["stats.json", "stats.png", "stats.svg"]


def test_stats_of_a_missing_file(run):
    refused(run("stats", "nothing.fa"), "nothing.fa: no such file")


def fastq(count, seed=0):
    random = np.random.default_rng(seed)
    text = ""
    for i in range(count):
        signs = "I" * 30 if i % 3 else "#" * 30
        letters = random_dna(random, 30) if i % 5 else "N" * 30
        text += f"@read{i} first\n{letters}\n+\n{signs}\n"
    return text


def test_convert_filters_and_tells_what_is_left_out(run, tmp_path):
    (tmp_path / "in.fq").write_text(fastq(30))
    code, out, err = run("convert", "in.fq", "out.fa.gz", "--min-mean-phred", 20, "--max-n", 0.5)
    assert (code, out) == (0, ""), err
    kept = [record.id for record in read_sequences(tmp_path / "out.fa.gz")]
    assert kept == [f"read{i}" for i in range(30) if i % 3 and i % 5]
    assert "30 records read" in err
    assert "16 records written" in err
    assert "dropped: mean Phred below 20" in err
    assert "not carried over: quality scores" in err


@pytest.mark.parametrize("ending", ["fastq", "csv", "tsv.gz", "json", "jsonl", "parquet"])
def test_conversions_there_and_back_change_nothing(run, tmp_path, ending):
    (tmp_path / "in.fastq").write_text(fastq(12))
    assert run("convert", "in.fastq", f"middle.{ending}")[0] == 0
    code, _, err = run("convert", f"middle.{ending}", "back.fastq")
    assert code == 0, err
    assert (tmp_path / "back.fastq").read_text() == (tmp_path / "in.fastq").read_text()
    assert "not carried" not in err


def test_labels_go_from_headers_to_columns_and_back(run, tmp_path):
    (tmp_path / "in.fa").write_text(">a promoter x\nACGT\n>b other y\nTTTT\n")
    code, _, err = run("convert", "in.fa", "out.csv", "--label-column", "word:2")
    assert code == 0
    assert "not carried over: rest of the headers" in err
    assert (
        tmp_path / "out.csv"
    ).read_text() == "id,sequence,label\na,ACGT,promoter\nb,TTTT,other\n"
    assert run("convert", "out.csv", "back.fa")[0] == 0
    assert (tmp_path / "back.fa").read_text() == ">a promoter\nACGT\n>b other\nTTTT\n"


def test_what_fasta_cannot_hold_is_named(run, tmp_path):
    rows = '{"id": "a", "sequence": "ACGU", "label": "x", "modality": "rna", "quality": "IIII"}'
    (tmp_path / "in.jsonl").write_text(rows + "\n")
    code, _, err = run("convert", "in.jsonl", "out.fa")
    assert code == 0, err
    assert "quality scores, which FASTA does not hold" in err
    assert "molecules, which FASTA does not hold" in err
    assert "not carried" not in run("convert", "in.jsonl", "out.csv")[2]


def test_columns_that_are_left_behind_are_named(run, table):
    code, _, err = run("convert", table, "out.jsonl")
    assert code == 0
    assert "not carried over: comment" in err


def test_standard_input_to_standard_output(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b">a\nACGT\n>b\nGG\n")))
    code, out, err = run("convert", "-", "-", "--to", "tsv", "--min-length", 3)
    assert (code, out) == (0, "id\tsequence\tdescription\na\tACGT\t\n"), err


GENOME = ">chr1\nACGTTTGACAGGATCCTTAGACCATGAAATAG\n"


def test_intervals_become_sequences(run, tmp_path):
    (tmp_path / "genome.fa").write_text(GENOME)
    (tmp_path / "in.bed").write_text("chr1\t0\t4\tone\t0\t.\nchr1\t4\t10\ttwo\t0\t-\n")
    code, _, err = run("convert", "in.bed", "out.fa", "--fasta", "genome.fa")
    assert code == 0, err
    assert (tmp_path / "out.fa").read_text() == (">one chr1:0-4\nACGT\n>two chr1:4-10(-)\nTGTCAA\n")
    (tmp_path / "in.gff").write_text(
        "##gff-version 3\nchr1\t.\tgene\t1\t30\t.\t+\t.\tID=g\n"
        "chr1\t.\tCDS\t24\t32\t.\t+\t0\tID=c\n"
    )
    code, _, err = run("convert", "in.gff", "cds.fa", "--fasta", "genome.fa", "--kind", "CDS")
    assert code == 0, err
    assert (tmp_path / "cds.fa").read_text() == ">c chr1:23-32(+)\nATGAAATAG\n"
    assert "features of other kinds, not taken: 1 gene" in err
    refused(
        run("convert", "in.gff", "x.fa", "--fasta", "genome.fa", "--kind", "exon"),
        "in.gff: no feature of kind exon; there are CDS, gene",
    )
    assert not (tmp_path / "x.fa").exists()


def test_variants_become_both_alleles(run, tmp_path):
    (tmp_path / "genome.fa").write_text(GENOME)
    (tmp_path / "in.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "chr1\t11\t.\tG\tA,<DEL>\t.\t.\t.\n"
    )
    code, _, err = run("convert", "in.vcf", "out.csv", "--fasta", "genome.fa", "--window", 8)
    assert code == 0, err
    _, reference, changed = rows_of(tmp_path / "out.csv")
    assert reference[0] == "chr1:11:G"
    assert changed[0] == "chr1:11:G>A"
    at = int(reference[2].partition("offset=")[2])
    assert reference[1][at] == "G"
    assert changed[1] == reference[1][:at] + "A" + reference[1][at + 1 :]
    assert reference[1] in GENOME
    assert "left out: 1" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in.bed", "out.fa"], ["in.bed", "--fasta"]),
        (["in.fa", "out.fa", "--fasta", "genome.fa"], ["--fasta goes with BED, GFF or VCF"]),
        (["in.bed", "out.fa", "--fasta", "in.fa", "--kind", "CDS"], ["--kind goes with GFF"]),
        (["in.fa", "-"], ["name it with --to"]),
        (["in.fa", "out.csv", "--to", "fa"], ["--to goes with -"]),
        (["in.fa", "out.gb"], ["out.gb", "must say the format to write"]),
        (["in.fa", "out.csv", "--from", "csv"], ["--from 'csv'"]),
        (["in.fa", "out.csv", "--max-n", "2"], ["max_n_fraction must lie in [0, 1], got 2.0"]),
        (
            ["in.fa", "out.csv", "--min-mean-phred", "20"],
            ["in.fa: chr1: min_mean_phred needs quality scores"],
        ),
        (["broken.fa", "out.csv"], ["broken.fa:3:"]),
    ],
)
def test_impossible_conversions_are_refused_and_nothing_is_written(run, tmp_path, arguments, words):
    (tmp_path / "in.fa").write_text(">chr1\nACGT\n")
    (tmp_path / "broken.fa").write_text(">a\nACGT\n>b\nAC1T\n")
    (tmp_path / "in.bed").write_text("chr1\t0\t4\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    refused(run("convert", *arguments), *words)
    assert [
        n for n in sorted(p.name for p in tmp_path.iterdir()) if not n.endswith(".fai")
    ] == before


def test_fetch_lists_fetches_and_refuses(run, tmp_path, monkeypatch):
    code, out, _ = run("fetch", "--list", "gue/prom")
    assert code == 0
    assert "gue/prom_core_all" in out
    assert "hg38" not in out
    refused(run("fetch", "--list", "nothing like it"), "no public set has")
    refused(run("fetch", "gue/prom_core_al"), "did you mean gue/prom_core_all")
    assert run("fetch")[0] == 2
    done = fetch_module.Fetched(tmp_path / "x", 1234, "ab" * 32, new=True, checked="length")

    def pretend(name, folder, *, on_progress, **_):
        on_progress("x", 1234, 1234)
        return [done]

    monkeypatch.setattr("hyena_glt.cli.data_fetch.fetch", pretend)
    code, _, err = run("fetch", "gue/prom_core_all")
    assert code == 0
    assert "fetched, 1,234 bytes" in err
    assert "ab" * 32 in err


@pytest.mark.parametrize("command", [[], ["split"], ["stats"], ["convert"], ["fetch"]])
def test_help_shows_an_example(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert not command or f"hyena-glt data {command[0]} " in out
