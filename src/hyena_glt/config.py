"""Every setting of a Hyena-GLT model: its default, its unit and its rule.

``HyenaGLTConfig`` is a Hugging Face configuration: it saves to ``config.json``, loads through
``AutoConfig`` and travels with the weights.  Fields whose default is None are worked out from the
others when the configuration is made, so a saved file always holds plain numbers.

Units: *tokens* are what the tokenizer yields, *nucleotides* are letters of the sequence (residues
for proteins); with single-letter tokens the two are the same.
"""

import difflib
import math
from dataclasses import fields
from typing import Any, ClassVar, Literal, get_args

from transformers.configuration_utils import PreTrainedConfig

from hyena_glt.errors import ConfigError

# The layout of every vocabulary of this package: eight special tokens, then the letters.
NUM_SPECIAL_TOKENS = 8
N_TOKEN_ID = 5
# The joint vocabulary: letters of each molecule, its canonical ones first, one range behind the
# other.  A molecule's number is its place here.
MODALITIES = ("dna", "rna", "protein")
_JOINT_LETTERS = (4, 4, 27)
_JOINT_ALPHABETS = (4, 4, 20)

Stripe = Literal["SE", "MR", "LI", "attention"]
BoundaryScorer = Literal["entropy", "pattern", "entropy_pattern", "router", "fixed", "track"]

# Keyword arguments that Hugging Face itself passes or stores and that are not fields of ours.
_HUGGING_FACE_KEYS = {
    "name_or_path", "num_labels", "output_attentions", "attn_implementation", "torch_dtype",
    "experts_implementation", "model_type", "auto_map", "_commit_hash", "_attn_implementation",
    "_attn_implementation_internal", "_experts_implementation_internal", "vocab_size",
    "num_hidden_layers", "bos_token_id", "eos_token_id", "use_cache",
}  # fmt: skip


class HyenaGLTConfig(PreTrainedConfig):
    """Settings of a Hyena-GLT model.

    Example:
        >>> config = HyenaGLTConfig(hidden_size=256, num_layers=6, max_position_embeddings=2048)
        >>> config.local_hidden_size
        128

    Raises:
        ConfigError: If a field is unknown (the nearest name is given), out of range, or at odds
            with another one.

    Attributes:
        genomic_vocab_size: Rows of the embedding table, in tokens; at least the tokenizer's size.
        hidden_size: Width of the patch level and of ``last_hidden_state``, in channels.
        num_layers: Number of Hyena-GLT blocks over the patches.
        num_attention_heads: Heads of the bridge and of ``attention`` stripes.
        max_position_embeddings: Longest sequence accepted, in tokens.
        max_segment_length: Longest patch, in nucleotides.
        filter_size: Distinct long filters per block, each shared by ``hidden_size / filter_size``
            neighbouring channels; None means one per channel.
        short_filter_order: Taps of the short convolution that featurises q, k and v, in patches
            (in tokens at the base level).
        merge_threshold: Candidate boundaries score above it, in nats; ignored when
            ``target_compression`` is set.
        min_patch_size: Fewest tokens in a patch (the last patch of a sequence may be shorter).
        max_patch_size: Most tokens in a patch.
        dropout: Probability of dropping a channel of a residual branch.
        layer_norm_eps: Added to the variance in every normalisation.
        gradient_checkpointing: Recompute the blocks in the backward pass to save memory.
        causal: True: no output at a position depends on later tokens (language models,
            generation).  False: two-sided (classification, token labels, masked language models).
        stripe: Kinds of the blocks' operators, repeated over the depth: short explicit filter
            (``SE``), medium explicit (``MR``), long implicit (``LI``), ``attention``.
        medium_filter_length: Taps of an ``MR`` filter, in patches.
        filter_modes: Damped oscillations summed in one ``LI`` filter.
        attention_window: Patches that an ``attention`` stripe of a causal model looks back.
        intermediate_size: Width of the gated MLP of a block; None means 22/3 of
            ``hidden_size``, which gives the default model about 12 million parameters.
        local_hidden_size: Width of the base level; None means half of ``hidden_size``.
        local_encoder_layers: Layers over the tokens before merging.
        local_decoder_layers: Layers over the tokens after the patches came back.
        explicit_filter_length: Taps of an ``SE`` filter, in tokens at the base level, in patches
            above.
        ngram_sizes: Lengths, in nucleotides, of the n-grams with an embedding of their own; None
            chooses by alphabet and k-mer size; an empty tuple switches them off.
        alphabet_size: Canonical letters of the alphabet: 4 for DNA and RNA, 20 for proteins.
        num_letters: Single-letter tokens of the vocabulary, ambiguous residues included.
        kmer_size: Nucleotides in one k-mer token.
        overlapping_kmers: True if the tokenizer's stride is 1: one token per nucleotide.
        joint_vocabulary: True for ``GenomicTokenizer``: letters of DNA, RNA and protein in id
            ranges of their own.  ``alphabet_size`` is then 4, that of the nucleotides, and the
            n-grams are those of DNA and RNA, which share their tables.
        num_modalities: Kinds of sequence with an embedding of their own, which ``modality_ids``
            choose; 0: none.  With the joint vocabulary DNA is 0, RNA 1, protein 2.
        quality_embedding: The model reads ``quality_scores`` (Phred): letters and n-grams weigh
            less the more likely they are wrong.
        boundary_scorer: What decides where patches start: next-token ``entropy``, sequence
            ``pattern``, both, a learned ``router`` (H-Net), ``fixed`` stride, or a ``track`` of
            scores given by the caller.
        threshold_rule: ``relative``: the rise of the entropy over the previous position counts;
            ``absolute``: the entropy itself.
        target_compression: Mean nucleotides per patch to hold; the threshold then follows the
            scores' quantile in training and is frozen afterwards.  None: use ``merge_threshold``.
        bridge_layers: Blocks, counted from 0, in which patches look at their own tokens again.
        bridge_window: Patches each token attends on the way back: its own and neighbours when
            two-sided, the last closed ones when causal.
        reverse_complement: ``average``: predictions are averaged over both strands at inference,
            and the sequence head does without pooling by place.
        head_dropout: Probability of dropping a channel in a task head.
        kmer_readout: Sequence classification takes the mean of the network's prediction and of a
            linear one from k-mer counts, trained beside it.
        pad_token_id: Token that fills rows up; 0 in every vocabulary of this package.
        tie_word_embeddings: Always True: the language-model head is the embedding table.
        attached_heads: Settings of heads assigned to a ``HyenaGLT``, written when it is saved.
        tasks: Tasks of a ``HyenaGLTForMultiTask``: for each name the fields of
            :class:`~hyena_glt.tasks.multitask.TaskSpec`.
        task_weighting: Weights of their losses: ``fixed``, as the tasks say, or ``uncertainty``:
            learned.
    """

    model_type: ClassVar[str] = "hyena_glt"
    # Predictions, to Hugging Face's Trainer, are the logits alone.
    keys_to_ignore_at_inference: ClassVar[list[str]] = [
        "last_hidden_state", "patch_hidden_state", "patch_mask", "token_logits", "position_info",
        "attentions", "compression_ratio", "entropy_loss", "past_key_values",
    ]  # fmt: skip
    attribute_map: ClassVar[dict[str, str]] = {
        "vocab_size": "genomic_vocab_size",
        "num_hidden_layers": "num_layers",
    }

    genomic_vocab_size: int = 1000
    hidden_size: int = 256
    num_layers: int = 6
    num_attention_heads: int = 8
    max_position_embeddings: int = 2048
    max_segment_length: int = 64
    filter_size: int | None = None
    short_filter_order: int = 3
    merge_threshold: float = 0.1
    min_patch_size: int = 1
    max_patch_size: int = 16
    dropout: float = 0.1
    layer_norm_eps: float = 1e-5
    gradient_checkpointing: bool = False

    causal: bool = True
    stripe: tuple[Stripe, ...] = ("SE", "MR", "LI")
    medium_filter_length: int = 128
    filter_modes: int = 16
    attention_window: int = 128
    intermediate_size: int | None = None
    local_hidden_size: int | None = None
    local_encoder_layers: int = 1
    local_decoder_layers: int = 1
    explicit_filter_length: int = 7
    ngram_sizes: tuple[int, ...] | None = None
    alphabet_size: int = 4
    num_letters: int = 4
    kmer_size: int = 1
    overlapping_kmers: bool = False
    joint_vocabulary: bool = False
    num_modalities: int = 0
    quality_embedding: bool = False
    boundary_scorer: BoundaryScorer = "entropy_pattern"
    threshold_rule: Literal["relative", "absolute"] = "relative"
    target_compression: float | None = None
    bridge_layers: tuple[int, ...] = (0,)
    bridge_window: int = 3
    reverse_complement: Literal["none", "average"] = "none"
    head_dropout: float = 0.1
    kmer_readout: bool = True

    pad_token_id: int | None = 0
    tie_word_embeddings: bool = True
    attached_heads: dict[str, Any] | None = None
    tasks: dict[str, Any] | None = None
    task_weighting: Literal["fixed", "uncertainty"] = "fixed"

    def __post_init__(self, **kwargs: Any) -> None:
        self._refuse_unknown(kwargs)
        for alias, name in self.attribute_map.items():
            if alias in kwargs:
                setattr(self, name, kwargs.pop(alias))
        # Before anything is worked out from them.
        self._check_kinds()
        self._check_ranges()
        if self.filter_size is None:
            self.filter_size = self.hidden_size
        if self.intermediate_size is None:
            self.intermediate_size = -(-22 * self.hidden_size // 24) * 8
        if self.local_hidden_size is None:
            self.local_hidden_size = self.hidden_size // 2
        if self.ngram_sizes is None:
            self.ngram_sizes = self._default_ngram_sizes()
        # JSON has no tuples.
        self.stripe = tuple(self.stripe)
        self.ngram_sizes = tuple(self.ngram_sizes)
        self.bridge_layers = tuple(self.bridge_layers)
        self.validate()
        super().__post_init__(**kwargs)

    @classmethod
    def for_tokenizer(cls, tokenizer: Any, **settings: Any) -> "HyenaGLTConfig":
        """Make a configuration that fits a tokenizer.

        Args:
            tokenizer: One of this package's tokenizers; gives vocabulary, alphabet and k-mer size.
            settings: Any other field.
        """
        defaults: dict[str, Any] = {"genomic_vocab_size": len(tokenizer)}
        if tokenizer.is_joint:
            defaults |= {
                "joint_vocabulary": True,
                "num_modalities": len(MODALITIES),
                "num_letters": sum(_JOINT_LETTERS),
            }
        else:
            defaults |= {
                "alphabet_size": tokenizer.alphabet_size,
                "num_letters": len(tokenizer.letters),
                "kmer_size": tokenizer.kmer_size,
                "overlapping_kmers": tokenizer.kmer_size > 1 and tokenizer.bases_per_token == 1,
            }
        return cls(**{**defaults, **settings})

    @classmethod
    def preset(cls, name: str, **settings: Any) -> "HyenaGLTConfig":
        """Make the guide's small, medium or large model.

        Args:
            name: ``small``, ``medium`` or ``large``.
            settings: Fields that differ from the preset.

        Raises:
            ConfigError: If there is no such preset.
        """
        if name not in PRESETS:
            raise ConfigError(f"preset {name!r} does not exist; choose from {', '.join(PRESETS)}")
        return cls(**{**PRESETS[name], **settings})

    @property
    def bases_per_token(self) -> int:
        """Nucleotides that one k-mer token moves along the sequence."""
        return 1 if self.overlapping_kmers else self.kmer_size

    @property
    def alphabets(self) -> tuple[tuple[int, int], ...]:
        """Id of the first letter and number of canonical letters of each alphabet."""
        if not self.joint_vocabulary:
            return ((NUM_SPECIAL_TOKENS, self.alphabet_size),)
        firsts = (first for first, _ in joint_letter_ranges())
        return tuple(zip(firsts, _JOINT_ALPHABETS, strict=True))

    @property
    def max_patch_tokens(self) -> int:
        """Most tokens in a patch under both ``max_patch_size`` and ``max_segment_length``."""
        return max(1, min(self.max_patch_size, self.max_segment_length // self.bases_per_token))

    def block_stripe(self, layer: int) -> Stripe:
        """Kind of the operator in one block.

        Args:
            layer: Block, counted from 0.
        """
        return self.stripe[layer % len(self.stripe)]

    def validate(self) -> None:
        """Check every field against its rule.

        Called when the configuration is made and again when a model is built from it, since
        fields may be set in between.

        Raises:
            ConfigError: Names the field, its value and the rule.
        """
        self._check_kinds()
        self._check_ranges()
        self._check_choices()
        self._check_combinations()

    def _default_ngram_sizes(self) -> tuple[int, ...]:
        """The longest exact tables that stay small: at most 20**3 = 8,000 rows."""
        if self.alphabet_size > 8:
            return (2, 3) if self.kmer_size == 1 else ()
        if self.bases_per_token == 1:
            return (3, 4, 5, 6)
        return tuple(n for n in (4, 6) if n % self.kmer_size == 0 and n > self.kmer_size)

    @classmethod
    def _refuse_unknown(cls, kwargs: dict[str, Any]) -> None:
        known = {field.name for field in fields(cls)}
        for name in kwargs:
            if name in _HUGGING_FACE_KEYS:
                continue
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"HyenaGLTConfig has no field {name!r}{hint}")

    def _check_kinds(self) -> None:
        for name in (*_AT_LEAST, *_FRACTIONS, *_NUMBERS):
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            kinds = (int,) if name in _AT_LEAST else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                wanted = "a whole number" if kinds == (int,) else "a number"
                raise ConfigError(f"{name} must be {wanted}, got {value!r}")
            if not math.isfinite(value):
                raise ConfigError(f"{name} must be finite, got {value!r}")
        for name, kind in _LISTS.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            if not isinstance(value, list | tuple) or not all(type(item) is kind for item in value):
                wanted = "names" if kind is str else "whole numbers"
                raise ConfigError(f"{name} must be a list of {wanted}, got {value!r}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, got {getattr(self, name)!r}")

    def _check_ranges(self) -> None:
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}, got {value}")
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.layer_norm_eps <= 0:
            raise ConfigError(f"layer_norm_eps must be above 0, got {self.layer_norm_eps}")

    def _check_choices(self) -> None:
        choices: dict[str, tuple[Any, ...]] = {
            "boundary_scorer": get_args(BoundaryScorer),
            "threshold_rule": ("relative", "absolute"),
            "reverse_complement": ("none", "average"),
            "task_weighting": ("fixed", "uncertainty"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if not self.tie_word_embeddings:
            raise ConfigError(
                "tie_word_embeddings must be true, got False: the language-model head is the "
                "embedding table"
            )
        if not self.stripe:
            raise ConfigError("stripe must name at least one operator")
        for kind in self.stripe:
            if kind not in get_args(Stripe):
                raise ConfigError(f"stripe may hold {', '.join(get_args(Stripe))}, got {kind!r}")

    def _check_combinations(self) -> None:
        assert self.filter_size is not None  # resolved in __post_init__
        assert self.local_hidden_size is not None
        for name in ("num_attention_heads", "filter_size"):
            if self.hidden_size % getattr(self, name):
                raise ConfigError(
                    f"hidden_size ({self.hidden_size}) must be a multiple of {name} "
                    f"({getattr(self, name)})"
                )
        if self.local_hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"local_hidden_size ({self.local_hidden_size}; half of hidden_size unless given) "
                f"must be a multiple of num_attention_heads ({self.num_attention_heads})"
            )
        if self.num_letters < self.alphabet_size:
            raise ConfigError(
                f"num_letters ({self.num_letters}) must be at least alphabet_size "
                f"({self.alphabet_size})"
            )
        if self.explicit_filter_length % 2 == 0 or self.short_filter_order % 2 == 0:
            raise ConfigError(
                "explicit_filter_length and short_filter_order must be odd, so that two-sided "
                f"filters have a centre; got {self.explicit_filter_length} and "
                f"{self.short_filter_order}"
            )
        if self.min_patch_size > self.max_patch_tokens:
            raise ConfigError(
                f"min_patch_size ({self.min_patch_size} tokens) is larger than the longest patch "
                f"({self.max_patch_tokens} tokens: max_patch_size={self.max_patch_size}, "
                f"max_segment_length={self.max_segment_length} nucleotides)"
            )
        self._check_target()
        for layer in self.bridge_layers:
            if not 0 <= layer < self.num_layers:
                raise ConfigError(
                    f"bridge_layers holds {layer}; expected blocks in [0, {self.num_layers})"
                )
        self._check_ngrams()
        self._check_strands()
        self._check_joint()

    def _check_ngrams(self) -> None:
        assert self.ngram_sizes is not None
        for size in self.ngram_sizes:
            if size < 2 or size % self.bases_per_token or size == self.bases_per_token:
                raise ConfigError(
                    f"ngram_sizes holds {size}; expected multiples of the k-mer size "
                    f"({self.bases_per_token}) of at least two tokens"
                )
            if self.alphabet_size**size > 70_000:
                raise ConfigError(
                    f"ngram_sizes holds {size}: its exact table would need "
                    f"{self.alphabet_size**size:,} rows; at most 70,000 are allowed"
                )

    def _check_joint(self) -> None:
        if not self.joint_vocabulary:
            return
        letters = sum(_JOINT_LETTERS)
        wanted = {"kmer_size": 1, "alphabet_size": 4, "num_letters": letters}
        for name, value in wanted.items():
            if getattr(self, name) != value:
                raise ConfigError(
                    f"{name} must be {value} with joint_vocabulary=True, got {getattr(self, name)};"
                    " HyenaGLTConfig.for_tokenizer(GenomicTokenizer()) sets all of them"
                )
        if self.genomic_vocab_size < NUM_SPECIAL_TOKENS + letters:
            raise ConfigError(
                f"genomic_vocab_size must be at least {NUM_SPECIAL_TOKENS + letters} with "
                f"joint_vocabulary=True, got {self.genomic_vocab_size}"
            )
        if self.num_modalities not in (0, len(MODALITIES)):
            raise ConfigError(
                f"num_modalities must be 0 or {len(MODALITIES)} ({', '.join(MODALITIES)}) with "
                f"joint_vocabulary=True, got {self.num_modalities}"
            )

    def _check_strands(self) -> None:
        if self.reverse_complement == "none":
            return
        if self.joint_vocabulary:
            raise ConfigError(
                "reverse_complement='average' is for DNA alone: in a joint vocabulary RNA and "
                "protein have one strand; train such a model with reverse_complement='none'"
            )
        if self.kmer_size != 1 or self.alphabet_size != 4:
            raise ConfigError(
                "reverse_complement='average' needs single-nucleotide tokens of DNA or RNA, "
                f"got kmer_size={self.kmer_size}, alphabet_size={self.alphabet_size}"
            )
        if self.causal:
            raise ConfigError(
                "reverse_complement='average' looks at the sequence from both ends, so it "
                "needs causal=False"
            )

    def _check_target(self) -> None:
        if self.target_compression is None:
            return
        shortest = self.min_patch_size * self.bases_per_token
        longest = self.max_patch_tokens * self.bases_per_token
        if not shortest <= self.target_compression <= longest:
            raise ConfigError(
                f"target_compression ({self.target_compression} nucleotides per patch) must lie "
                f"between the shortest patch ({shortest}) and the longest ({longest}: "
                f"max_patch_size={self.max_patch_size} tokens, "
                f"max_segment_length={self.max_segment_length} nucleotides)"
            )


def joint_letter_ranges() -> tuple[tuple[int, int], ...]:
    """First letter id and number of letters of each molecule in the joint vocabulary."""
    firsts = [NUM_SPECIAL_TOKENS + sum(_JOINT_LETTERS[:i]) for i in range(len(_JOINT_LETTERS))]
    return tuple(zip(firsts, _JOINT_LETTERS, strict=True))


_AT_LEAST = {
    "genomic_vocab_size": NUM_SPECIAL_TOKENS + 1, "hidden_size": 2, "num_layers": 1,
    "num_attention_heads": 1, "max_position_embeddings": 1, "max_segment_length": 1,
    "filter_size": 1, "short_filter_order": 1, "min_patch_size": 1, "max_patch_size": 1,
    "medium_filter_length": 1, "filter_modes": 1, "attention_window": 1, "intermediate_size": 1,
    "local_hidden_size": 2, "local_encoder_layers": 1, "local_decoder_layers": 1,
    "explicit_filter_length": 1, "alphabet_size": 2, "num_letters": 2, "kmer_size": 1,
    "bridge_window": 1, "num_modalities": 0,
}  # fmt: skip
_SWITCHES = (
    "causal", "gradient_checkpointing", "overlapping_kmers", "kmer_readout", "joint_vocabulary",
    "quality_embedding",
)  # fmt: skip
_FRACTIONS = ("dropout", "head_dropout")
_NUMBERS = ("merge_threshold", "layer_norm_eps", "target_compression")
_LISTS = {"stripe": str, "ngram_sizes": int, "bridge_layers": int}
_MAY_BE_NONE = {
    "filter_size", "intermediate_size", "local_hidden_size", "ngram_sizes", "target_compression",
}  # fmt: skip

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "genomic_vocab_size": 500, "hidden_size": 128, "num_layers": 4,
        "max_position_embeddings": 1024, "filter_size": 128, "intermediate_size": 256,
        "local_hidden_size": 128,
    },
    "medium": {
        "genomic_vocab_size": 1000, "hidden_size": 256, "num_layers": 6,
        "max_position_embeddings": 2048, "filter_size": 256,
    },
    "large": {
        "genomic_vocab_size": 2000, "hidden_size": 512, "num_layers": 12,
        "max_position_embeddings": 4096, "filter_size": 512, "gradient_checkpointing": True,
    },
}  # fmt: skip
