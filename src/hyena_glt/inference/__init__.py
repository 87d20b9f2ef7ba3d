"""Use of trained models: predictions, new sequences, scores.

Names load on first use, so that importing this package costs no torch.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.inference.annotator import GenomeAnnotator
    from hyena_glt.inference.generation import generate_sequences
    from hyena_glt.inference.loading import load_language_model
    from hyena_glt.inference.predictor import Predictor
    from hyena_glt.inference.scoring import iter_log_likelihoods, score_sequence
    from hyena_glt.inference.streamer import SequenceStreamer

_HOME = {
    "GenomeAnnotator": "hyena_glt.inference.annotator",
    "Predictor": "hyena_glt.inference.predictor",
    "SequenceStreamer": "hyena_glt.inference.streamer",
    "generate_sequences": "hyena_glt.inference.generation",
    "iter_log_likelihoods": "hyena_glt.inference.scoring",
    "load_language_model": "hyena_glt.inference.loading",
    "score_sequence": "hyena_glt.inference.scoring",
}

__all__ = [
    "GenomeAnnotator",
    "Predictor",
    "SequenceStreamer",
    "generate_sequences",
    "iter_log_likelihoods",
    "load_language_model",
    "score_sequence",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
