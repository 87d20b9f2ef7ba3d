"""Matrix products of the layers in fp32: oneDNN against the library PyTorch takes by itself.

``hyena_glt.layers.linear.Linear`` and ``torch.nn.functional.linear`` take turns on the same random
rows, at widths that the default model has.

    python benchmarks/products.py --output benchmarks/results/products.json

The last line is one JSON object: per shape, the median milliseconds and what they come to in
Gflop/s (two operations per multiply-add).
"""

from functools import partial

import torch
import torch.nn.functional as F

from hyena_glt.layers.linear import Linear
from protocol import alternate, finish, parser_of

_WIDTHS = ((128, 384), (256, 256), (256, 768))


@torch.no_grad()
def main() -> None:
    """Run the benchmark."""
    options = parser_of(__doc__, "2048").parse_args()
    torch.set_num_threads(options.threads)
    table = []
    for count in options.lengths:
        for inputs, outputs in _WIDTHS:
            layer, rows = Linear(inputs, outputs), torch.randn(count, inputs)
            runs = {
                "onednn": partial(layer, rows),
                "default": partial(F.linear, rows, layer.weight, layer.bias),
            }
            # One product takes less than a millisecond: the median of many turns.
            taken = alternate(runs, 100 * options.repeats)
            flops = 2 * count * inputs * outputs
            table.append(
                {"rows": count, "inputs": inputs, "outputs": outputs}
                | {f"{name}_ms": round(ms, 4) for name, ms in taken.items()}
                | {f"{name}_gflops": round(flops / ms / 1e6) for name, ms in taken.items()}
            )
    finish("products", options, table=table)


if __name__ == "__main__":
    main()
