"""Use of trained models: predictions, new sequences, scores.

Names load on first use, so that importing this package costs no torch.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.inference.annotator import GenomeAnnotator
    from hyena_glt.inference.explaining import Explainer, Stretch
    from hyena_glt.inference.gene_caller import GeneCaller
    from hyena_glt.inference.generation import generate_sequences
    from hyena_glt.inference.loading import load_language_model
    from hyena_glt.inference.predictor import Predictor
    from hyena_glt.inference.scoring import iter_log_likelihoods, score_sequence
    from hyena_glt.inference.streamer import SequenceStreamer
    from hyena_glt.inference.variant_files import score_vcf
    from hyena_glt.inference.variants import VariantScore, VariantScorer

_HOME = {
    "Explainer": "hyena_glt.inference.explaining",
    "GeneCaller": "hyena_glt.inference.gene_caller",
    "GenomeAnnotator": "hyena_glt.inference.annotator",
    "Predictor": "hyena_glt.inference.predictor",
    "SequenceStreamer": "hyena_glt.inference.streamer",
    "Stretch": "hyena_glt.inference.explaining",
    "VariantScore": "hyena_glt.inference.variants",
    "VariantScorer": "hyena_glt.inference.variants",
    "generate_sequences": "hyena_glt.inference.generation",
    "iter_log_likelihoods": "hyena_glt.inference.scoring",
    "load_language_model": "hyena_glt.inference.loading",
    "score_sequence": "hyena_glt.inference.scoring",
    "score_vcf": "hyena_glt.inference.variant_files",
}

__all__ = [
    "Explainer",
    "GeneCaller",
    "GenomeAnnotator",
    "Predictor",
    "SequenceStreamer",
    "Stretch",
    "VariantScore",
    "VariantScorer",
    "generate_sequences",
    "iter_log_likelihoods",
    "load_language_model",
    "score_sequence",
    "score_vcf",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
