"""TensorBoard as a browser shows it, over files that a training wrote."""

import json
import math
import re
import subprocess
import sys
import threading
import urllib.request

import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model.faces import HyenaGLTForCausalLM
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.probes import Probes
from hyena_glt.training.step import StepFigures
from hyena_glt.training.tensorboard import TensorBoardCallback

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "boundary_scorer": "fixed",
}  # fmt: skip
pytestmark = pytest.mark.slow  # TensorBoard takes seconds to start


def train(folder, losses, *, before=0):
    config = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=1), **TINY)
    model = HyenaGLTForCausalLM(config)
    ids = torch.tensor([[8, 9, 10, 11] * 12] * 3)
    callback = TensorBoardCallback(folder, Probes({"input_ids": ids}))
    callback.on_start(20, before, model)
    for step, loss in enumerate(losses, start=before + 1):
        callback.on_step(step, StepFigures(loss, 1e-3, 0.5, 4.0, 640))
    last = before + len(losses)
    callback.on_evaluation("validation", 1.0, last, 0.625, {"mcc": 0.375})
    callback.on_end("finished")


@pytest.fixture
def server():
    """Give a function that serves a folder on a free port and returns the address."""
    processes = []

    def serve(folder):
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder),
                   "--host", "127.0.0.1", "--port", "0"]  # fmt: skip
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        patience = threading.Timer(60, process.kill)
        patience.start()
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                patience.cancel()
                return found[0]
        pytest.fail("TensorBoard did not start")

    yield serve
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()


def test_curves_and_pictures_are_shown_also_of_a_training_that_went_on(browser, server, tmp_path):
    folder = tmp_path / "run" / "tensorboard"
    train(folder, [9.0] * 12)
    train(folder, [math.exp(-step / 8) for step in range(9, 21)], before=8)
    address = server(tmp_path)
    dom, console = browser(
        f"{address}#timeseries", "--window-size=1500,3000", "--virtual-time-budget=20000"
    )
    query = "data/plugin/scalars/scalars?run=run/tensorboard&tag=loss/train"
    with urllib.request.urlopen(address + query) as answer:
        points = json.load(answer)
    assert [(step, value == 9) for _, step, value in points] == [
        (step, step <= 8) for step in range(1, 21)
    ]
    # TensorBoard itself prints warnings; an error would be uncaught.
    assert [line for line in console if "Uncaught" in line] == []
    for tag in ("loss/train", "loss/validation", "patches/boundaries", "patches/bridge_attention",
                "patches/length"):  # fmt: skip
        assert tag in dom
    text = " ".join(re.sub(r"<[^>]+>", " ", dom).split())
    # The table below a curve: smoothed value, value and step of the last point.
    assert re.search(r"run/tensorboard [\d.]+ 0\.0821 20 ", text)
    assert re.search(r"run/tensorboard [\d.]+ 0\.625 20 ", text)
