"""What all models of the package share: initialisation, loading, checks."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import transformers.utils.logging as transformers_logging
from torch import nn
from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.layers.embedding import NgramEmbedding, QualityEmbedding
from hyena_glt.layers.positions import SegmentAwarePositionalEncoding
from hyena_glt.tasks.heads import SequenceClassificationHead
from hyena_glt.tasks.multitask import TaskWeights
from hyena_glt.tasks.readout import KmerReadout

_HEADS = ("classifier.", "token_classifier.", "kmer_readout.", "heads.", "task_weights.")


@contextmanager
def quiet_hugging_face() -> Iterator[None]:
    """Silence Hugging Face's bars and reports while files are read or written."""
    level, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


class HyenaGLTPreTrainedModel(PreTrainedModel):
    """Base of the models; saves to safetensors, loads with every weight accounted for."""

    config_class = HyenaGLTConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    # Losses are means over the batch: Hugging Face's Trainer divides by the batches it accumulates.
    accepts_loss_kwargs = False
    _no_split_modules = ["HyenaGLTBlock", "LocalLayer"]  # noqa: RUF012 - as in the parent
    config: HyenaGLTConfig

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise the plain layers; filters and scorers do it where they are defined."""
        if isinstance(module, SegmentAwarePositionalEncoding):
            # Quiet at first: a motif should look the same wherever it stands.
            for linear in (module.waves, module.fractions):
                if linear is not None:
                    init.normal_(linear.weight, std=0.01)
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, std=0.6 / math.sqrt(module.in_features))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=0.02 if module.padding_idx is None else 0.2)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, KmerReadout | NgramEmbedding | QualityEmbedding):
            # What they hold themselves adds to what is there, and starts at zero.
            for parameter in module.parameters(recurse=False):
                init.zeros_(parameter)
        elif isinstance(module, SequenceClassificationHead):
            # Buffers: a head that is missing in the files of a model has none.
            init.zeros_(module.shift)
            init.ones_(module.scale)
        elif isinstance(module, TaskWeights) and module.log_variances is not None:
            init.zeros_(module.log_variances)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)

    def save_pretrained(  # type: ignore[override]
        self, save_directory: Any, **kwargs: Any
    ) -> None:
        """Save weights (safetensors) and configuration.

        Args:
            save_directory: Folder to write to.
            kwargs: Passed on to Hugging Face.
        """
        with quiet_hugging_face():
            super().save_pretrained(save_directory, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Load a saved model.

        A new task head may be missing from the files; anything else must be there.

        Args:
            pretrained_model_name_or_path: Folder written by ``save_pretrained``, or a Hub name.
            args: Passed on to Hugging Face.
            kwargs: Passed on to Hugging Face.

        Raises:
            ConfigError: If the files lack weights of this architecture, or hold others.
        """
        wants_info = kwargs.pop("output_loading_info", False)
        with quiet_hugging_face():
            loaded: Any = super().from_pretrained(
                pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs
            )
        model, info = loaded
        missing = [key for key in info["missing_keys"] if not key.startswith(_HEADS)]
        unexpected = [key for key in info["unexpected_keys"] if not key.startswith(_HEADS)]
        mismatched = [key for key, *_ in info["mismatched_keys"]]
        if missing or unexpected or mismatched:
            raise ConfigError(
                f"{pretrained_model_name_or_path}: the weights do not fit {cls.__name__}: "
                f"{len(missing)} missing (first: {min(missing, default='-')}), "
                f"{len(unexpected)} unexpected (first: {min(unexpected, default='-')}), "
                f"{len(mismatched)} of another shape (first: {min(mismatched, default='-')})"
            )
        # Weights mapped from a file lie at odd addresses, where other kernels round otherwise.
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = tensor.data.clone()
        return (model, info) if wants_info else model
