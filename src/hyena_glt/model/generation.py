"""What Hugging Face's ``generate()`` asks of a model: a cache, and the inputs of the next step."""

from typing import Any

from torch import Tensor

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.model.cache import HyenaGLTCache


class StreamedGeneration:
    """``generate()`` at a constant cost per token, with a :class:`HyenaGLTCache`.

    Stands before Hugging Face's ``GenerationMixin``, which a model must name itself.
    """

    # Refuses assisted decoding, which would have to take tokens back.
    _is_stateful = True
    config: Any

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        """Put an empty cache in, unless the caller has one or wants none."""
        wanted = generation_config.use_cache is not False
        if wanted and model_kwargs.get("past_key_values") is None:
            model_kwargs["past_key_values"] = HyenaGLTCache()

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: HyenaGLTCache | None = None,
        modality_ids: Tensor | None = None,
        quality_scores: Tensor | None = None,
        **unused: Any,
    ) -> dict[str, Any]:
        """What one step of generation passes to ``forward``.

        Args:
            input_ids: (b, l) tokens so far.
            attention_mask: (b, l), 1 on tokens.
            past_key_values: The cache; None computes everything again at every step.
            modality_ids: (b,) number of the molecule of each row.
            quality_scores: Refused: no sequencer read what a model generates.
            unused: Other arguments of Hugging Face.

        Raises:
            ConfigError: If the model is two-sided, or ``quality_scores`` are given.
            DataError: If ``modality_ids`` has more than one number per row.
        """
        if not self.config.causal:
            raise ConfigError(
                "a two-sided model (causal=False) cannot generate; train a causal language model "
                "(hyena-glt pretrain --objective clm)"
            )
        if quality_scores is not None:
            raise ConfigError(
                "quality_scores cannot be given to generate(): tokens that are generated have none"
            )
        if modality_ids is not None and modality_ids.dim() != 1:
            raise DataError(
                "modality_ids: generate() takes one number per row, shape "
                f"({input_ids.shape[0]},), got {tuple(modality_ids.shape)}"
            )
        known = 0 if past_key_values is None else past_key_values.columns
        return {
            "input_ids": input_ids[:, known:],
            "attention_mask": None if attention_mask is None else attention_mask[:, known:],
            "past_key_values": past_key_values,
            "modality_ids": modality_ids,
            "logits_to_keep": 1,
        }
