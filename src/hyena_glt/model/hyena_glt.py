"""The model: bases, merged into patches, processed, brought back to bases.  Read this file first.

::

    tokens -> embedding, n-grams, positions -> local encoder -+----------------- skip ------+
                                                              |                             |
                                       merger: where patches start                          v
                                                              |          bridge: patches -> tokens
                                       bridge: tokens -> patches              -> local decoder
                                                              |                             ^
                                                              +- N x HyenaGLTBlock, smooth -+

Everything of the sequence's length is local and cheap; everything deep runs over the patches.

Axes::

    b  rows as the caller made them      r  aligned rows, one sequence each
    l  columns as the caller made them   m  aligned columns
    p  patches of the longest row        d  base-level channels        e  ``hidden_size``
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.generation.utils import GenerationMixin
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.layers.block import HyenaGLTBlock, LocalLayer
from hyena_glt.layers.bridge import CrossAttentionPositionBridge
from hyena_glt.layers.embedding import NgramEmbedding, QualityEmbedding, TokenTraits
from hyena_glt.layers.hyena import Evaluation, HyenaOperator
from hyena_glt.layers.linear import Linear
from hyena_glt.layers.merger import AdaptiveTokenMerger, Merging, nucleotides_of
from hyena_glt.layers.positions import BLTPositionManager
from hyena_glt.model.blocked import BlockedPass
from hyena_glt.model.cache import HyenaGLTCache
from hyena_glt.model.generation import StreamedGeneration
from hyena_glt.model.inputs import checked_traits
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.model.outputs import HyenaGLTOutput
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel
from hyena_glt.model.streaming import extend_batch, stream_blocks
from hyena_glt.ops.blocks import in_stretches
from hyena_glt.ops.layout import (
    Layout,
    aligned_layout,
    from_aligned,
    mirror_index,
    to_aligned,
)
from hyena_glt.ops.scan import bounded, moving_average
from hyena_glt.tasks.heads import SequenceClassificationHead, TokenClassificationHead
from hyena_glt.tasks.losses import causal_loss, sequence_loss, token_loss

# Complement of A C G T (or U), which stand in this order behind the special tokens.
_COMPLEMENT_SUM = 8 + 11


class Encoding(NamedTuple):
    """Hidden states of aligned rows, before any head.

    Attributes:
        tokens: (r, m, e); None if not asked for.
        patches: (r, p, e).
        merging: What the merger decided.
        layout: Where the aligned tokens sit in the caller's batch.
        input_ids: (r, m) aligned token ids.
        traits: Qualities and modalities of the aligned tokens.
        token_to_patch: (r * m, h) weight of each token in its patch.
        patch_to_token: (r, m, w, h) weights over the patches a token read; None without tokens.
    """

    tokens: Tensor | None
    patches: Tensor
    merging: Merging
    layout: Layout
    input_ids: Tensor
    traits: TokenTraits
    token_to_patch: Tensor
    patch_to_token: Tensor | None


class LayerPlan(NamedTuple):
    """How one layer's convolution is evaluated.

    Attributes:
        layer: Name of the layer.
        kind: ``SE``, ``MR``, ``LI`` or ``attention``.
        evaluation: ``direct`` (a few taps), ``fft`` or ``chunked``.
        steps: Tokens, or patches by the target compression (at most as many as tokens).
    """

    layer: str
    kind: str
    evaluation: str
    steps: int


class HyenaGLT(StreamedGeneration, HyenaGLTPreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """Hyena-GLT: a genomic sequence model over dynamically merged tokens.

    Without a head it carries a language-model head tied to ``embeddings``; a head assigned to
    ``model.classifier`` or ``model.token_classifier`` takes its place and is saved with the model.

    Args:
        config: Settings; checked again here.

    Example:
        >>> model = HyenaGLT(HyenaGLTConfig(hidden_size=32, num_layers=2)).eval()
        >>> model(torch.tensor([[8, 9, 10, 11]])).last_hidden_state.shape
        torch.Size([1, 4, 32])
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        config.validate()
        super().__init__(config)
        assert config.local_hidden_size is not None
        local, width = config.local_hidden_size, config.hidden_size
        self.embeddings = nn.Embedding(config.genomic_vocab_size, width)
        self.embedding_projection = Linear(width, local, bias=False)
        self.ngrams = NgramEmbedding(config) if config.ngram_sizes else None
        count = config.num_modalities
        self.modality_embeddings = nn.Embedding(count, width) if count else None
        self.quality = QualityEmbedding(config) if config.quality_embedding else None
        self.position_manager = BLTPositionManager(config)
        self.local_encoder = nn.ModuleList(
            LocalLayer(config) for _ in range(config.local_encoder_layers)
        )
        self.initial_merger = AdaptiveTokenMerger(config)
        self.bridge = CrossAttentionPositionBridge(config)
        self.layers = nn.ModuleList(
            HyenaGLTBlock(config, layer) for layer in range(config.num_layers)
        )
        self.final_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.local_norm = nn.LayerNorm(local, eps=config.layer_norm_eps)
        self.local_decoder = nn.ModuleList(
            LocalLayer(config) for _ in range(config.local_decoder_layers)
        )
        self.output_projection = Linear(local, width, bias=False)
        self.output_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.gradient_checkpointing = config.gradient_checkpointing
        self.frozen = False
        for name, settings in (config.attached_heads or {}).items():
            setattr(self, name, _HEAD_TYPES[name](**settings))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_position_info: bool = False,
        *,
        labels: Tensor | None = None,
        quality_scores: Tensor | None = None,
        modality_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        boundary_scores: Tensor | None = None,
        patch_starts: Tensor | None = None,
        position_offset: Tensor | None = None,
        output_attentions: bool = False,
        logits_to_keep: int = 0,
        past_key_values: HyenaGLTCache | None = None,
        **unused: Any,
    ) -> HyenaGLTOutput:
        """Run the model.

        Args:
            input_ids: (b, l) token ids.
            attention_mask: (b, l), 1 on tokens and 0 on padding, which may stand left or right.
            output_position_info: Return ``position_info``: the guide's three features and
                ``global_positions``, the tokens' positions rebuilt from the patches, each of
                shape (b, l) or, for a batch of one, (l,); and ``patch_starts``,
                ``patch_lengths`` (b, p), in tokens.
            labels: Token ids for the language-model head (not shifted); classes or values for an
                attached head.
            quality_scores: (b, l) Phred scores of the tokens, in [0, 93]; those of special tokens
                and padding have no effect.  Needs ``config.quality_embedding``.
            modality_ids: (b,) or (b, l) number of the molecule of each sequence or token, below
                ``config.num_modalities``.  With the joint vocabulary (DNA 0, RNA 1, protein 2) the
                letters tell it if this is left out.
            segment_ids: (b, l) number of the sequence each token of a packed row belongs to.
            inputs_embeds: (b, l, e) in place of the token embeddings; ``input_ids`` still decide
                n-grams and patches, and modalities are still added.
            boundary_scores: (b, l) scores of patch starts, for ``boundary_scorer="track"``.
            patch_starts: (b, l), True where a patch starts; overrides the merger.
            position_offset: (b,) position of each row's first token, in tokens; 0 unless given.
                For causal models: they learn places beyond their training windows from it.
            output_attentions: Return the bridge's attention weights.
            logits_to_keep: Compute language-model logits for that many last columns only; 0: all.
            past_key_values: State of a causal model behind earlier columns, which this call moves
                on; only hidden states and language-model logits are returned then.
            unused: Arguments that Hugging Face's generation passes; refused unless empty.

        Raises:
            DataError: If an argument has the wrong shape, an id is outside the vocabulary, a row
                has no token, or the sequence is longer than ``max_position_embeddings``.
            ConfigError: If the scorer needs an argument that is missing, or the model has no
                embedding for one that is given.
        """
        _refuse_unused(unused)
        if past_key_values is not None:
            return self.continued(
                input_ids, attention_mask, past_key_values, logits_to_keep,
                quality_scores=quality_scores, modality_ids=modality_ids,
            )  # fmt: skip
        encoding = self.encode(
            input_ids, attention_mask, quality_scores=quality_scores, modality_ids=modality_ids,
            segment_ids=segment_ids, inputs_embeds=inputs_embeds,
            boundary_scores=boundary_scores, patch_starts=patch_starts,
            position_offset=position_offset,
        )  # fmt: skip
        output = self.assemble(encoding, output_position_info, output_attentions)
        assert output.last_hidden_state is not None
        classifier = getattr(self, "classifier", None)
        token_classifier = getattr(self, "token_classifier", None)
        loss = None
        if classifier is not None:
            output.logits = self.classify(classifier, encoding)
            loss = None if labels is None else sequence_loss(output.logits, labels, None)
            if token_classifier is not None:
                output.token_logits = token_classifier(output.last_hidden_state)
        elif token_classifier is not None:
            output.logits = token_classifier(output.last_hidden_state)
            loss = None if labels is None else token_loss(output.logits, labels)
        else:
            output.logits = self.predict_tokens(output.last_hidden_state[:, -logits_to_keep:])
            if labels is not None:
                whole = output.logits
                loss = (causal_loss if self.config.causal else token_loss)(whole, labels)
        output.loss = self.with_entropy_gradient(loss, encoding)
        return output

    def continued(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        cache: HyenaGLTCache,
        logits_to_keep: int = 0,
        *,
        quality_scores: Tensor | None = None,
        modality_ids: Tensor | None = None,
    ) -> HyenaGLTOutput:
        """Go on from a cache.

        Args:
            input_ids: (b, l) the next token ids.
            attention_mask: (b, l), 1 on tokens; padding only stands before the first token.
            cache: Moved on by these tokens.
            logits_to_keep: Compute logits for that many last columns only; 0: all.
            quality_scores: Refused: no sequencer read what a model generates.
            modality_ids: (b,) number of the molecule of each sequence, or (b, l).

        Raises:
            ConfigError: If ``quality_scores`` are given.
        """
        if quality_scores is not None:
            raise ConfigError(
                "quality_scores cannot be given with a cache (past_key_values, generate): tokens "
                "that are generated have none; leave them out, or use forward or stream"
            )
        mask = self._checked_mask(input_ids, attention_mask)
        traits = checked_traits(self.config, input_ids, mask, None, modality_ids)
        hidden = extend_batch(self, cache, input_ids, attention_mask, traits)
        return HyenaGLTOutput(
            logits=self.predict_tokens(hidden[:, -logits_to_keep:]),
            last_hidden_state=hidden,
            past_key_values=cache,
        )

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        quality_scores: Tensor | None = None,
        modality_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        boundary_scores: Tensor | None = None,
        patch_starts: Tensor | None = None,
        position_offset: Tensor | None = None,
        tokens: bool = True,
    ) -> Encoding:
        """Compute hidden states; the arguments are those of ``forward``.

        Args:
            input_ids: (b, l) token ids.
            attention_mask: (b, l), 1 on tokens.
            quality_scores: (b, l) Phred scores.
            modality_ids: (b,) or (b, l) number of the molecule.
            segment_ids: (b, l) sequence of each token in packed rows.
            inputs_embeds: (b, l, e) in place of the token embeddings.
            boundary_scores: (b, l) for the ``track`` scorer.
            patch_starts: (b, l), overrides the merger.
            position_offset: (b,) position of each row's first token, in tokens.
            tokens: False skips the way back to the tokens.
        """
        mask = self._checked_mask(input_ids, attention_mask)
        layout = aligned_layout(mask, segment_ids)
        pad = self.config.pad_token_id or 0
        # Whatever id stands on padding: a two-sided scorer looks ahead.
        ids = to_aligned(input_ids.masked_fill(~mask, pad), layout, fill=pad)
        self._check_length(ids.shape[1])
        optional = (inputs_embeds, boundary_scores, patch_starts)
        embeds, scores, starts = (
            None if value is None else to_aligned(value, layout) for value in optional
        )
        traits = checked_traits(self.config, input_ids, mask, quality_scores, modality_ids).map(
            lambda values: to_aligned(values, layout)
        )
        token_mask = layout.mask
        position, offset = self._positions(ids, position_offset)

        embedded = self.embed(ids, embeds, traits)
        hidden = embedded + self.position_manager.encode_tokens(
            position, token_mask.sum(dim=1, keepdim=True)
        ).to(embedded.dtype)
        for layer in self.local_encoder:
            hidden = self._run(layer, hidden, token_mask)

        # What predicts the next token must not have seen it: a two-sided encoder has.
        predictive = hidden if self.config.causal else embedded
        merging = self.initial_merger(
            hidden, predictive, ids, token_mask, position,
            boundary_scores=scores, patch_starts=starts,
        )  # fmt: skip
        patches = merging.patches
        x, memory, token_to_patch = self.bridge.encode_byte_to_patch(hidden, patches)
        x = x + self.position_manager.encode_patches(patches, offset).to(x.dtype)
        for block in self.layers:
            x = self._run(block, x, patches.mask, memory)
        x = self.final_norm(x)
        if not tokens:
            return Encoding(None, x, merging, layout, ids, traits, token_to_patch, None)

        queries = self.local_norm(hidden) + self.position_manager.encode_queries(
            patches, position
        ).to(hidden.dtype)
        read, patch_to_token = self.bridge.decode_patch_to_byte(
            self.smooth(x, merging.probability.gather(1, patches.first), patches.mask),
            queries,
            patches,
        )
        # A factor of one that only the backward pass sees.
        if torch.is_grad_enabled():
            read = read * _confidence(merging).to(read.dtype)
        hidden = hidden + read
        for layer in self.local_decoder:
            hidden = self._run(layer, hidden, token_mask)
        out = in_stretches(self._project_out, hidden)
        return Encoding(out, x, merging, layout, ids, traits, token_to_patch, patch_to_token)

    def _project_out(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.output_norm(self.output_projection(hidden))
        return out

    def assemble(self, encoding: Encoding, position_info: bool, attentions: bool) -> HyenaGLTOutput:
        """Bring an encoding into the caller's layout.

        Args:
            encoding: Hidden states of aligned rows.
            position_info: Add ``position_info``.
            attentions: Add ``attentions``.
        """
        layout, merging = encoding.layout, encoding.merging
        assert encoding.tokens is not None
        hidden = from_aligned(encoding.tokens, layout)
        if not bool(layout.caller_mask.all()):
            hidden = hidden * layout.caller_mask.unsqueeze(-1).to(hidden.dtype)
        output = HyenaGLTOutput(
            last_hidden_state=hidden,
            patch_hidden_state=encoding.patches,
            patch_mask=merging.patches.mask,
            compression_ratio=self._compression(encoding),
            entropy_loss=merging.entropy_loss,
        )
        if position_info:
            output.position_info = self._position_info(encoding)
        if attentions:
            weights = encoding.token_to_patch.view(*encoding.input_ids.shape, -1)
            assert encoding.patch_to_token is not None
            window = encoding.patch_to_token
            output.attentions = {
                "token_to_patch": from_aligned(weights, layout),
                "patch_to_token": from_aligned(window.flatten(2), layout).unflatten(
                    2, window.shape[2:]
                ),
            }
        return output

    def classify(self, head: SequenceClassificationHead, encoding: Encoding) -> Tensor:
        """Apply a sequence head to an encoding.

        Args:
            head: The head.
            encoding: Hidden states of aligned rows.
        """
        assert encoding.tokens is not None
        patches = encoding.merging.patches
        logits: Tensor = head(encoding.tokens, encoding.layout.mask, encoding.patches, patches.mask)
        return logits

    @torch.no_grad()
    def calibrate_compression(self, batches: Iterable[dict[str, Tensor]]) -> None:
        """Set the merger's threshold to the target compression on given batches.

        Training follows the scores as they move; this settles the threshold for the weights as
        they are, averaged ones for example.

        Args:
            batches: ``input_ids``, ``attention_mask`` and, where the model reads them,
                ``quality_scores``, ``modality_ids`` and ``boundary_scores``, on the model's device.
        """
        if self.frozen or not self.initial_merger.follows_a_target:
            return
        merged = []
        with inference_mode_of(self):
            for batch in batches:
                encoding = self.encode(
                    batch["input_ids"],
                    batch["attention_mask"],
                    quality_scores=batch.get("quality_scores"),
                    modality_ids=batch.get("modality_ids"),
                    boundary_scores=batch.get("boundary_scores"),
                    tokens=False,
                )
                merged.append((encoding.merging, encoding.input_ids))
        self.initial_merger.calibrate(merged)

    def predict_tokens(self, hidden_states: Tensor) -> Tensor:
        """Logits over the vocabulary, from the embedding table.

        Args:
            hidden_states: (b, l, e).
        """
        return F.linear(hidden_states, self.embeddings.weight).float()

    @staticmethod
    def with_entropy_gradient(loss: Tensor | None, encoding: Encoding) -> Tensor | None:
        """Let the entropy head's gradient ride on a loss without changing its value.

        Args:
            loss: Loss of the task.
            encoding: Holds the entropy head's loss.
        """
        own = encoding.merging.entropy_loss
        if loss is None or own is None or not own.requires_grad:
            return loss
        return loss + (own - own.detach())

    def freeze(self) -> None:
        """Leave weights and patches as they are, and drop nothing, whatever is trained on top."""
        self.requires_grad_(False)
        self.frozen = True
        self.eval()

    def unfreeze(self) -> None:
        """Undo :meth:`freeze`, but for the mode."""
        self.requires_grad_(True)
        self.frozen = False

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen model stays in inference mode.

        Args:
            mode: False switches to inference.
        """
        return super().train(mode and not self.frozen)

    def get_input_embeddings(self) -> nn.Embedding:
        """The token embeddings."""
        return self.embeddings

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Save weights (safetensors) and configuration, attached heads included.

        Args:
            save_directory: Folder to write to.
            args: Passed on to Hugging Face.
            kwargs: Passed on to Hugging Face.
        """
        heads = {name: getattr(self, name, None) for name in _HEAD_TYPES}
        attached = {name: head.settings for name, head in heads.items() if head is not None}
        self.config.attached_heads = attached or None
        super().save_pretrained(save_directory, *args, **kwargs)

    def stream(
        self,
        input_ids: Tensor,
        block_size: int = 8192,
        *,
        quality_scores: Tensor | None = None,
        modality_ids: Tensor | None = None,
    ) -> Iterator[tuple[int, Tensor]]:
        """Hidden states of one sequence of any length, block after block.

        The result is that of one forward pass.  Memory is that of a block in a causal model, and
        of the patches in a two-sided one.

        Args:
            input_ids: (1, l) or (l,) token ids.
            block_size: Tokens per block.
            quality_scores: Phred scores, in the shape of ``input_ids``.
            modality_ids: (1,) number of the molecule, or one per token.

        Yields:
            First token of the block, 0-based, and its hidden states (1, n, e).

        Raises:
            ConfigError: If the merger needs scores from the caller, or the model has no embedding
                for what is given.
            DataError: If the shape is another, or the sequence is longer than
                ``max_position_embeddings``.
        """
        ids = input_ids.unsqueeze(0) if input_ids.dim() == 1 else input_ids
        if ids.dim() != 2 or ids.shape[0] != 1 or ids.shape[1] == 0:
            raise DataError(
                f"input_ids: expected one sequence, shape (1, length), got {tuple(input_ids.shape)}"
            )
        mask = self._checked_mask(ids, None)
        self._check_length(ids.shape[1])
        if input_ids.dim() == 1:
            if quality_scores is not None:
                quality_scores = quality_scores.unsqueeze(0)
            if modality_ids is not None and modality_ids.shape != (1,):
                modality_ids = modality_ids.unsqueeze(0)
        traits = checked_traits(self.config, ids, mask, quality_scores, modality_ids)
        blocks = iter(
            stream_blocks(self, ids, block_size, traits)
            if self.config.causal
            else BlockedPass(self, ids, block_size, traits)
        )
        while True:
            # Between two blocks the caller's modes are the caller's.
            with torch.no_grad(), inference_mode_of(self):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def evaluation_plan(self, length: int) -> list[LayerPlan]:
        """How the convolution of each layer is evaluated on a sequence of a given length.

        Args:
            length: Tokens.
        """
        ratio = self.config.target_compression
        per_patch = 1.0 if ratio is None else ratio / self.config.bases_per_token
        plan = []
        for name, steps in (
            ("local_encoder", length), ("layers", math.ceil(length / per_patch)),
            ("local_decoder", length),
        ):  # fmt: skip
            for number, layer in enumerate(getattr(self, name)):
                operator = layer.operator
                hyena = isinstance(operator, HyenaOperator)
                plan.append(
                    LayerPlan(
                        f"{name}.{number}",
                        operator.kind if hyena else "attention",
                        operator.evaluation(steps) if hyena else "direct",
                        steps,
                    )
                )
        return plan

    def force_evaluation(self, evaluation: Evaluation | None) -> None:
        """Evaluate all long convolutions in one way, or choose by length again.

        Args:
            evaluation: ``fft`` or ``chunked``; None: by length.

        Raises:
            ConfigError: If there is no such evaluation.
        """
        if evaluation not in (None, "fft", "chunked"):
            raise ConfigError(f"evaluation must be fft, chunked or None, got {evaluation!r}")
        for module in self.modules():
            if isinstance(module, HyenaOperator):
                module.forced = evaluation

    def _check_length(self, length: int) -> None:
        if length > self.config.max_position_embeddings:
            raise DataError(
                f"input_ids: a sequence of {length} tokens is longer than "
                f"max_position_embeddings={self.config.max_position_embeddings}; raise it or "
                "truncate"
            )

    def _checked_mask(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        if input_ids.dim() != 2 or input_ids.numel() == 0:
            raise DataError(
                "input_ids: expected shape (batch, length) with at least one token, got "
                f"{tuple(input_ids.shape)}"
            )
        lowest, highest = int(input_ids.min()), int(input_ids.max())
        if lowest < 0 or highest >= self.config.genomic_vocab_size:
            worst = lowest if lowest < 0 else highest
            raise DataError(
                f"input_ids: id {worst} is outside the vocabulary of "
                f"{self.config.genomic_vocab_size} tokens (genomic_vocab_size)"
            )
        if attention_mask is None:
            return torch.ones_like(input_ids, dtype=torch.bool)
        if attention_mask.shape != input_ids.shape:
            raise DataError(
                f"attention_mask: shape {tuple(attention_mask.shape)} differs from that of "
                f"input_ids, {tuple(input_ids.shape)}"
            )
        return attention_mask.bool()

    def _positions(self, ids: Tensor, offset: Tensor | None) -> tuple[Tensor, Tensor | int]:
        """Position of every aligned token, one row if all rows share it; and of the first ones."""
        column = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        if offset is None:
            return column, 0
        if not self.config.causal:
            raise ConfigError(
                "position_offset is for causal models; a two-sided one also knows how long the "
                "sequence is"
            )
        if offset.shape != ids.shape[:1]:
            raise DataError(
                f"position_offset: shape {tuple(offset.shape)} differs from the number of "
                f"sequences, ({ids.shape[0]},)"
            )
        first = offset.unsqueeze(1)
        return column + first, first

    def embed(
        self,
        ids: Tensor,
        inputs_embeds: Tensor | None = None,
        traits: TokenTraits = TokenTraits(),  # noqa: B008 - immutable
    ) -> Tensor:
        """Token and n-gram embeddings at the base level.

        Args:
            ids: (b, l) token ids of aligned rows.
            inputs_embeds: (b, l, e) in place of the token embeddings.
            traits: Qualities and modalities of the tokens.
        """
        # Scaled up: the table is small for the sake of the logits that it is tied to.
        scale = self.config.hidden_size**0.5
        if inputs_embeds is None:
            table = self.embedding_projection(self.embeddings.weight * scale)
            embedded = F.embedding(ids, table)
        else:
            embedded = self.embedding_projection(inputs_embeds * scale)
        quality, modality = traits
        if self.quality is not None and quality is not None:
            embedded = self.quality(embedded, ids, quality)
        if self.modality_embeddings is not None and modality is not None:
            table = self.embedding_projection(self.modality_embeddings.weight * scale)
            # Row 0 is for tokens of no molecule.
            embedded = embedded + F.embedding(modality + 1, F.pad(table, (0, 0, 1, 0)))
        if self.ngrams is None:
            return embedded
        return embedded + self.ngrams(ids, quality).to(embedded.dtype)

    def _run(self, layer: nn.Module, x: Tensor, *args: Any) -> Tensor:
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            out: Tensor = checkpoint(layer, x, *args, use_reentrant=False)
            return out
        plain: Tensor = layer(x, *args)
        return plain

    def smooth(self, x: Tensor, probability: Tensor, patch_mask: Tensor | None = None) -> Tensor:
        """Average each patch with those before it, the more the less sure its start is.

        Args:
            x: (r, p, e) patches.
            probability: (r, p) probability of each patch's start.
            patch_mask: (r, p), True on patches that exist; the others keep the average.
        """
        weight = bounded(probability)
        # The first patch of a row has nothing before it.
        first = torch.zeros_like(weight)
        first[:, 0] = 1.0
        present = weight if patch_mask is None else weight * patch_mask
        weight = torch.where(first.bool(), first, present)
        return moving_average(x, weight.to(x.dtype))

    def _compression(self, encoding: Encoding) -> Tensor:
        nucleotides = nucleotides_of(encoding.input_ids, self.config) * encoding.layout.mask
        return nucleotides.sum() / encoding.merging.patches.mask.sum()

    def _position_info(self, encoding: Encoding) -> dict[str, Tensor]:
        patches, layout = encoding.merging.patches, encoding.layout
        features = self.position_manager(patches)
        per_token = {
            "global_positions": self.position_manager.reconstruct(patches),
            "global_position": features.global_position,
            "position_in_patch": features.position_in_patch,
            "patch_length": features.patch_length,
            "patch_index": patches.index,
        }
        info = {name: from_aligned(value, layout) for name, value in per_token.items()}
        if layout.caller_mask.shape[0] == 1:
            info = {name: value[0] for name, value in info.items()}
        return {**info, "patch_starts": patches.first, "patch_lengths": patches.length}


def trunk_of(model: PreTrainedModel) -> HyenaGLT:
    """The Hyena-GLT model inside a face; a bare model is its own trunk.

    Args:
        model: Any model of the package.
    """
    inner = model if isinstance(model, HyenaGLT) else model.model
    assert isinstance(inner, HyenaGLT)
    return inner


def reverse_complement_ids(input_ids: Tensor, mask: Tensor) -> Tensor:
    """The other strand of aligned rows of single-nucleotide tokens; padding stays behind.

    Args:
        input_ids: (r, m) token ids; special tokens and N are their own complement.
        mask: (r, m), True on tokens.
    """
    flipped = input_ids.gather(1, mirror_index(mask))
    letter = (flipped >= 8) & (flipped < 12)
    return torch.where(letter, _COMPLEMENT_SUM - flipped, flipped)


def _confidence(merging: Merging) -> Tensor:
    """One in the forward pass; in the backward pass, the scorer's confidence in its decision."""
    decided = torch.where(
        merging.patches.starts, merging.probability, 1 - merging.probability
    ).unsqueeze(-1)
    return decided + (1 - decided).detach()


def _refuse_unused(unused: dict[str, Any]) -> None:
    # Hugging Face's generation passes these; they have no effect here.
    for name in ("use_cache", "cache_position", "position_ids", "return_dict",
                 "output_hidden_states"):  # fmt: skip
        unused.pop(name, None)
    if unused:
        raise TypeError(f"HyenaGLT.forward() has no argument {next(iter(unused))!r}")


_HEAD_TYPES: dict[str, type[nn.Module]] = {
    "classifier": SequenceClassificationHead,
    "token_classifier": TokenClassificationHead,
}
