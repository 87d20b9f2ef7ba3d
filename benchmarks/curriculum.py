"""What windows that grow buy: time to a given loss, with and without the curriculum.

A causal model is pretrained on a simulated genome (genes, repeats, CpG islands) twice per seed,
from the same weights and with the same number of steps and bases: with whole windows from the
start, and with windows that grow from 64 bases to the whole one over the first half of the steps.
The loss is that of whole windows of held-out regions.  Time is that of the processor in training
steps, without evaluations.  The targets are the losses of the plain run at half and three quarters
of its steps, and at its end.

    python benchmarks/curriculum.py --output benchmarks/results/curriculum.json
"""

import statistics
import time
from typing import Any

import numpy as np
import torch

from hyena_glt.biology.codons import GENETIC_CODE
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.genome import Genome
from hyena_glt.data.simulation import MarkovBackground, simulate_genome
from hyena_glt.io.records import SequenceRecord
from hyena_glt.training.pretraining import Pretraining, divide
from hyena_glt.training.run_log import RunLog
from hyena_glt.training.settings import PretrainingSettings
from protocol import finish, parser_of

_TARGETS = (0.5, 0.75, 1.0)


class _TimedLog(RunLog):
    """A log that knows how long the processor worked."""

    def write(self, event: str, **values: Any) -> None:
        super().write(event, **values, processor=time.process_time())


def _letters(bases: int) -> str:
    """A genome with something to learn: a Markov background, genes with rare codons, repeats."""
    random = np.random.default_rng(0)
    weights = random.gamma(0.4, size=len(GENETIC_CODE))
    return simulate_genome(
        bases,
        num_genes=bases // 1500,
        num_islands=bases // 50_000,
        num_dispersed_repeats=bases // 4000,
        background=MarkovBackground.random(4, random, gc=0.45, evenness=4.0),
        codon_usage=dict(zip(GENETIC_CODE, weights.tolist(), strict=True)),
    ).sequence


def _run(settings: PretrainingSettings, genome: Genome, model: dict[str, Any]) -> dict[str, Any]:
    """Train once; validation loss and seconds of the steps so far, at each evaluation."""
    regions = divide(genome, settings)
    trainer = Pretraining(HyenaGLTConfig(**model), genome, regions, settings, progress=False)
    log = _TimedLog()
    log.write("note", message="start")
    result = trainer.run(log=log)
    seconds, before = 0.0, log.events[0]["processor"]
    curve = []
    for event in log.events:
        if event["event"] == "step":
            seconds += event["processor"] - before
        elif event.get("split") == "validation":
            curve.append((event["step"], seconds, event["metrics"]["bits_per_base"]))
        before = event["processor"]
    return {"curve": curve, "seconds": seconds, "test_bits": result.bits_per_base}


def _seconds_to(curve: list[tuple[int, float, float]], bits: float) -> float | None:
    return next((seconds for _, seconds, own in curve if own <= bits), None)


def main() -> None:
    """Measure, and print the result."""
    parser = parser_of(__doc__, "512")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bases", type=int, default=400_000, help="of the simulated genome")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    letters = _letters(options.bases)
    genome = Genome([SequenceRecord("chr1", letters)])
    rows = []
    for window in options.lengths:
        model = {
            "hidden_size": 64, "num_layers": 3, "intermediate_size": 128, "local_hidden_size": 64,
            "num_attention_heads": 4, "target_compression": 6.0, "dropout": 0.0,
            "genomic_vocab_size": 12, "max_position_embeddings": 4 * window,
        }  # fmt: skip
        for seed in range(options.seeds):
            runs = {}
            for name in ("none", "length"):
                settings = PretrainingSettings(
                    window=window, batch_size=max(1, 4096 // window), steps=options.steps,
                    evaluate_every=max(1, options.steps // 20), seed=seed, curriculum=name,
                    learning_rate=2e-3, weight_average=0.98, precision="fp32",
                )  # fmt: skip
                runs[name] = _run(settings, genome, model)
            curve = runs["none"]["curve"]
            times = {}
            for share in _TARGETS:
                _, seconds, bits = curve[round(share * len(curve)) - 1]
                grown = _seconds_to(runs["length"]["curve"], bits)
                times[f"at {share:.0%} of the steps"] = {
                    "bits": round(bits, 4), "plain_s": round(seconds, 1),
                    "curriculum_s": None if grown is None else round(grown, 1),
                }  # fmt: skip
            row = {
                "window": window, "seed": seed, "time_to_loss": times,
                "plain_s": round(runs["none"]["seconds"], 1),
                "curriculum_s": round(runs["length"]["seconds"], 1),
                "plain_test_bits": round(runs["none"]["test_bits"], 4),
                "curriculum_test_bits": round(runs["length"]["test_bits"], 4),
            }  # fmt: skip
            print(row, flush=True)
            rows.append(row)
    summary = {
        str(window): {
            "seconds_curriculum_over_plain": round(statistics.median(
                row["curriculum_s"] / row["plain_s"] for row in rows if row["window"] == window
            ), 3),
            "test_bits_curriculum_minus_plain": round(statistics.mean(
                row["curriculum_test_bits"] - row["plain_test_bits"]
                for row in rows if row["window"] == window
            ), 4),
        }
        for window in options.lengths
    }  # fmt: skip
    finish("curriculum", options, bases=options.bases, steps=options.steps, runs=rows,
           summary=summary)  # fmt: skip


if __name__ == "__main__":
    main()
