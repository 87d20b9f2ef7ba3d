"""Forward pass of the default model beside a transformer of equal size, in one run.

The transformer is Hugging Face's ESM encoder with scaled-dot-product attention, sized to the same
number of parameters.  Both run alternately on the same random sequences, one at a time, without
gradients; the median of the repeats counts.

    python benchmarks/forward.py --lengths 512,2048,8192 --threads 2

The last line is one JSON object.
"""

import argparse
import json
import platform
import statistics
import time

import torch
from torch import Tensor, nn
from transformers import EsmConfig, EsmModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLT


def esm_of_size(parameters: int, longest: int) -> EsmModel:
    """The ESM encoder (width 320, 4-fold feed-forward) whose size comes nearest.

    Args:
        parameters: Size wanted.
        longest: Longest sequence, in tokens.
    """

    def build(layers: int) -> EsmModel:
        config = EsmConfig(
            vocab_size=33, hidden_size=320, num_hidden_layers=layers, num_attention_heads=20,
            intermediate_size=1280, max_position_embeddings=longest + 2, pad_token_id=0,
            mask_token_id=4, position_embedding_type="rotary",
        )  # fmt: skip
        config._attn_implementation = "sdpa"
        return EsmModel(config, add_pooling_layer=False)

    with torch.device("meta"):
        sizes = {layers: build(layers).num_parameters() for layers in range(4, 16)}
    layers = min(sizes, key=lambda count: abs(sizes[count] - parameters))
    return build(layers)


def seconds(model: nn.Module, ids: Tensor, mask: Tensor) -> float:
    """Wall-clock time of one forward pass.

    Args:
        model: Either model.
        ids: (1, l) token ids.
        mask: (1, l) ones.
    """
    start = time.perf_counter()
    model(input_ids=ids, attention_mask=mask)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="512,2048,8192", help="nucleotides, by comma")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    lengths = [int(part) for part in options.lengths.split(",")]
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    ours = HyenaGLT(HyenaGLTConfig(max_position_embeddings=max(lengths))).eval()
    theirs = esm_of_size(ours.num_parameters(), max(lengths)).eval()
    models: dict[str, nn.Module] = {"hyena_glt": ours, "esm": theirs}
    sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    print(", ".join(f"{name}: {count / 1e6:.2f} M parameters" for name, count in sizes.items()))

    rows = []
    for length in lengths:
        ids = torch.randint(8, 12, (1, length))
        mask = torch.ones_like(ids)
        times: dict[str, list[float]] = {name: [] for name in models}
        with torch.inference_mode():
            compression = float(ours(ids).compression_ratio)
            for repeat in range(options.repeats + 1):
                for name, model in models.items():
                    taken = seconds(model, ids, mask)
                    if repeat:  # the first call warms up
                        times[name].append(taken)
        median = {name: statistics.median(values) * 1e3 for name, values in times.items()}
        ratio = median["esm"] / median["hyena_glt"]
        rows.append(
            {
                "nucleotides": length,
                "milliseconds": {name: round(value, 2) for name, value in median.items()},
                "ratio": round(ratio, 2),
                "nucleotides_per_patch": round(compression, 2),
            }
        )
        print(
            f"{length:>7} nt: Hyena-GLT {median['hyena_glt']:8.1f} ms, ESM {median['esm']:9.1f} "
            f"ms, {ratio:5.1f} times as fast ({compression:.1f} nt per patch)"
        )
    print(
        json.dumps(
            {
                "benchmark": "forward",
                "parameters": sizes,
                "threads": options.threads,
                "torch": torch.__version__,
                "machine": platform.processor() or platform.machine(),
                "rows": rows,
            }
        )
    )


if __name__ == "__main__":
    main()
