"""Motifs that a trained model rests on: found, named, and absent where labels mean nothing."""

import csv

import numpy as np
import pytest
import torch
from rich.console import Console

from hyena_glt.biology.motif_comparison import MotifMatch
from hyena_glt.biology.motifs import Motif
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.cli.motifs import MotifOptions, _say, run_motifs
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.data.simulation import simulate_classification
from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.interpretability.attribution import attribute
from hyena_glt.interpretability.motif_discovery import DiscoveredMotif, discover_motifs
from hyena_glt.interpretability.motif_quality import evaluate_motif_quality
from hyena_glt.interpretability.motif_report import MotifSearch
from hyena_glt.io.bed import iter_bed
from hyena_glt.io.fasta import write_fasta
from hyena_glt.io.motif_files import read_motifs, write_motifs
from hyena_glt.io.records import SequenceRecord
from hyena_glt.model import HyenaGLTForCausalLM
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "filter_size": 32, "num_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "local_hidden_size": 32, "target_compression": 5.0, "dropout": 0.0,
}  # fmt: skip
GATA = Motif.from_consensus("MY1 GATA", "TTAGATAAGC", purity=0.95)
YY1 = Motif.from_consensus("MY2 YY1", "CAAGATGGCGG", purity=0.95)
EXPLAINED = 120
RANDOM = np.random.default_rng(7)
DATABASE = [GATA, YY1] + [
    Motif(f"OTHER{number}", RANDOM.dirichlet([0.4] * 4, size=8 + number % 5))
    for number in range(40)
]


def planted(motifs, per_motif, length):
    """Sequences in which one of the motifs is planted, on either strand, or none."""
    made = [
        one
        for number, motif in enumerate(motifs)
        for one in simulate_classification(
            per_motif, length=length, motifs=[motif], strands="both", seed=number
        )
    ]
    order = np.random.default_rng(0).permutation(len(made))
    return [made[at] for at in order]


@torch.enable_grad()
def train(sequences, labels, *, epochs=5):
    items = [
        {"sequence": sequence, "labels": int(label)}
        for sequence, label in zip(sequences, labels, strict=True)
    ]
    parts = create_genomic_dataloaders(
        items, tokenizer=TOKENIZER, batch_size=16, task="classification"
    )
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, causal=False, **TINY)
    settings = TrainingSettings(
        num_epochs=epochs, learning_rate=4e-3, strand="both", tensorboard=False
    )
    trainer = EnhancedTrainingPipeline(config, settings, progress=False)
    trainer.train(parts["train"], parts["val"])
    return trainer.model


@pytest.fixture(scope="module")
def data():
    return planted([GATA, YY1], 400, 60)


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """Model, sequences and known motifs, as files."""
    target = tmp_path_factory.mktemp("motifs")
    model = train([one.sequence for one in data], [one.label == "positive" for one in data])
    model.config.id2label = {0: "background", 1: "bound"}
    model.config.label2id = {"background": 0, "bound": 1}
    model.save_pretrained(target / "model")
    TOKENIZER.save_pretrained(target / "model")
    records = [
        SequenceRecord(f"seq{number}", one.sequence.lower())
        for number, one in enumerate(data)
        if one.label == "positive"
    ][:EXPLAINED]
    write_fasta(target / "bound.fa.gz", records)
    write_motifs(target / "known.meme", DATABASE)
    return target


def options(folder, output, **changes):
    given = {
        "model": folder / "model", "fasta": folder / "bound.fa.gz", "output": output,
        "database": folder / "known.meme", "comparison": "own",
    }  # fmt: skip
    return MotifOptions(**(given | changes))


def table(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_planted_motifs_are_found_named_and_written(folder, data, tmp_path, capsys):
    run_motifs(options(folder, tmp_path / "out", boundaries=True))
    out = tmp_path / "out"
    rows = [row for row in table(out / "motifs.tsv") if row["evidence"] == "for"]
    assert {row["match"] for row in rows[:2]} == {"MY1 GATA", "MY2 YY1"}
    assert all(float(row["q"]) < 0.01 for row in rows[:2])
    assert all(row["match"] in {"MY1 GATA", "MY2 YY1", ""} for row in rows)

    motifs = read_motifs(out / "motifs.meme")
    assert [motif.name for motif in motifs] == [row["motif"] for row in table(out / "motifs.tsv")]
    by_id = {f"seq{number}": one for number, one in enumerate(data)}
    sites = table(out / "sites.tsv")
    wanted = {row["motif"] for row in rows[:2]}
    inside = []
    for site in sites:
        one = by_id[site["sequence"]]
        start, end = int(site["start"]), int(site["end"])
        read = one.sequence[start:end]
        assert site["letters"] == (reverse_complement(read) if site["strand"] == "-" else read)
        if site["motif"] in wanted:
            (feature,) = one.features
            inside.append(min(end, feature.stop) - max(start, feature.start) >= 5)
    assert np.mean(inside) > 0.9
    assert len(inside) > 0.7 * EXPLAINED

    intervals = list(iter_bed(out / "sites.bed"))
    assert sorted((one.contig, one.start, one.end, one.name, one.strand) for one in intervals) == (
        sorted(
            (row["sequence"], int(row["start"]), int(row["end"]), row["motif"], row["strand"])
            for row in sites
        )
    )
    assert all(0 <= one.score <= 1000 for one in intervals)
    pictures = {path.stem for path in (out / "logos").iterdir()}
    assert pictures == {motif.name for motif in motifs} | {"patch_start"}
    assert {row["rank"] for row in table(out / "matches.tsv")} == {str(n) for n in range(1, 11)}
    assert (out / "boundaries.tsv").read_text().startswith("kmer\toffset\tseen\texpected\tq\n")
    page = (out / "motifs.html").read_text()
    assert "speaks <small>" not in page
    assert "for class bound" in page
    assert "MY1 GATA" in capsys.readouterr().out


def test_the_other_class_sees_the_same_motifs_from_the_other_side(folder, tmp_path):
    run_motifs(options(folder, tmp_path / "out", target="background", database=None))
    rows = table(tmp_path / "out" / "motifs.tsv")
    assert {row["evidence"] for row in rows[:2]} == {"against"}
    assert not (tmp_path / "out" / "matches.tsv").exists()


def test_few_sequences_are_drawn_by_the_seed(folder, tmp_path, capsys):
    for name in ("a", "b"):
        run_motifs(options(folder, tmp_path / name, most_sequences=60, least_sites=8, seed=3))
    told = (tmp_path / "a" / "sites.tsv").read_text()
    assert told == (tmp_path / "b" / "sites.tsv").read_text()
    assert len({row["sequence"] for row in table(tmp_path / "a" / "sites.tsv")}) <= 60
    assert "60 of 120 sequences, drawn at random" in capsys.readouterr().err


def test_nothing_found_is_said_and_not_an_error(folder, tmp_path, capsys):
    run_motifs(options(folder, tmp_path / "out", least_sites=1000))
    assert "No motif was found" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "motifs.meme").exists()
    assert table(tmp_path / "out" / "motifs.tsv") == []
    assert "No motif was found" in (tmp_path / "out" / "motifs.html").read_text()


def test_a_language_model_has_motifs_at_its_boundaries_only(folder, tmp_path):
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, causal=True, **TINY)
    HyenaGLTForCausalLM(config).save_pretrained(tmp_path / "lm")
    TOKENIZER.save_pretrained(tmp_path / "lm")
    asked = options(folder, tmp_path / "out", model=tmp_path / "lm")
    with pytest.raises(ConfigError, match="--boundaries"):
        run_motifs(asked)
    run_motifs(options(folder, tmp_path / "out", model=tmp_path / "lm", boundaries=True))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"boundaries.tsv", "logos", "matches.tsv", "motifs.html"}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target": "enhancer"}, ConfigError, "--class 'enhancer': the model knows background, bo"),
        ({"fasta": "missing.fa"}, DataError, "missing.fa"),
        ({"fasta": "long.fa"}, DataError, "long has 5,000 bases; 1 to"),
        ({"fasta": "rna.fa"}, DataError, "rna.fa"),
        ({"database": "bound.fa.gz"}, DataError, "bound.fa.gz"),
        ({"model": "bound.fa.gz"}, DataError, "bound.fa.gz"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(folder, tmp_path, changes, error, message):
    (folder / "long.fa").write_text(f">long\n{'ACGTA' * 1000}\n")
    (folder / "rna.fa").write_text(">rna\nACGX\n")
    paths = {name: folder / value if name != "target" else value for name, value in changes.items()}
    with pytest.raises(error, match=message):
        run_motifs(options(folder, tmp_path / "out", **paths))
    assert not (tmp_path / "out").exists()


def test_an_old_folder_stays_as_it_is(folder, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists"):
        run_motifs(options(folder, tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_with_shuffled_labels_nothing_is_recovered(data):
    sequences = [one.sequence for one in data][:400]
    labels = np.random.default_rng(1).permutation([one.label == "positive" for one in data][:400])
    model = train(sequences, labels, epochs=3)
    ids = torch.tensor([TOKENIZER.encode(one) for one in sequences[:EXPLAINED]])
    found = attribute(model, ids, 1, method="input_x_gradient")
    effects = [one.effects.double().numpy() for one in found]
    motifs = discover_motifs(sequences[:EXPLAINED], effects, least_sites=10)
    assert evaluate_motif_quality(motifs, [GATA, YY1], database=DATABASE)["recovered"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("shuffled", [False, True])
def test_six_motifs_of_jaspar(shared_data, shuffled):
    pytest.importorskip("memelite")
    known = read_motifs(shared_data / "motifs" / "JASPAR2018_CORE_vertebrates.pfm.txt.gz")
    names = ("Gata1", "CTCF", "SPI1", "YY1", "NRF1", "REST")
    chosen = [motif for motif in known if motif.name.split()[-1] in names]
    made = planted(chosen, 300, 80)
    labels = np.array([one.label == "positive" for one in made])
    if shuffled:
        labels = np.random.default_rng(1).permutation(labels)
    model = train([one.sequence for one in made], labels)
    explained = [one.sequence for one, label in zip(made, labels, strict=True) if label]
    ids = torch.tensor([TOKENIZER.encode(sequence) for sequence in explained])
    found = attribute(model, ids, 1, method="input_x_gradient")
    motifs = discover_motifs(explained, [one.effects.double().numpy() for one in found])
    quality = evaluate_motif_quality(motifs, chosen, database=known, method="tomtom")
    assert len(chosen) == 6
    assert quality["recovered"] <= 1 if shuffled else quality["recovered"] >= 5


def test_proteins_have_no_motifs_of_nucleotides(folder, tmp_path):
    tokenizer = ProteinTokenizer(kmer_size=1)
    config = HyenaGLTConfig.for_tokenizer(tokenizer, causal=True, **TINY)
    HyenaGLTForCausalLM(config).save_pretrained(tmp_path / "lm")
    tokenizer.save_pretrained(tmp_path / "lm")
    with pytest.raises(ConfigError, match="proteins"):
        run_motifs(options(folder, tmp_path / "out", model=tmp_path / "lm", boundaries=True))


def test_names_with_brackets_are_said_as_they_are(tmp_path, capsys):
    match = MotifMatch(Motif("GATA[1]", GATA.probabilities), 1e-9, 1e-9, 0, 10, "+")
    one = DiscoveredMotif(GATA, np.ones((10, 4), dtype=np.int64), (), "for")
    search = MotifSearch("m", "[/x]", [], [], [one], [[match]], 0.05, {})
    _say(Console(stderr=True), search, MotifOptions(tmp_path, tmp_path, tmp_path))
    said = "".join(capsys.readouterr().out.split())
    assert "[/x]" in said
    assert "GATA[1]" in said
