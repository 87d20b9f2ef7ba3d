"""Three evaluations of one long convolution: by Fourier transform, in chunks, step by step.

One operator of the default model (``LI``, or ``MR`` with ``--kind``) is measured alone, filter
included, in turns on the same random input; lengths are counted in patches.  Transforms are rounded
up to a power of two, so they look best at powers of two; the defaults hold others as well.  The
recurrence is measured over a few steps only: each costs the same.

    python benchmarks/convolution.py --output benchmarks/results/convolution.json

``crossover`` is the shortest measured length from which on chunks are faster than transforms, for
the forward pass alone and with the backward pass.  The last line is one JSON object.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.layers.hyena import Evaluation, HyenaOperator
from protocol import alternate, finish, numbers, parser_of

_STEPS = 512
_EVALUATIONS: tuple[Evaluation, ...] = ("fft", "chunked")


def operator_of(width: int, kind: str, *, causal: bool) -> HyenaOperator:
    """An operator as the default model has it, at another width.

    Args:
        width: Channels.
        kind: ``LI`` or ``MR``.
        causal: False: two-sided.
    """
    config = HyenaGLTConfig()
    return HyenaOperator(
        width, kind, causal=causal, short_filter_order=config.short_filter_order,
        filter_length=config.medium_filter_length, filter_size=width,
        filter_modes=config.filter_modes,
    )  # fmt: skip


def turn(operator: HyenaOperator, steps: int, evaluation: Evaluation) -> Callable[[], None]:
    """One evaluation of the operator's filter, with the backward pass if gradients are on.

    Args:
        operator: The operator.
        steps: Length of the input.
        evaluation: Which.
    """
    u = torch.randn(1, steps, operator.skip.shape[0], requires_grad=True)

    def run() -> None:
        operator.forced = evaluation
        out = operator.convolve(u)
        if torch.is_grad_enabled():
            out.backward(torch.ones_like(out))

    return run


@torch.no_grad()
def step_microseconds(operator: HyenaOperator) -> float:
    """Mean wall-clock time of one step of the whole operator, projections included.

    Args:
        operator: A causal operator.
    """
    state, tables = operator.initial_state(1), operator.tables()
    x = torch.randn(1, 1, operator.skip.shape[0])
    for count in (16, _STEPS):  # the first ones warm up
        start = time.perf_counter()
        for _ in range(count):
            _, state = operator.extend(x, state, tables)
        taken = time.perf_counter() - start
    return round(1e6 * taken / _STEPS, 1)


def crossover(rows: list[dict[str, Any]], name: str) -> int | None:
    """Shortest length from which on chunks stay faster; None if they do not.

    Args:
        rows: Of one width, by rising length.
        name: Column.
    """
    shortest = None
    for row in reversed(rows):
        if row[name]["chunked"] >= row[name]["fft"]:
            break
        shortest = row["steps"]
    return shortest


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__, "256,1024,4096,6000,8192,12000,16384,32768,65536")
    parser.add_argument("--widths", type=numbers, default=[128, 256], help="channels, by comma")
    parser.add_argument("--kind", choices=("LI", "MR"), default="LI")
    parser.add_argument("--two-sided", action="store_true", help="filters to both sides")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    rows: list[dict[str, Any]] = []
    crossovers: dict[int, dict[str, int | None]] = {}
    step: dict[int, float | None] = {}
    for width in options.widths:
        operator = operator_of(width, options.kind, causal=not options.two_sided)
        step[width] = None if options.two_sided else step_microseconds(operator)
        for steps in sorted(options.lengths):
            row: dict[str, Any] = {"width": width, "steps": steps}
            runs: dict[str, Callable[[], object]] = {
                name: turn(operator, steps, name) for name in _EVALUATIONS
            }
            for name, gradients in (("forward", False), ("training", True)):
                with torch.set_grad_enabled(gradients):
                    median = alternate(runs, options.repeats)
                row[name] = {key: round(value, 3) for key, value in median.items()}
            rows.append(row)
            print(row)
        own = [row for row in rows if row["width"] == width]
        crossovers[width] = {name: crossover(own, name) for name in ("forward", "training")}
        print(f"width {width}: chunks are faster from {crossovers[width]}; step: {step[width]} us")
    finish(
        "convolution",
        options,
        kind=options.kind,
        causal=not options.two_sided,
        step_microseconds=step,
        crossover=crossovers,
        rows=rows,
    )


if __name__ == "__main__":
    main()
