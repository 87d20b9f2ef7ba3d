"""Trainings that are watched: what is drawn of them, and that they end as if nobody looked."""

import json
import re

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyena_glt.cli import pretraining
from hyena_glt.cli.experiment import run_training
from hyena_glt.cli.pretraining import resume_pretraining, run_pretraining
from hyena_glt.cli.watching import watchers
from hyena_glt.data.simulation import simulate_genome
from hyena_glt.errors import TrainingError
from hyena_glt.interpretability import write_report
from hyena_glt.io.fasta import write_fasta
from hyena_glt.io.records import SequenceRecord
from hyena_glt.training.settings import PretrainingRunSettings, RunSettings
from hyena_glt.training.tensorboard import TensorBoardCallback

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "filter_size": 32,
}  # fmt: skip
PICTURES = {"patches/boundaries", "patches/bridge_attention"}


def read(folder):
    return EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0}).Reload()


def steps_of(found, tag):
    return [event.step for event in found.Scalars(tag)]


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    chromosome = simulate_genome(12_000, num_genes=5, num_islands=0, seed=3, id_="chr")
    write_fasta(path, [SequenceRecord("chr", chromosome.sequence)])
    return str(path)


def pretraining_settings(genome, **changed):
    options = {"fasta": [genome], "steps": 8, "window": 64, "batch_size": 2, "evaluate_every": 4,
               "checkpoint_every": 3, "generate": 0}  # fmt: skip
    return PretrainingRunSettings.model_validate({"model": TINY, "pretraining": options | changed})


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_a_pretraining_that_died_and_went_on_is_drawn_once(genome, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "_ORDER", 3)  # the time goes into the training
    run_pretraining(pretraining_settings(genome, tensorboard=False), tmp_path / "alone", "")
    assert not (tmp_path / "alone" / "tensorboard").exists()

    died, on_step = tmp_path / "died", TensorBoardCallback.on_step

    def die_after_five(self, step, figures):
        on_step(self, step, figures)
        if step == 5:
            raise TrainingError("power cut")

    monkeypatch.setattr(TensorBoardCallback, "on_step", die_after_five)
    with pytest.raises(TrainingError, match="power cut"):
        run_pretraining(pretraining_settings(genome), died, "")
    assert steps_of(read(died), "loss/train") == [1, 2, 3, 4, 5]
    html = write_report(died).read_text()
    assert "This run has not finished." in html
    assert "To beat: test bits per base" in html

    monkeypatch.setattr(TensorBoardCallback, "on_step", on_step)
    resume_pretraining(died)
    found = read(died)
    assert steps_of(found, "loss/train") == list(range(1, 9))
    assert steps_of(found, "validation/bits_per_base") == [4, 8]
    assert set(found.Tags()["images"]) == PICTURES
    assert weights(died) == weights(tmp_path / "alone")
    html = (died / "report.html").read_text()
    assert "This run has not finished." not in html
    assert re.search(r"needs [\d.]+ bits per base", html)


def test_a_training_on_labels_is_drawn_with_its_metrics(tmp_path):
    table = tmp_path / "train.tsv"
    rows = [f"{'ACGT' * 5}{'AC'[n % 2] * 6}{'TGCA'[n % 4] * 4}\t{n % 2}" for n in range(40)]
    table.write_text("sequence\tlabel\n" + "\n".join(rows) + "\n")
    settings = RunSettings.model_validate(
        {
            "model": TINY,
            "data": {"train": str(table)},
            "training": {"num_epochs": 2, "batch_size": 8, "strand": "forward"},
        }
    )
    output = tmp_path / "run"
    run_training(settings, output, "")
    found = read(output)
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    logged = [(event["step"], event["loss"]) for event in log if event["event"] == "step"]
    drawn = [(event.step, event.value) for event in found.Scalars("loss/train")]
    assert drawn == [(step, pytest.approx(loss)) for step, loss in logged]
    evaluated = [event for event in log if event.get("split") == "validation"]
    assert steps_of(found, "validation/mcc") == [event["step"] for event in evaluated]
    assert set(found.Tags()["images"]) == PICTURES
    assert found.Tags()["histograms"] == ["patches/length"]
    assert {"training/grad_norm", "training/learning_rate", "training/compression_ratio",
            "training/tokens_per_second"} <= set(found.Tags()["scalars"])  # fmt: skip
    assert [event["name"] for event in log if event["event"] == "baseline"]
    settings.training.tensorboard = False
    run_training(settings, tmp_path / "alone", "")
    assert not (tmp_path / "alone" / "tensorboard").exists()
    assert weights(output) == weights(tmp_path / "alone")


def test_of_several_tasks_each_has_curves_of_its_own(tmp_path):
    tasks = {}
    for name in ("last", "third"):
        table = tmp_path / f"{name}.tsv"
        rows = [f"{'ACGT' * 5}{'AC'[n % 2] * 6}{'TGCA'[n % 4] * 4}\t{n % 2}" for n in range(40)]
        table.write_text("sequence\tlabel\n" + "\n".join(rows) + "\n")
        tasks[name] = {"train": str(table), "strand": "forward"}
    settings = RunSettings.model_validate(
        {"model": TINY, "tasks": tasks, "training": {"num_epochs": 1, "batch_size": 8}}
    )
    output = tmp_path / "run"
    run_training(settings, output, "")
    found = read(output)
    scalars = set(found.Tags()["scalars"])
    assert {"validation/last/mcc", "validation/third/mcc", "validation/third/loss"} <= scalars
    assert {"loss/train/last", "loss/train/third"} <= scalars
    assert set(found.Tags()["images"]) == PICTURES
    html = (output / "report.html").read_text()
    assert "One model, 2 tasks" in html
    assert "What this report could not show" not in html


def test_probes_may_be_left_out(tmp_path):
    (callback,) = watchers(RunSettings().training, tmp_path, None)
    assert isinstance(callback, TensorBoardCallback)
    assert callback.probes is None
