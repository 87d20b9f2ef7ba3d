"""``hyena-glt annotate`` from FASTA to features, tracks and figures.

A stand-in for the model knows the genes, so that what becomes of its probabilities can be checked;
a model of random weights shows that the two fit together.
"""

import json
import sys

import numpy as np
import pybigtools
import pytest
import torch

from hyena_glt.biology.intervals import Feature
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.cli.main import main
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.inference.annotator import GenomeAnnotator
from hyena_glt.io.bed import iter_bed
from hyena_glt.io.gff import iter_gff, write_gff3
from hyena_glt.model import HyenaGLTForSequenceClassification, HyenaGLTForTokenClassification
from hyena_glt.tokenizers import DNATokenizer

GAP = "TAACTAACTAACTTACTTACTTAC" + "C" * 26  # stops in all frames of both strands
SITE = "AGGAGG" + "C" * 7  # where the ribosome binds
LABELS = ["other", "CDS+", "CDS-", "tRNA+", "tRNA-"]


def gene_of(codons, seed):
    drawn = np.random.default_rng(seed).integers(0, 4, (codons, 3)).tolist()
    letters = ["".join("ACGT"[base] for base in codon) for codon in drawn]
    avoided = {"TAA", "TAG", "TGA", "ATG", "GTG", "TTG"}
    body = "".join("GCC" if codon in avoided else codon for codon in letters)
    return "ATG" + body + "TAA"


def contig_of(name, codons):
    """Genes on either strand in turn, a tRNA behind them, and where they lie."""
    letters, features = GAP, []
    for number, size in enumerate(codons):
        gene = gene_of(size, number)
        strand = "+-"[number % 2]
        if strand == "+":
            letters += SITE
        place = (len(letters), len(letters) + len(gene))
        features.append(Feature(name, *place, "CDS", strand, "me", None, 0, {"ID": f"g{number}"}))
        letters += (gene if strand == "+" else reverse_complement(SITE + gene)) + GAP
    features.append(Feature(name, len(letters), len(letters) + 70, "tRNA", "+", "me"))
    return letters + "GCGGATTTAG" * 7 + GAP, features


ONE, ONE_FEATURES = contig_of("one", [120, 90, 150, 60])
TWO, TWO_FEATURES = contig_of("two", [80])
FEATURES = [*ONE_FEATURES, *TWO_FEATURES]


class Oracle:
    """What knows the genes, a little blurred at their ends."""

    labels = LABELS
    stranded = True

    def iter_probabilities(self, codes, *, batch_size, both_strands):
        assert both_strands
        classes = np.zeros(len(codes), dtype=int)
        for feature in FEATURES:
            if feature.contig == codes.region.contig:
                blurred = 4 if feature.kind == "CDS" else 0
                low, high = (place - codes.region.start for place in (feature.start, feature.end))
                classes[max(0, low + blurred) : max(0, high - blurred)] = LABELS.index(
                    feature.kind + feature.strand
                )
        for start in range(0, len(classes), 100):
            yield start, (np.eye(5)[classes[start : start + 100]] * 0.9 + 0.02).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    (folder / "g.fa").write_text(f">one\n{ONE}\n>two\n{TWO}\n")
    write_gff3(folder / "truth.gff3", FEATURES)
    return folder


@pytest.fixture
def annotate(files, tmp_path, monkeypatch, capfd):
    def run(output, *options, oracle=True, model="model", fasta="g.fa"):
        if oracle:
            monkeypatch.setattr(GenomeAnnotator, "from_pretrained", lambda _: Oracle())
        arguments = ["annotate", "--model", files / model, "--fasta", files / fasta,
                     "--output", tmp_path / output, *options]  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["hyena-glt", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capfd.readouterr()
        return code, tmp_path / output, said.out + said.err

    return run


def places(features):
    return [(f.contig, f.start, f.end, f.kind, f.strand) for f in features]


def test_genes_are_called_from_start_to_stop_and_scored(annotate, files):
    code, output, said = annotate("found.gff3", "--truth", files / "truth.gff3")
    assert code == 0, said
    found = list(iter_gff(output))
    assert places(found) == places(FEATURES)
    assert [f.phase for f in found] == [f.phase for f in FEATURES]
    assert len({f.attributes["ID"] for f in found}) == len(found)
    figures = json.loads((output.parent / "found.metrics.json").read_text())
    genes = figures["kinds"]["CDS"]
    assert (
        genes["model"]["f1"] == genes["model"]["base_f1"] == genes["model"]["start_accuracy"] == 1
    )
    # What the blurred ends leave, without reading frames.
    assert genes["runs of a class"]["f1"] == 0
    assert 0.9 < genes["runs of a class"]["base_f1"] < 1
    # Two genes have fewer than 100 codons.
    assert genes["longest ORFs"]["annotated"] == 5
    assert genes["longest ORFs"]["recall"] == pytest.approx(2 / 5)
    assert figures["kinds"]["tRNA"]["runs of a class"]["f1"] == 1
    assert "longest ORFs" in said
    assert "of these, right start" in said


def test_beds_carry_scores_and_names(annotate):
    code, output, said = annotate("found.bed.gz")
    assert code == 0, said
    found = list(iter_bed(output))
    assert [(one.start, one.end, one.strand) for one in found] == [
        (f.start, f.end, f.strand) for f in FEATURES
    ]
    assert all(700 < one.score <= 1000 for one in found)
    assert found[0].name == "CDS_1"


def test_tracks_hold_the_probabilities_of_each_class(annotate):
    code, output, said = annotate("g.bw")
    assert code == 0, said
    assert sorted(path.name for path in output.parent.glob("*.bw")) == [
        "g.CDS_minus.bw", "g.CDS_plus.bw", "g.other.bw", "g.tRNA_minus.bw", "g.tRNA_plus.bw",
    ]  # fmt: skip
    track = pybigtools.open(str(output.parent / "g.CDS_plus.bw"))
    assert track.chroms() == {"one": len(ONE), "two": len(TWO)}
    values = track.values("two", 0, len(TWO), fillna=None)
    gene = TWO_FEATURES[0]
    expected = np.full(len(TWO), 0.02)
    expected[gene.start + 4 : gene.end - 4] = 0.92
    np.testing.assert_allclose(values, expected, atol=1e-6)
    code, output, said = annotate("minus.bw", "--track", "CDS-")
    assert code == 0, said
    assert output.exists()


def test_a_region_is_looked_at_alone(annotate, files):
    cut = ONE_FEATURES[1].start - 20
    code, output, said = annotate(
        "part.gff3", "--region", f"one:{cut + 1:,}-{len(ONE)}", "--region", "two",
        "--truth", files / "truth.gff3",
    )  # fmt: skip
    assert code == 0, said
    assert places(iter_gff(output)) == places([*ONE_FEATURES[1:], *TWO_FEATURES])
    figures = json.loads((output.parent / "part.metrics.json").read_text())
    assert figures["regions"] == [f"one:{cut}-{len(ONE)}", f"two:0-{len(TWO)}"]
    assert figures["kinds"]["CDS"]["model"]["annotated"] == 4


def test_without_reading_frames_runs_are_called(annotate):
    code, output, said = annotate("runs.gff3", "--no-orfs")
    assert code == 0, said
    first = next(iter(iter_gff(output)))
    assert (first.start, first.end, first.phase) == (
        ONE_FEATURES[0].start + 4, ONE_FEATURES[0].end - 4, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--region", "three"], "expected a contig of the genome (one, two)"),
        (["--region", "three:1-9"], "no contig 'three'"),
        (["--region", "one:9-5"], "the first must not lie behind"),
        (["--region", "one:1-99999"], "one has "),
        (["--region", "one:1-50", "--region", "one:50-90"], "overlap, one:0-50 and one:49-90"),
        (["--genetic-code", "99"], "no genetic code 99"),
        (["--track", "CDS+"], "--output must end in .bw"),
        (["--truth", "other.gff3"], "no feature lies on one, two; the annotation is of else"),
        (["--truth", "genes.gff3"], "no feature of kind 'CDS'"),
        (["--truth", "missing.gff3"], "no such file"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(annotate, files, options, said):
    write_gff3(files / "other.gff3", [Feature("else", 0, 9, "CDS", "+")])
    write_gff3(files / "genes.gff3", [Feature("one", 0, 9, "gene", "+")])
    options = [files / one if one.endswith(".gff3") else one for one in options]
    code, output, told = annotate("found.gff3", *options)
    assert code == 2
    assert said in told
    assert len(told.strip().splitlines()) == 1
    assert not output.exists()


def test_bad_files_and_names_are_refused(annotate, files):
    (files / "empty.fa").touch()
    (files / "protein.fa").write_text(">p\nMKLVEE\n")
    for output, fasta, said in (
        ("found.gff3", "empty.fa", "empty.fa: the file is empty"),
        ("found.gff3", "protein.fa", "p:0-6"),
        ("found.gff3", "missing.fa", "no such file"),
        ("found.txt", "g.fa", "must end in .gff3 or .bed"),
    ):
        code, path, told = annotate(output, fasta=fasta)
        assert (code, path.exists()) == (2, False)
        assert said in told


def saved(folder, face, **options):
    tokenizer = DNATokenizer(kmer_size=1)
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer, hidden_size=32, num_layers=1, num_attention_heads=4, causal=False,
        max_position_embeddings=128, **options,
    )  # fmt: skip
    face(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_a_model_fits_in(annotate, files):
    names = {"id2label": {0: "other", 1: "CDS+", 2: "CDS-"}}
    saved(files / "bases", HyenaGLTForTokenClassification, num_labels=3, **names)
    for held_out, warned in (("one:0-100", True), ("nine:0-100", False)):
        (files / "bases" / "metrics.json").write_text(
            json.dumps({"regions": {"train": [held_out], "test": ["one:100-200"]}})
        )
        code, output, said = annotate(
            "found.gff3", "--truth", files / "truth.gff3", oracle=False, model="bases"
        )
        assert code == 0, said
        assert ("was trained on 100 of these bases" in said) == warned
        # 1-based, as the option reads it.
        assert ("held out were: --region one:101-200" in said) == warned
    assert output.read_text().startswith("##gff-version 3")
    code, _, said = annotate("g.bw", "--track", "tRNA+", oracle=False, model="bases")
    assert code == 2
    assert "no such class, but other, CDS+, CDS-" in said

    saved(files / "classes", HyenaGLTForSequenceClassification, num_labels=2)
    code, _, said = annotate("found.gff3", oracle=False, model="classes")
    assert code == 2
    assert "HyenaGLTForSequenceClassification" in said

    plain = {"id2label": {0: "other", 1: "exon", 2: "gene"}}
    saved(files / "plain", HyenaGLTForTokenClassification, num_labels=3, **plain)
    code, _, said = annotate("found.gff3", "--orfs", oracle=False, model="plain")
    assert code == 2
    assert "--orfs needs a model of the classes CDS+ and CDS-" in said
