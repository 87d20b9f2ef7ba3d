"""What a model has learned: reports, patches and attributions, made to be looked at.

Names load on first use, so that importing this package costs no plotting or learning library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyena_glt.interpretability.attention import analyze_attention_patterns
    from hyena_glt.interpretability.attribution import in_silico_mutagenesis
    from hyena_glt.interpretability.compression import compute_compression_statistics
    from hyena_glt.interpretability.overview import visualize_model_behavior
    from hyena_glt.interpretability.report import write_report

_HOME = {
    "analyze_attention_patterns": "hyena_glt.interpretability.attention",
    "compute_compression_statistics": "hyena_glt.interpretability.compression",
    "in_silico_mutagenesis": "hyena_glt.interpretability.attribution",
    "visualize_model_behavior": "hyena_glt.interpretability.overview",
    "write_report": "hyena_glt.interpretability.report",
}

__all__ = [
    "analyze_attention_patterns",
    "compute_compression_statistics",
    "in_silico_mutagenesis",
    "visualize_model_behavior",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
