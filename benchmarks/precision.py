"""Training and forward pass of the default model in every number format that the machine has.

    python benchmarks/precision.py --output benchmarks/results/precision.json
    python benchmarks/precision.py --lengths 8192 --batch-size 16 --device cuda

Every format trains the same model on the same batches, in a process of its own, so that its peak of
memory is its own.  Times are per step (forward, backward, optimiser) and per forward pass in
inference mode; fp8 is for training, and its forward pass runs in bf16.  After ``--steps`` steps on
a made-up language whose entropy is known the loss is compared with that of fp32.  Memory is that of
the process, or of the GPU's allocator; formats that the machine lacks are named with the reason.
The last line is one JSON object.
"""

import multiprocessing
import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch import Tensor

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model.faces import HyenaGLTForCausalLM
from hyena_glt.training.optimization import make_optimizer
from hyena_glt.training.precision import (
    MODES,
    Arithmetic,
    Mode,
    default_device,
    has_fast,
    refusal,
)
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import training_step
from protocol import finish, parser_of, peak_megabytes

_CONTEXT = 3
_LAST_STEPS = 10


def language(rows: int, length: int, seed: int) -> Tensor:
    """Tokens (rows, length) of a Markov chain over three bases of context, always the same chain.

    Args:
        rows: Sequences.
        length: Nucleotides.
        seed: Of what is drawn from the chain.
    """
    chain = torch.Generator().manual_seed(0)
    table = torch.randn(4**_CONTEXT, 4, generator=chain).mul_(1.5).softmax(dim=1)
    draw = torch.Generator().manual_seed(seed)
    bases = torch.zeros(rows, length + _CONTEXT, dtype=torch.long)
    place = 4 ** torch.arange(_CONTEXT)
    for at in range(_CONTEXT, length + _CONTEXT):
        context = (bases[:, at - _CONTEXT : at] * place).sum(dim=1)
        bases[:, at] = torch.multinomial(table[context], 1, generator=draw)[:, 0]
    return bases[:, _CONTEXT:] + 8


def milliseconds(run: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median wall-clock time of a run; a first one warms up.

    Args:
        run: What to time.
        repeats: Runs that count.
        device: What it runs on.
    """
    taken = []
    for turn in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn:
            taken.append(time.perf_counter() - start)
    return round(1e3 * statistics.median(taken), 2)


def measure(mode: Mode, length: int, options: Namespace) -> dict[str, Any]:
    """Train and run the model in one format; to be called in a process of its own.

    Args:
        mode: The format.
        length: Nucleotides per sequence.
        options: The script's options.
    """
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    settings = TrainingSettings(precision=mode, learning_rate=options.learning_rate)
    arithmetic = Arithmetic(settings, device)
    torch.manual_seed(0)
    config = HyenaGLTConfig(
        max_position_embeddings=length, target_compression=options.target_compression, dropout=0.0,
        intermediate_size=options.intermediate_size,
    )  # fmt: skip
    model = HyenaGLTForCausalLM(config).to(device).train()  # type: ignore[arg-type]
    arithmetic.prepare(model)
    optimizer = make_optimizer(model, settings)

    def batch(step: int) -> dict[str, Tensor]:
        ids = language(options.batch_size, length, seed=1 + step).to(device)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}

    def step(number: int, inputs: dict[str, Tensor]) -> float:
        return training_step(
            model, inputs, optimizer, arithmetic, step=number, total=options.steps,
            settings=settings,
        ).loss  # fmt: skip

    losses = [step(number, batch(number)) for number in range(options.steps)]
    inputs = batch(options.steps)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    train = milliseconds(lambda: step(options.steps - 1, inputs), options.repeats, device)
    on_gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / 1e6 if on_gpu else peak_megabytes()
    model.eval()
    with torch.no_grad(), arithmetic.autocast():
        forward = milliseconds(lambda: model(**inputs), options.repeats, device)
    last = losses[-_LAST_STEPS:]
    return {
        "mode": mode,
        "nucleotides": length,
        "training_ms": train,
        "forward_ms": forward,
        "megabytes_peak": round(peak),
        "loss": round(sum(last) / len(last), 4),
        "parameters": model.num_parameters(),
    }


def beside_fp32(rows: list[dict[str, Any]]) -> None:
    """Add to every row how it compares with fp32 of the same length.

    Args:
        rows: One per mode and length, fp32 among them; changed in place.
    """
    for row in rows:
        plain = next(
            other
            for other in rows
            if other["mode"] == "fp32" and other["nucleotides"] == row["nucleotides"]
        )
        row["training_speedup"] = round(plain["training_ms"] / row["training_ms"], 2)
        row["forward_speedup"] = round(plain["forward_ms"] / row["forward_ms"], 2)
        row["memory_share"] = round(row["megabytes_peak"] / plain["megabytes_peak"], 3)
        row["loss_difference"] = round(row["loss"] - plain["loss"], 4)


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, "2048")
    parser.add_argument("--device", default=str(default_device()), help="cpu or cuda")
    parser.add_argument("--batch-size", type=int, default=4, help="sequences per step")
    parser.add_argument("--steps", type=int, default=50, help="before the losses are compared")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument(
        "--intermediate-size", type=int,
        help="channels inside the MLPs; a multiple of 16 lets fp8 have all of them",
    )  # fmt: skip
    options = parser.parse_args()

    device = torch.device(options.device)
    lacking = {mode: reason for mode in MODES if (reason := refusal(mode, device)) is not None}
    rows = []
    fresh = multiprocessing.get_context("spawn")
    for length in options.lengths:
        for mode in MODES:
            if mode in lacking:
                continue
            with ProcessPoolExecutor(1, mp_context=fresh) as process:
                row = process.submit(measure, mode, length, options).result()
            rows.append(row)
            print(row, flush=True)
    beside_fp32(rows)
    finish(
        "precision",
        options,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        batch_size=options.batch_size,
        steps=options.steps,
        in_hardware=[mode for mode in MODES if mode not in lacking and has_fast(mode, device)],
        lacking=lacking,
        rows=rows,
    )


if __name__ == "__main__":
    main()
