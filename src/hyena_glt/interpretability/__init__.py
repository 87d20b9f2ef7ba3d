"""What a model has learned: reports, patches and attributions, made to be looked at.

Names load on first use, so that importing this package costs no plotting or learning library.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOME)
