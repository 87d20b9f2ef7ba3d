"""Hyena-GLT: language models that read whole genes, base by base.

Raw sequence becomes tokens (``tokenizers``), tokens become patches of varying length, long
convolutions run over the patches, and the result returns to every base (``model``).  Start
reading at ``hyena_glt.model.hyena_glt``.

The names below live in the modules that ``_HOME`` says and are imported on first use, so that
``import hyena_glt`` and ``hyena-glt --help`` cost neither PyTorch nor Transformers.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.config import HyenaGLTConfig
    from hyena_glt.data.collators import SequenceCollator
    from hyena_glt.data.datasets import GenomicDataset
    from hyena_glt.data.genome import Genome
    from hyena_glt.data.loaders import create_genomic_dataloaders
    from hyena_glt.data.streaming import StreamingGenomicDataset
    from hyena_glt.data.streaming_loader import create_streaming_loader
    from hyena_glt.evaluation.baselines import InterpolatedMarkov
    from hyena_glt.evaluation.detailed import evaluate_predictions
    from hyena_glt.evaluation.genomic import evaluate_genomic_model
    from hyena_glt.inference.explaining import Explainer
    from hyena_glt.inference.generation import generate_sequences
    from hyena_glt.inference.loading import load_language_model
    from hyena_glt.inference.scoring import score_sequence
    from hyena_glt.inference.variants import VariantScorer
    from hyena_glt.interpretability import (
        HyenaInterpretabilityFramework,
        analyze_attention_patterns,
        attention_profiles,
        attribute,
        compute_compression_statistics,
        compute_gradient_attributions,
        discover_motifs,
        evaluate_motif_quality,
        visualize_compression_patterns,
        visualize_model_behavior,
    )
    from hyena_glt.model.cache import HyenaGLTCache
    from hyena_glt.model.faces import (
        HyenaGLTForCausalLM,
        HyenaGLTForMaskedLM,
        HyenaGLTForSequenceClassification,
        HyenaGLTForTokenClassification,
    )
    from hyena_glt.model.hyena_glt import HyenaGLT
    from hyena_glt.model.multitask import HyenaGLTForMultiTask
    from hyena_glt.model.outputs import HyenaGLTOutput
    from hyena_glt.tasks.heads import SequenceClassificationHead, TokenClassificationHead
    from hyena_glt.tasks.readout import KmerReadout
    from hyena_glt.tokenizers import (
        DNATokenizer,
        GenomicTokenizer,
        ProteinTokenizer,
        RNATokenizer,
    )
    from hyena_glt.training.curriculum import CurriculumScheduler
    from hyena_glt.training.multitask import MultiTaskTraining
    from hyena_glt.training.pipeline import EnhancedTrainingPipeline
    from hyena_glt.training.pretraining import Pretraining

__version__ = "0.1.0"

__all__ = [
    "CurriculumScheduler",
    "DNATokenizer",
    "EnhancedTrainingPipeline",
    "Explainer",
    "Genome",
    "GenomicDataset",
    "GenomicTokenizer",
    "HyenaGLT",
    "HyenaGLTCache",
    "HyenaGLTConfig",
    "HyenaGLTForCausalLM",
    "HyenaGLTForMaskedLM",
    "HyenaGLTForMultiTask",
    "HyenaGLTForSequenceClassification",
    "HyenaGLTForTokenClassification",
    "HyenaGLTOutput",
    "HyenaInterpretabilityFramework",
    "InterpolatedMarkov",
    "KmerReadout",
    "MultiTaskTraining",
    "Pretraining",
    "ProteinTokenizer",
    "RNATokenizer",
    "SequenceClassificationHead",
    "SequenceCollator",
    "StreamingGenomicDataset",
    "TokenClassificationHead",
    "VariantScorer",
    "analyze_attention_patterns",
    "attention_profiles",
    "attribute",
    "compute_compression_statistics",
    "compute_gradient_attributions",
    "create_genomic_dataloaders",
    "create_streaming_loader",
    "discover_motifs",
    "evaluate_genomic_model",
    "evaluate_motif_quality",
    "evaluate_predictions",
    "generate_sequences",
    "load_language_model",
    "score_sequence",
    "visualize_compression_patterns",
    "visualize_model_behavior",
]

_HOME = {
    "CurriculumScheduler": "hyena_glt.training.curriculum",
    "DNATokenizer": "hyena_glt.tokenizers",
    "EnhancedTrainingPipeline": "hyena_glt.training.pipeline",
    "Explainer": "hyena_glt.inference.explaining",
    "Genome": "hyena_glt.data.genome",
    "GenomicDataset": "hyena_glt.data.datasets",
    "GenomicTokenizer": "hyena_glt.tokenizers",
    "HyenaGLT": "hyena_glt.model.hyena_glt",
    "HyenaGLTCache": "hyena_glt.model.cache",
    "HyenaGLTConfig": "hyena_glt.config",
    "HyenaGLTForCausalLM": "hyena_glt.model.faces",
    "HyenaGLTForMaskedLM": "hyena_glt.model.faces",
    "HyenaGLTForMultiTask": "hyena_glt.model.multitask",
    "HyenaGLTForSequenceClassification": "hyena_glt.model.faces",
    "HyenaGLTForTokenClassification": "hyena_glt.model.faces",
    "HyenaGLTOutput": "hyena_glt.model.outputs",
    "HyenaInterpretabilityFramework": "hyena_glt.interpretability",
    "InterpolatedMarkov": "hyena_glt.evaluation.baselines",
    "KmerReadout": "hyena_glt.tasks.readout",
    "MultiTaskTraining": "hyena_glt.training.multitask",
    "Pretraining": "hyena_glt.training.pretraining",
    "ProteinTokenizer": "hyena_glt.tokenizers",
    "RNATokenizer": "hyena_glt.tokenizers",
    "SequenceClassificationHead": "hyena_glt.tasks.heads",
    "SequenceCollator": "hyena_glt.data.collators",
    "StreamingGenomicDataset": "hyena_glt.data.streaming",
    "TokenClassificationHead": "hyena_glt.tasks.heads",
    "VariantScorer": "hyena_glt.inference.variants",
    "analyze_attention_patterns": "hyena_glt.interpretability",
    "attention_profiles": "hyena_glt.interpretability",
    "attribute": "hyena_glt.interpretability",
    "compute_compression_statistics": "hyena_glt.interpretability",
    "compute_gradient_attributions": "hyena_glt.interpretability",
    "create_genomic_dataloaders": "hyena_glt.data.loaders",
    "create_streaming_loader": "hyena_glt.data.streaming_loader",
    "discover_motifs": "hyena_glt.interpretability",
    "evaluate_genomic_model": "hyena_glt.evaluation.genomic",
    "evaluate_motif_quality": "hyena_glt.interpretability",
    "evaluate_predictions": "hyena_glt.evaluation.detailed",
    "generate_sequences": "hyena_glt.inference.generation",
    "load_language_model": "hyena_glt.inference.loading",
    "score_sequence": "hyena_glt.inference.scoring",
    "visualize_compression_patterns": "hyena_glt.interpretability",
    "visualize_model_behavior": "hyena_glt.interpretability",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
