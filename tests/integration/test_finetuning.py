"""Fine-tuning from the command line, from a pretrained folder to a report, and what is refused."""

import gzip
import json
import shutil

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from hyena_glt.cli.experiment import run_training
from hyena_glt.cli.main import main
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.simulation import simulate_genome
from hyena_glt.data.simulation.features import write_gff3
from hyena_glt.errors import HyenaGLTError
from hyena_glt.io.fasta import write_fasta
from hyena_glt.io.formats import read_sequences
from hyena_glt.io.records import SequenceRecord
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForMaskedLM
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.settings import load_settings

TOKENIZER = DNATokenizer(kmer_size=1)
FAST = ["training.num_epochs=1", "training.batch_size=16", "training.precision=fp32"]


def save(folder, kind, **fields):
    config = HyenaGLTConfig.for_tokenizer(
        TOKENIZER, hidden_size=32, num_layers=2, num_attention_heads=4, intermediate_size=32,
        target_compression=4.0, max_position_embeddings=128, **fields,
    )  # fmt: skip
    kind(config).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return save(tmp_path_factory.mktemp("masked"), HyenaGLTForMaskedLM, causal=False)


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    return save(tmp_path_factory.mktemp("causal"), HyenaGLTForCausalLM)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    random = np.random.default_rng(0)
    rows = []
    for number in range(100):
        letters = "".join(random.choice(list("ACGT"), 40))
        rows.append(f"{letters[:10]}{'TATAAT' * (number % 2)}{letters[10:]},{number % 2}")
    path = tmp_path_factory.mktemp("data") / "train.csv"
    path.write_text("sequence,label\n" + "\n".join(rows) + "\n")
    return path


def tune(folder, table, output, *overrides, flags=None):
    given = {"pretrained": str(folder), "data.train": str(table)} | (flags or {})
    return run_training(load_settings(None, [*FAST, *overrides], given), output, "a test")


@pytest.mark.parametrize("way", ["all", "freeze", "lora"])
def test_a_run_is_repeated_bit_for_bit_from_its_config(masked, table, tmp_path, way):
    flags = {"freeze": {"training.freeze": "backbone"}, "lora": {"training.lora_rank": 2}}
    first, second = tmp_path / "first", tmp_path / "second"
    metrics = tune(masked, table, first, "model.dropout=0.2", flags=flags.get(way))
    written = yaml.safe_load((first / "config.yaml").read_text())
    assert written["pretrained"] == str(masked)
    assert "preset" not in written
    assert written["training"]["learning_rate"] == (3e-4 if way == "all" else 1e-3)
    again = run_training(load_settings(first / "config.yaml"), second, "again")
    assert again["test"] == metrics["test"]
    for name in ("model.safetensors", "predictions.tsv", "config.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    weights, start = load_file(first / "model.safetensors"), load_file(masked / "model.safetensors")
    assert not any("lora" in name for name in weights)
    name = "model.layers.0.mlp.up.weight"
    assert bool((weights[name] != start[name]).any()) == (way != "freeze")
    assert f"start: HyenaGLTForMaskedLM in {masked}: " in (first / "log.jsonl").read_text()


def test_json_says_everything_as_well(masked, table, tmp_path):
    tree = {
        "pretrained": str(masked),
        "data": {"train": str(table)},
        "training": {"num_epochs": 1, "batch_size": 32, "freeze": "backbone"},
    }
    path = tmp_path / "run.json"
    path.write_text(json.dumps(tree))
    run_training(load_settings(path), tmp_path / "out", "a test")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["causal"] is False


def test_a_causal_start_stays_causal_and_says_so(causal, table, tmp_path, capsys):
    tune(causal, table, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["causal"] is True
    assert config["architectures"] == ["HyenaGLTForSequenceClassification"]
    assert "is causal" in " ".join(capsys.readouterr().err.split())
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["strand"]["strand"] == "forward"


def test_one_task_after_another(masked, table, tmp_path):
    tune(masked, table, tmp_path / "first")
    tune(tmp_path / "first", table, tmp_path / "second")
    log = (tmp_path / "second" / "log.jsonl").read_text()
    assert "left behind: classifier, kmer_readout" in log


@pytest.mark.parametrize("source", ["masked", "causal"])
def test_bases_of_an_annotated_genome_are_learned_from_a_checkpoint(request, source, tmp_path):
    folder = request.getfixturevalue(source)
    chromosome = simulate_genome(
        30_000, num_genes=30, num_islands=0, num_tandem_repeats=0, num_dispersed_repeats=0, seed=1
    )
    fasta, gff = tmp_path / "genome.fa", tmp_path / "genome.gff"
    write_fasta(fasta, [SequenceRecord(chromosome.id, chromosome.sequence)])
    write_gff3(gff, [chromosome])
    flags = {
        "pretrained": str(folder), "data.fasta": [str(fasta)], "data.annotation": str(gff),
        "training.freeze": "backbone",
    }  # fmt: skip
    settings = load_settings(None, [*FAST, "data.window=100"], flags)
    run_training(settings, tmp_path / "out", "a test")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["HyenaGLTForTokenClassification"]
    assert config["max_position_embeddings"] == 100
    both = source == "masked"
    assert config["reverse_complement"] == ("average" if both else "none")
    assert settings.training.strand == ("both" if both else "forward")
    start = load_file(folder / "model.safetensors")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert all(np.array_equal(weights[name], value) for name, value in start.items())


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def foreign(folder):
    (folder / "config.json").write_text('{"model_type": "esm"}')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "model.safetensors: is damaged or cut short"),
        (foreign, "config.json: holds a model of the type esm, expected hyena_glt"),
        (lambda folder: (folder / "model.safetensors").unlink(), "there is no model.safetensors"),
        (lambda folder: (folder / "config.json").unlink(), "there is no config.json in it"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), "no tokenizer_config.json"),
    ],
)
def test_a_spoilt_checkpoint_is_refused_and_nothing_written(masked, table, tmp_path, spoil, words):
    folder = shutil.copytree(masked, tmp_path / "start")
    spoil(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(HyenaGLTError) as caught:
        tune(folder, table, tmp_path / "out")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.hidden_size=64", "model.hidden_size=64: the checkpoint"),
        ("data.kmer_size=3", "data.kmer_size=3: the checkpoint"),
        ("data.molecule=protein", "data.molecule=protein: the checkpoint"),
        ("preset=large", "preset=large: the checkpoint"),
        ("training.freeze=everything", "training.freeze='everything'"),
        ("training.lora_rank=-1", "training.lora_rank=-1"),
        ("model.max_position_embeddings=20", "add --set model.max_position_embeddings="),
    ],
)
def test_settings_at_odds_with_the_checkpoint_are_refused(masked, table, tmp_path, override, words):
    with pytest.raises(HyenaGLTError) as caught:
        tune(masked, table, tmp_path / "out", override)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_mistake_on_the_command_line_ends_in_one_line(
    masked, table, tmp_path, capsys, monkeypatch
):
    spoilt = shutil.copytree(masked, tmp_path / "start")
    cut(spoilt)
    output = tmp_path / "out"
    words = ["train", "--from", spoilt, "--freeze", "backbone", "--train", table]
    monkeypatch.setattr("sys.argv", ["hyena-glt", *map(str, words), "--output", str(output)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    assert "model.safetensors: is damaged or cut short" in lines[-1]
    assert not output.exists()


def test_both_strands_need_a_two_sided_start(causal, table, tmp_path):
    with pytest.raises(HyenaGLTError, match=r"training\.strand=both: the checkpoint .* is causal"):
        tune(causal, table, tmp_path / "out", "training.strand=both")


def test_promoters_of_e_coli_are_read_as_they_were_published(shared_data):
    """FASTA under the name .txt.gz, the coordinates of the promoter within its first word."""
    folder = shared_data / "classification" / "ecoli_promoters_regulondb93"
    for name in ("positive", "negative"):
        path = folder / f"{name}2860.txt.gz"
        records = read_sequences(path)
        with gzip.open(path, "rt") as file:
            assert len(records) == sum(line.startswith(">") for line in file) > 2800
        assert np.median([len(record.sequence) for record in records]) == 81
