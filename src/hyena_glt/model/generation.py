"""What Hugging Face's ``generate()`` asks of a model: a cache, and the inputs of the next step."""

from typing import Any

from torch import Tensor

from hyena_glt.errors import ConfigError
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
        **unused: Any,
    ) -> dict[str, Any]:
        """What one step of generation passes to ``forward``.

        Args:
            input_ids: (b, l) tokens so far.
            attention_mask: (b, l), 1 on tokens.
            past_key_values: The cache; None computes everything again at every step.
            unused: Other arguments of Hugging Face.

        Raises:
            ConfigError: If the model is two-sided.
        """
        if not self.config.causal:
            raise ConfigError(
                "a two-sided model (causal=False) cannot generate; train a causal language model "
                "(hyena-glt pretrain --objective clm)"
            )
        known = 0 if past_key_values is None else past_key_values.columns
        return {
            "input_ids": input_ids[:, known:],
            "attention_mask": None if attention_mask is None else attention_mask[:, known:],
            "past_key_values": past_key_values,
            "logits_to_keep": 1,
        }
