"""The guide's framework: every analysis of a model under one roof.

Each method is one plain function of this package; those return typed results, can be called alone,
and document themselves in full.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.interpretability.attention import AttentionPatterns, analyze_attention_patterns
from hyena_glt.interpretability.attribution_result import Attribution, Boundaries
from hyena_glt.interpretability.compression import (
    CompressionStatistics,
    compute_compression_statistics,
)
from hyena_glt.interpretability.compression_figure import visualize_compression_patterns
from hyena_glt.interpretability.gradient_attribution import (
    GradientMethod,
    compute_gradient_attributions,
)
from hyena_glt.interpretability.overview import visualize_model_behavior

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HyenaInterpretabilityFramework:
    """Comprehensive interpretability suite for understanding model behavior on genomic sequences.

    Args:
        tokenizer: Tokenizer of sequences given as letters; None takes that of each model's
            configuration.
    """

    def __init__(self, tokenizer: Any | None = None) -> None:
        self.tokenizer = tokenizer

    def analyze_attention_patterns(
        self, model: PreTrainedModel, sequences: Sequence[str | Tensor]
    ) -> list[AttentionPatterns]:
        """Analyze where the model focuses in genomic sequences.

        Args:
            model: Any model of the package.
            sequences: Letters or token ids.
        """
        return analyze_attention_patterns(model, sequences, tokenizer=self.tokenizer)

    def compute_gradient_attributions(
        self,
        model: PreTrainedModel,
        sequences: Sequence[str | Tensor],
        targets: int | Sequence[int],
        *,
        method: GradientMethod = "input_x_gradient",
        boundaries: Boundaries = "remerged",
    ) -> list[Attribution]:
        """Gradient-based importance scoring for nucleotides.

        Args:
            model: A sequence-classification model over single-letter tokens.
            sequences: Letters or token ids.
            targets: Column of the logits to explain, one for all sequences or one for each.
            method: ``saliency``, ``input_x_gradient`` or ``integrated_gradients``.
            boundaries: ``remerged`` or ``frozen``.
        """
        return compute_gradient_attributions(
            model, sequences, targets, method=method, boundaries=boundaries,
            tokenizer=self.tokenizer,
        )  # fmt: skip

    def visualize_compression_patterns(
        self,
        model: PreTrainedModel,
        sequences: Sequence[str | Tensor],
        save_path: str | Path | None = None,
    ) -> "Figure":
        """Understand how sequences are compressed during merging.

        Args:
            model: Any model of the package.
            sequences: Letters or token ids.
            save_path: File to write; None writes nothing.
        """
        return visualize_compression_patterns(model, sequences, save_path, tokenizer=self.tokenizer)

    def compute_compression_statistics(
        self, model: PreTrainedModel, sequences: Sequence[str | Tensor]
    ) -> CompressionStatistics:
        """Analyze token merging behavior.

        Args:
            model: Any model of the package.
            sequences: Letters or token ids.
        """
        return compute_compression_statistics(model, sequences, tokenizer=self.tokenizer)

    def visualize_model_behavior(
        self,
        model: PreTrainedModel,
        sequences: Sequence[str | Tensor],
        save_path: str | Path | None = None,
    ) -> "Figure":
        """Create comprehensive model analysis visualizations.

        Args:
            model: Any model of the package.
            sequences: Letters or token ids.
            save_path: File to write; None writes nothing.
        """
        return visualize_model_behavior(model, sequences, save_path, tokenizer=self.tokenizer)
