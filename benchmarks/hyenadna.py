"""Forward pass beside HyenaDNA of equal width, depth and MLP size.

HyenaDNA's code is not part of this package.  Fetch it yourself: it is one file,
``standalone_hyenadna.py``, in the public repository HazyResearch/hyena-dna (Apache License 2.0).

    python benchmarks/hyenadna.py --source standalone_hyenadna.py

Both models are causal, have 256 channels, 6 blocks and MLPs of as many parameters (HyenaDNA's is
4-fold, as in its published models; ``--default-mlp`` keeps the larger one of our default model),
and take turns on the same random sequences without gradients, in fp32 or with ``--bf16``; both give
hidden states for every nucleotide.  The last line is one JSON object.

Source: Nguyen et al. 2023, arXiv:2306.15794.
"""

import hashlib
import importlib.util
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from hyena_glt.config import HyenaGLTConfig
from protocol import alternate, compression_of, default_model, finish, parser_of, random_dna


def rearrange(x: Tensor, pattern: str, **axes: int) -> Tensor:
    """What the file wants of einops, where that is not installed.

    Args:
        x: Any tensor.
        pattern: One of the four that occur.
        axes: Size of ``o``.
    """
    if pattern in {"b l d -> b d l", "b d l -> b l d"}:
        return x.transpose(1, 2)
    if pattern == "(o d) -> o d":
        return x.unflatten(0, (axes["o"], -1))
    assert pattern == "l (o d) -> o d l", pattern
    return x.unflatten(1, (axes["o"], -1)).permute(1, 2, 0)


def load(source: Path) -> ModuleType:
    """Import HyenaDNA's file.

    Args:
        source: ``standalone_hyenadna.py``.
    """
    # Stochastic depth is off; the identity takes its arguments and does what it would do.
    stand_ins = {
        "einops": ("rearrange", rearrange),
        "torchvision": ("StochasticDepth", nn.Identity),
    }
    missing = [name for name in stand_ins if importlib.util.find_spec(name) is None]
    for name in missing:
        module = ModuleType(name)
        setattr(module, *stand_ins[name])
        sys.modules |= {name: module, f"{name}.ops": module}
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    for name in missing:
        del sys.modules[name], sys.modules[f"{name}.ops"]
    return loaded


def hyenadna_of(module: Any, config: HyenaGLTConfig) -> nn.Module:
    """HyenaDNA in the width and depth of a configuration, otherwise as published.

    Args:
        module: HyenaDNA's code.
        config: Ours.
    """
    layer = {
        "emb_dim": 5, "filter_order": 64, "l_max": config.max_position_embeddings + 2,
        "modulate": True, "w": 10, "lr": 6e-4, "wd": 0.0, "lr_pos_emb": 0.0,
    }  # fmt: skip
    model: nn.Module = module.HyenaDNAModel(
        d_model=config.hidden_size, n_layer=config.num_layers, d_inner=4 * config.hidden_size,
        vocab_size=12, layer=layer, pad_vocab_size_multiple=8,
    )  # fmt: skip
    return model


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, "2048,8192,32768")
    parser.add_argument("--source", type=Path, required=True, help="standalone_hyenadna.py")
    parser.add_argument("--default-mlp", action="store_true", help="our default MLP, 2.8 times")
    parser.add_argument("--bf16", action="store_true", help="both models under bf16 autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    # Three matrices of 256 x 680 have as many parameters as HyenaDNA's two of 256 x 1024.
    mlp: dict[str, Any] = {} if options.default_mlp else {"intermediate_size": 680}
    ours = default_model(max(options.lengths), options.target_compression, **mlp)
    theirs = hyenadna_of(load(options.source), ours.config).eval()
    rows = []
    for length in options.lengths:
        ids = random_dna(length)
        precision = torch.autocast("cpu", torch.bfloat16, enabled=options.bf16)
        with torch.no_grad(), precision:
            median = alternate(
                {
                    "hyena_glt": partial(ours, ids, logits_to_keep=1),
                    "hyenadna": partial(theirs, ids),
                },
                options.repeats,
            )
        ratio = median["hyenadna"] / median["hyena_glt"]
        times = {name: round(taken, 2) for name, taken in median.items()}
        rows.append(
            {
                "nucleotides": length,
                "milliseconds": times,
                "ratio": round(ratio, 2),
                "nucleotides_per_patch": compression_of(ours, ids),
            }
        )
        print(f"{length:>7} nt: {times} ms, HyenaDNA / ours: {ratio:.2f}")
    sizes = {
        name: sum(parameter.numel() for parameter in model.parameters())
        for name, model in (("hyena_glt", ours), ("hyenadna", theirs))
    }
    finish(
        "hyenadna",
        options,
        parameters=sizes,
        source_sha256=hashlib.sha256(options.source.read_bytes()).hexdigest(),
        rows=rows,
    )


if __name__ == "__main__":
    main()
