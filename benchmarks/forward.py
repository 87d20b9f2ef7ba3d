"""Forward pass or training step of the default model beside a transformer of equal size.

The transformer is Hugging Face's ESM encoder with scaled-dot-product attention, sized to the same
number of parameters.  Encoder is compared with encoder, at a batch of one sequence; both take turns
on the same random sequences in fp32.

    python benchmarks/forward.py --output benchmarks/results/forward.json
    python benchmarks/forward.py --training --output benchmarks/results/training.json

A training step is a forward and a backward pass, without dropout and optimiser.  The cost of the
transformer is quadratic: beyond ``--longest-transformer`` it is left out.  The last line is one
JSON object.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import EsmConfig, EsmModel

from hyena_glt.model import HyenaGLT
from protocol import alternate, compression_of, default_model, finish, parser_of, random_dna


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


def turns(ours: HyenaGLT, theirs: EsmModel, ids: Tensor) -> dict[str, Callable[[], list[Tensor]]]:
    """The forward pass of either model; gives what a loss would be made of.

    Args:
        ours: Hyena-GLT.
        theirs: The transformer.
        ids: (1, l) token ids.
    """
    mask = torch.ones_like(ids)

    def hyena_glt() -> list[Tensor]:
        output = ours(ids, mask, logits_to_keep=1)
        # In training the entropy head has a loss of its own, and a backward pass with it.
        own = [] if output.entropy_loss is None else [output.entropy_loss]
        return [output.last_hidden_state, *own]

    def esm() -> list[Tensor]:
        return [theirs(input_ids=ids, attention_mask=mask).last_hidden_state]

    return {"hyena_glt": hyena_glt, "esm": esm}


def with_backward(forward: Callable[[], list[Tensor]]) -> Callable[[], None]:
    """A forward pass with the backward pass behind it.

    Args:
        forward: Gives what a loss would be made of.
    """

    def step() -> None:
        ends = forward()
        torch.autograd.backward(ends, [torch.randn_like(end) for end in ends])

    return step


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, "512,2048,8192,32768")
    parser.add_argument("--training", action="store_true", help="with the backward pass")
    parser.add_argument("--two-sided", action="store_true", help="a model that looks both ways")
    parser.add_argument(
        "--longest-transformer", type=int, default=8192, help="longest sequence the ESM gets"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    longest = max(options.lengths)
    ours = default_model(longest, options.target_compression, causal=not options.two_sided)
    theirs = esm_of_size(ours.num_parameters(), longest).eval()
    sizes = {"hyena_glt": ours.num_parameters(), "esm": theirs.num_parameters()}
    print(", ".join(f"{name}: {count / 1e6:.2f} M parameters" for name, count in sizes.items()))

    rows = []
    for length in options.lengths:
        ids = random_dna(length)
        runs: dict[str, Callable[[], object]] = dict(turns(ours, theirs, ids))
        if options.training:
            runs = {name: with_backward(run) for name, run in turns(ours, theirs, ids).items()}
        if length > options.longest_transformer:
            del runs["esm"]
        compression = compression_of(ours, ids)
        with torch.set_grad_enabled(options.training):
            median = alternate(runs, options.repeats)
        ratio = round(median["esm"] / median["hyena_glt"], 2) if "esm" in median else None
        times = {name: round(median[name], 2) if name in median else None for name in sizes}
        rows.append(
            {
                "nucleotides": length,
                "milliseconds": times,
                "ratio": ratio,
                "nucleotides_per_patch": compression,
            }
        )
        print(f"{length:>7} nt ({compression} per patch): {times} ms, ESM / ours: {ratio}")
    finish("training" if options.training else "forward", options, parameters=sizes, rows=rows)


if __name__ == "__main__":
    main()
