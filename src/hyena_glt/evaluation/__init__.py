"""How good predictions are, and what a simple model reaches on the same data.

Names load on first use, so that importing this package costs no learning library.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.evaluation.baselines import InterpolatedMarkov, KmerLogisticRegression
    from hyena_glt.evaluation.bootstrap import bootstrap_interval
    from hyena_glt.evaluation.detailed import evaluate_predictions
    from hyena_glt.evaluation.genomic import evaluate_genomic_model
    from hyena_glt.evaluation.metrics import compute_metrics
    from hyena_glt.evaluation.periodicity import codon_periodicity
    from hyena_glt.evaluation.token_baseline import WindowedKmerRegression
    from hyena_glt.evaluation.token_metrics import TokenCounts

_HOME = {
    "InterpolatedMarkov": "hyena_glt.evaluation.baselines",
    "KmerLogisticRegression": "hyena_glt.evaluation.baselines",
    "TokenCounts": "hyena_glt.evaluation.token_metrics",
    "WindowedKmerRegression": "hyena_glt.evaluation.token_baseline",
    "bootstrap_interval": "hyena_glt.evaluation.bootstrap",
    "codon_periodicity": "hyena_glt.evaluation.periodicity",
    "compute_metrics": "hyena_glt.evaluation.metrics",
    "evaluate_genomic_model": "hyena_glt.evaluation.genomic",
    "evaluate_predictions": "hyena_glt.evaluation.detailed",
}

__all__ = [
    "InterpolatedMarkov",
    "KmerLogisticRegression",
    "TokenCounts",
    "WindowedKmerRegression",
    "bootstrap_interval",
    "codon_periodicity",
    "compute_metrics",
    "evaluate_genomic_model",
    "evaluate_predictions",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
