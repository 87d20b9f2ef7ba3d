import math

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import OutputError
from hyena_glt.model.faces import HyenaGLTForCausalLM
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.probes import Probes
from hyena_glt.training.step import StepFigures
from hyena_glt.training.tensorboard import TensorBoardCallback

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "boundary_scorer": "fixed",
}  # fmt: skip


def figures(step, **changed):
    return StepFigures(1 / step, 1e-3, 0.5, 4.0, 640)._replace(**changed)


def read(folder):
    found = EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0})
    return found.Reload()


def points(found, tag):
    return [(event.step, round(event.value, 6)) for event in found.Scalars(tag)]


def test_curves_are_there_point_by_point(tmp_path):
    callback = TensorBoardCallback(tmp_path / "tensorboard")
    callback.on_start(4)
    for step in range(1, 5):
        callback.on_step(step, figures(step))
    callback.on_evaluation("validation", 1.0, 4, 0.3, {"mcc": 0.5, "auroc": math.nan})
    callback.on_evaluation("validation", 1.0, 4, math.nan, {"tf_0/mcc": 0.25})
    callback.on_end("finished")
    found = read(tmp_path / "tensorboard")
    assert points(found, "loss/train") == [(1, 1), (2, 0.5), (3, 0.333333), (4, 0.25)]
    assert points(found, "training/learning_rate") == [(step, 1e-3) for step in range(1, 5)]
    assert points(found, "training/grad_norm") == [(step, 0.5) for step in range(1, 5)]
    assert points(found, "training/compression_ratio") == [(step, 4) for step in range(1, 5)]
    assert points(found, "loss/validation") == [(4, 0.3)]
    assert points(found, "validation/mcc") == [(4, 0.5)]
    assert points(found, "validation/tf_0/mcc") == [(4, 0.25)]
    assert len(points(found, "training/tokens_per_second")) == 4
    assert "validation/auroc" not in found.Tags()["scalars"]


def test_losses_of_different_tasks_are_different_curves(tmp_path):
    callback = TensorBoardCallback(tmp_path)
    callback.on_start(3)
    for step, task in enumerate(("tf_0", "length", "tf_0"), start=1):
        callback.on_step(step, figures(step, task=task))
    callback.on_end("finished")
    found = read(tmp_path)
    assert points(found, "loss/train/tf_0") == [(1, 1), (3, 0.333333)]
    assert points(found, "loss/train/length") == [(2, 0.5)]
    assert "loss/train" not in found.Tags()["scalars"]
    assert len(points(found, "training/grad_norm")) == 3


def test_a_figure_that_is_no_number_leaves_a_gap(tmp_path):
    callback = TensorBoardCallback(tmp_path)
    callback.on_start(2)
    callback.on_step(1, figures(1, grad_norm=math.inf, tokens=0))
    callback.on_step(2, figures(2, tokens=0))
    callback.on_end("finished")
    found = read(tmp_path)
    assert points(found, "training/grad_norm") == [(2, 0.5)]
    assert "training/tokens_per_second" not in found.Tags()["scalars"]


def test_a_training_that_goes_on_leaves_no_point_twice(tmp_path):
    first = TensorBoardCallback(tmp_path)
    first.on_start(8)
    for step in range(1, 7):
        first.on_step(step, figures(step, loss=9.0))
    first.on_evaluation("validation", 0.5, 2, 1.0, {"mcc": 0.1})
    first.on_evaluation("validation", 1.0, 6, 9.0, {"mcc": 0.9})  # and no end: it was killed
    second = TensorBoardCallback(tmp_path)
    second.on_start(8, step=4)
    for step in range(5, 9):
        second.on_step(step, figures(step, loss=1.0))
    second.on_end("finished")
    found = read(tmp_path)
    assert points(found, "loss/train") == [
        (step, 9.0 if step <= 4 else 1.0) for step in range(1, 9)
    ]
    assert points(found, "validation/mcc") == [(2, 0.1)]


@pytest.fixture
def watched(tmp_path):
    config = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=1), **TINY)
    model = HyenaGLTForCausalLM(config)
    ids = torch.tensor([[8, 9, 10, 11] * 12] * 3)
    probes = Probes({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    callback = TensorBoardCallback(tmp_path, probes)
    callback.on_start(2, model=model)
    callback.on_evaluation("validation", 1.0, 1, 0.3, {})
    callback.on_evaluation("test", 1.0, 1, 0.3, {})
    callback.on_end("finished")
    return read(tmp_path), probes.look(model)


def test_probes_are_drawn_in_each_evaluation_on_the_validation_data(watched):
    found, view = watched
    assert points(found, "patches/compression_ratio") == [(1, round(view.compression_ratio, 6))]
    for tag in ("patches/boundaries", "patches/bridge_attention"):
        (picture,) = found.Images(tag)
        assert picture.encoded_image_string.startswith(b"\x89PNG")
        assert picture.width > 500


def test_the_histogram_counts_patches_by_their_length(watched):
    found, view = watched
    (event,) = found.Histograms("patches/length")
    histogram = event.histogram_value
    assert histogram.num == len(view.patch_lengths)
    assert histogram.sum == 3 * 48
    assert (histogram.min, histogram.max) == (view.patch_lengths.min(), view.patch_lengths.max())


def test_nothing_is_written_by_a_callback_that_hears_nothing(tmp_path):
    TensorBoardCallback(tmp_path / "tensorboard").on_end("failed")
    assert not (tmp_path / "tensorboard").exists()


def test_figures_that_come_after_the_end_are_added(tmp_path):
    callback = TensorBoardCallback(tmp_path)
    callback.on_start(2)
    callback.on_step(1, figures(1))
    callback.on_end("finished")
    callback.on_evaluation("test", 1.0, 1, math.nan, {"mcc": 0.5})
    callback.on_end("finished")
    found = read(tmp_path)
    assert points(found, "loss/train") == [(1, 1)]
    assert points(found, "test/mcc") == [(1, 0.5)]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "tensorboard").write_text("a file")
    callback = TensorBoardCallback(tmp_path / "tensorboard")
    with pytest.raises(OutputError, match=r"tensorboard: cannot be written"):
        callback.on_start(4)
    callback.on_end("failed")
