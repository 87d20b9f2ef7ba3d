"""How good predictions are, and what a simple model reaches on the same data.

Names load on first use, so that importing this package costs no learning library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyena_glt.evaluation.baselines import InterpolatedMarkov, KmerLogisticRegression
    from hyena_glt.evaluation.metrics import bootstrap_interval, compute_metrics
    from hyena_glt.evaluation.periodicity import codon_periodicity

_HOME = {
    "InterpolatedMarkov": "hyena_glt.evaluation.baselines",
    "KmerLogisticRegression": "hyena_glt.evaluation.baselines",
    "bootstrap_interval": "hyena_glt.evaluation.metrics",
    "codon_periodicity": "hyena_glt.evaluation.periodicity",
    "compute_metrics": "hyena_glt.evaluation.metrics",
}

__all__ = [
    "InterpolatedMarkov",
    "KmerLogisticRegression",
    "bootstrap_interval",
    "codon_periodicity",
    "compute_metrics",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
