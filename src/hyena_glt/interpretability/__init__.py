"""What a model has learned: reports, patches and attributions, made to be looked at.

Names load on first use, so that importing this package costs no plotting or learning library.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.interpretability.attention import analyze_attention_patterns
    from hyena_glt.interpretability.attention_focus import compare_tracks, enrichment
    from hyena_glt.interpretability.attention_profile import attention_profiles
    from hyena_glt.interpretability.attribution import attribute
    from hyena_glt.interpretability.compression import compute_compression_statistics
    from hyena_glt.interpretability.compression_boundaries import analyze_boundaries
    from hyena_glt.interpretability.compression_figure import visualize_compression_patterns
    from hyena_glt.interpretability.compression_probe import probe_compression
    from hyena_glt.interpretability.explain_page import write_explanation
    from hyena_glt.interpretability.framework import HyenaInterpretabilityFramework
    from hyena_glt.interpretability.gradient_attribution import compute_gradient_attributions
    from hyena_glt.interpretability.motif_boundaries import boundary_motifs
    from hyena_glt.interpretability.motif_database import match_database
    from hyena_glt.interpretability.motif_discovery import discover_motifs
    from hyena_glt.interpretability.motif_quality import evaluate_motif_quality
    from hyena_glt.interpretability.mutagenesis import in_silico_mutagenesis
    from hyena_glt.interpretability.overview import visualize_model_behavior
    from hyena_glt.interpretability.pictures import explanation_figure
    from hyena_glt.interpretability.report import write_report

_HOME = {
    "HyenaInterpretabilityFramework": "hyena_glt.interpretability.framework",
    "analyze_attention_patterns": "hyena_glt.interpretability.attention",
    "analyze_boundaries": "hyena_glt.interpretability.compression_boundaries",
    "attention_profiles": "hyena_glt.interpretability.attention_profile",
    "attribute": "hyena_glt.interpretability.attribution",
    "boundary_motifs": "hyena_glt.interpretability.motif_boundaries",
    "compare_tracks": "hyena_glt.interpretability.attention_focus",
    "compute_compression_statistics": "hyena_glt.interpretability.compression",
    "compute_gradient_attributions": "hyena_glt.interpretability.gradient_attribution",
    "discover_motifs": "hyena_glt.interpretability.motif_discovery",
    "enrichment": "hyena_glt.interpretability.attention_focus",
    "evaluate_motif_quality": "hyena_glt.interpretability.motif_quality",
    "explanation_figure": "hyena_glt.interpretability.pictures",
    "in_silico_mutagenesis": "hyena_glt.interpretability.mutagenesis",
    "match_database": "hyena_glt.interpretability.motif_database",
    "probe_compression": "hyena_glt.interpretability.compression_probe",
    "visualize_compression_patterns": "hyena_glt.interpretability.compression_figure",
    "visualize_model_behavior": "hyena_glt.interpretability.overview",
    "write_explanation": "hyena_glt.interpretability.explain_page",
    "write_report": "hyena_glt.interpretability.report",
}

__all__ = [
    "HyenaInterpretabilityFramework",
    "analyze_attention_patterns",
    "analyze_boundaries",
    "attention_profiles",
    "attribute",
    "boundary_motifs",
    "compare_tracks",
    "compute_compression_statistics",
    "compute_gradient_attributions",
    "discover_motifs",
    "enrichment",
    "evaluate_motif_quality",
    "explanation_figure",
    "in_silico_mutagenesis",
    "match_database",
    "probe_compression",
    "visualize_compression_patterns",
    "visualize_model_behavior",
    "write_explanation",
    "write_report",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
