"""One class per task, as Hugging Face users expect them.

Each holds a :class:`~hyena_glt.model.hyena_glt.HyenaGLT` (``.model``) and a head.  With
``reverse_complement="average"`` the predictions are averaged over both strands at inference; in
training the strands are a matter of augmentation.

Axes::

    b  rows          l  tokens          c  labels          v  vocabulary
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers.generation.utils import GenerationMixin

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.model.cache import HyenaGLTCache
from hyena_glt.model.generation import StreamedGeneration
from hyena_glt.model.hyena_glt import Encoding, HyenaGLT, reverse_complement_ids
from hyena_glt.model.outputs import HyenaGLTOutput
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel
from hyena_glt.ops.layout import from_aligned, mirror_index, mirrored
from hyena_glt.tasks.heads import SequenceClassificationHead, TokenClassificationHead
from hyena_glt.tasks.losses import causal_loss, sequence_loss, token_loss
from hyena_glt.tasks.readout import KmerReadout
from hyena_glt.tasks.strands import other_strand_classes

# Arguments of ``encode`` that say something of one strand only.
_OF_ONE_STRAND = ("inputs_embeds", "boundary_scores", "patch_starts")


class _Face(HyenaGLTPreTrainedModel):
    """What the faces share: the model, and predictions over one or both strands."""

    def __init__(self, config: HyenaGLTConfig, trunk: HyenaGLT | None = None) -> None:
        super().__init__(config)
        self.model = HyenaGLT(config) if trunk is None else trunk

    def get_input_embeddings(self) -> nn.Embedding:
        """The token embeddings."""
        return self.model.embeddings

    @property
    def _averages_strands(self) -> bool:
        return self.config.reverse_complement == "average" and not self.training

    def _encode(self, input_ids: Tensor, options: dict[str, Any]) -> Encoding:
        given = [name for name in _OF_ONE_STRAND if options.get(name) is not None]
        if given and self._averages_strands:
            raise ConfigError(
                f"{given[0]} belongs to one strand, and reverse_complement='average' predicts from "
                "both; set model.config.reverse_complement = 'none'"
            )
        mask = options.pop("attention_mask", None)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.model.frozen):
            return self.model.encode(input_ids, mask, **options)

    def _other_strand(self, encoding: Encoding) -> Encoding | None:
        """The encoding of the reverse complement, where predictions are averaged over strands."""
        if not self._averages_strands:
            return None
        mask = encoding.layout.mask
        quality, modality = encoding.traits.map(lambda t: t.gather(1, mirror_index(mask)))
        return self.model.encode(
            reverse_complement_ids(encoding.input_ids, mask),
            mask.long(),
            quality_scores=quality,
            modality_ids=modality,
        )

    def _output(
        self, encoding: Encoding, logits: Tensor, loss: Tensor | None, flags: dict[str, bool]
    ) -> HyenaGLTOutput:
        output = self.model.assemble(
            encoding,
            flags.get("output_position_info", False),
            flags.get("output_attentions", False),
        )
        output.logits = logits
        output.loss = self.model.with_entropy_gradient(loss, encoding)
        return output


def _split(options: dict[str, Any]) -> dict[str, bool]:
    """Take the flags that concern the output out of the options of ``encode``."""
    options.pop("return_dict", None)
    names = ("output_position_info", "output_attentions")
    return {name: bool(options.pop(name)) for name in names if name in options}


class HyenaGLTForSequenceClassification(_Face):
    """Predict from whole sequences: single-label, multi-label or regression.

    ``config.problem_type`` decides; if it is None, the labels do: one output is regression, float
    labels of shape (b, c) are multi-label, the rest are classes.

    Args:
        config: Settings; ``num_labels`` outputs.
        trunk: The model below the head, which several tasks may share; None makes one.
    """

    def __init__(self, config: HyenaGLTConfig, trunk: HyenaGLT | None = None) -> None:
        super().__init__(config, trunk)
        assert config.num_labels is not None
        self.classifier = SequenceClassificationHead(
            config.hidden_size,
            config.num_labels,
            config.head_dropout,
            keep_position=config.reverse_complement != "average",
        )
        self.kmer_readout = (
            KmerReadout(
                config, config.num_labels, keep_position=config.reverse_complement != "average"
            )
            if config.kmer_readout
            else None
        )
        # Set by a training, which knows the number of sequences.
        self.readout_penalty = 0.0
        self.post_init()

    def forward(
        self, input_ids: Tensor, labels: Tensor | None = None, **options: Any
    ) -> HyenaGLTOutput:
        """Predict one row of logits (or values) per sequence.

        Args:
            input_ids: (b, l) token ids.
            labels: (b,) classes or values, or (b, c) multi-label.
            options: Those of :meth:`HyenaGLT.encode`, and ``output_position_info``,
                ``output_attentions``.
        """
        flags = _split(options)
        encoding = self._encode(input_ids, options)
        parts = self._parts(encoding)
        other = self._other_strand(encoding)
        if other is not None:
            parts = [(a + b) / 2 for a, b in zip(parts, self._parts(other), strict=True)]
        logits = sum(parts[1:], parts[0]) / len(parts)
        loss = None if labels is None else self._loss(parts, logits, labels)
        return self._output(encoding, logits, loss, flags)

    def _parts(self, encoding: Encoding) -> list[Tensor]:
        """Predictions of the network and of the k-mer readout."""
        deep = self.model.classify(self.classifier, encoding)
        if self.kmer_readout is None:
            return [deep]
        linear = self.kmer_readout(
            encoding.input_ids, encoding.layout.mask, encoding.traits.quality
        )
        return [deep, linear * self.classifier.scale + self.classifier.shift]

    def _loss(self, parts: list[Tensor], logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of the mean prediction; in training every part learns from a loss of its own."""
        kind = self.config.problem_type
        loss = sequence_loss(logits, labels, kind)
        if self.kmer_readout is None or not self.training:
            return loss
        own = [sequence_loss(part, labels, kind) for part in parts]
        penalty = self.readout_penalty * self.kmer_readout.weight.square().sum()
        gradient = sum(own[1:], own[0]) + penalty
        return loss.detach() + (gradient - gradient.detach())


class _TokenFace(_Face):
    """A face that predicts something for every token."""

    def _token_logits(self, encoding: Encoding, head: Callable[[Tensor], Tensor]) -> Tensor:
        assert encoding.tokens is not None
        logits = head(encoding.tokens)
        other = self._other_strand(encoding)
        if other is not None:
            assert other.tokens is not None
            twin = self._complement(mirrored(head(other.tokens), encoding.layout.mask))
            logits = (logits + twin) / 2
        return from_aligned(logits, encoding.layout)

    def _complement(self, logits: Tensor) -> Tensor:
        """What the logits of the other strand mean on this one."""
        return logits


class HyenaGLTForTokenClassification(_TokenFace):
    """Predict a class for every token; labels of -100 are left out of the loss.

    Args:
        config: Settings; ``num_labels`` classes.
        trunk: The model below the head, which several tasks may share; None makes one.
    """

    def __init__(self, config: HyenaGLTConfig, trunk: HyenaGLT | None = None) -> None:
        super().__init__(config, trunk)
        assert config.num_labels is not None
        self.token_classifier = TokenClassificationHead(
            config.hidden_size, config.num_labels, config.head_dropout
        )
        self.post_init()

    def forward(
        self, input_ids: Tensor, labels: Tensor | None = None, **options: Any
    ) -> HyenaGLTOutput:
        """Predict one row of logits per token.

        Args:
            input_ids: (b, l) token ids.
            labels: (b, l) classes.
            options: Those of :meth:`HyenaGLT.encode`, and ``output_position_info``,
                ``output_attentions``.
        """
        flags = _split(options)
        encoding = self._encode(input_ids, options)
        logits = self._token_logits(encoding, self.token_classifier)
        loss = None if labels is None else token_loss(logits, labels)
        return self._output(encoding, logits, loss, flags)

    def _complement(self, logits: Tensor) -> Tensor:
        """Classes of one strand change places: what is CDS+ here is CDS- on the other."""
        names: Any = self.config.id2label
        return logits[..., other_strand_classes([names[number] for number in range(len(names))])]


class HyenaGLTForMaskedLM(_TokenFace):
    """Predict masked tokens; two-sided.

    Args:
        config: Settings; ``causal`` must be False.

    Raises:
        ConfigError: If the configuration is causal.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        if config.causal:
            raise ConfigError(
                "a masked language model looks both ways; set causal=False (causal models are "
                "HyenaGLTForCausalLM)"
            )
        super().__init__(config)
        self.post_init()

    def forward(
        self, input_ids: Tensor, labels: Tensor | None = None, **options: Any
    ) -> HyenaGLTOutput:
        """Predict every token.

        Args:
            input_ids: (b, l) token ids, some of them [MASK].
            labels: (b, l) token ids; -100 where nothing was masked.
            options: Those of :meth:`HyenaGLT.encode`, and ``output_position_info``,
                ``output_attentions``.
        """
        flags = _split(options)
        encoding = self._encode(input_ids, options)
        logits = self._token_logits(encoding, self.model.predict_tokens)
        loss = None if labels is None else token_loss(logits, labels)
        return self._output(encoding, logits, loss, flags)

    def _complement(self, logits: Tensor) -> Tensor:
        order = torch.arange(logits.shape[-1], device=logits.device)
        order[8:12] = torch.tensor([11, 10, 9, 8], device=logits.device)
        return logits[..., order]


class HyenaGLTForCausalLM(StreamedGeneration, _Face, GenerationMixin):  # type: ignore[misc]
    """Predict each token from those before it, and generate.

    Args:
        config: Settings; ``causal`` must be True.

    Raises:
        ConfigError: If the configuration is two-sided.
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        if not config.causal:
            raise ConfigError(
                "a causal language model must not look ahead; set causal=True (two-sided models "
                "are HyenaGLTForMaskedLM)"
            )
        super().__init__(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        past_key_values: HyenaGLTCache | None = None,
        **options: Any,
    ) -> HyenaGLTOutput:
        """Predict the next token everywhere.

        Args:
            input_ids: (b, l) token ids.
            labels: (b, l) token ids, not shifted; -100 is left out.
            logits_to_keep: Compute logits for that many last columns only; 0: all.
            past_key_values: State behind earlier columns, which this call moves on.
            options: Those of :meth:`HyenaGLT.encode`, and ``output_position_info``,
                ``output_attentions``.
        """
        flags = _split(options)
        for name in ("use_cache", "position_ids", "cache_position"):
            options.pop(name, None)
        if past_key_values is not None:
            mask = options.get("attention_mask")
            beside = {name: options.get(name) for name in ("quality_scores", "modality_ids")}
            return self.model.continued(input_ids, mask, past_key_values, logits_to_keep, **beside)
        encoding = self._encode(input_ids, options)
        assert encoding.tokens is not None
        states = from_aligned(encoding.tokens, encoding.layout)
        logits = self.model.predict_tokens(states[:, -logits_to_keep:])
        loss = None if labels is None else causal_loss(logits, labels)
        return self._output(encoding, logits, loss, flags)
