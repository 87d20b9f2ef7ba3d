"""The configuration's promises: nothing is swallowed, every rule speaks, every field matters."""

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig

from hyena_glt.config import PRESETS, HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.model import HyenaGLT, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import (
    DNATokenizer,
    GenomicTokenizer,
    ProteinTokenizer,
    RNATokenizer,
)

_HUGGING_FACE = {field.name for field in dataclasses.fields(PreTrainedConfig)}
OWN_FIELDS = sorted({f.name for f in dataclasses.fields(HyenaGLTConfig)} - _HUGGING_FACE)
# Their effects have tests of their own: padding and attached heads in model/test_promises.py.
TESTED_ELSEWHERE = {"pad_token_id", "attached_heads", "tasks", "task_weighting"}


def made(**settings: Any) -> HyenaGLTConfig:
    """Any settings at all: what a type checker would refuse is refused at run time too."""
    return HyenaGLTConfig(**settings)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", OWN_FIELDS)
def test_a_misspelt_field_is_refused_with_the_nearest_name(field):
    misspelt = field[:2] + field[3:]
    with pytest.raises(ConfigError, match=rf"no field '{misspelt}'; did you mean {field}\?"):
        made(**{misspelt: 1})


@given(
    st.sampled_from(OWN_FIELDS), st.integers(0, 40), st.sampled_from("abcdefghijklmnopqrstuvwxyz")
)
def test_one_wrong_letter_is_never_swallowed(field, place, letter):
    place %= len(field)
    misspelt = field[:place] + letter + field[place + 1 :]
    if misspelt != field:
        with pytest.raises(ConfigError, match=f"no field '{misspelt}'"):
            made(**{misspelt: 1})


@pytest.mark.parametrize("name", ["k", "xyzzy"])
def test_a_name_that_is_near_to_none_gets_no_suggestion(name):
    with pytest.raises(ConfigError) as caught:
        made(**{name: 6})
    assert str(caught.value) == f"HyenaGLTConfig has no field '{name}'"


def test_the_names_that_hugging_face_uses_are_the_same_fields():
    config = HyenaGLTConfig(vocab_size=50, num_hidden_layers=3)  # type: ignore[call-arg]
    assert (config.genomic_vocab_size, config.num_layers) == (50, 3)
    assert (config.vocab_size, config.num_hidden_layers) == (50, 3)
    with pytest.raises(ConfigError, match="genomic_vocab_size must be at least 9, got 3"):
        HyenaGLTConfig(vocab_size=3)  # type: ignore[call-arg]


JOINT: dict[str, Any] = {
    "joint_vocabulary": True, "num_letters": 35, "genomic_vocab_size": 43,
}  # fmt: skip

# --- rules ---------------------------------------------------------------------------------------

_LEAST = {
    "genomic_vocab_size": 9, "hidden_size": 2, "num_layers": 1, "num_attention_heads": 1,
    "max_position_embeddings": 1, "max_segment_length": 1, "filter_size": 1,
    "short_filter_order": 1, "min_patch_size": 1, "max_patch_size": 1, "medium_filter_length": 1,
    "filter_modes": 1, "attention_window": 1, "intermediate_size": 1, "local_hidden_size": 2,
    "local_encoder_layers": 1, "local_decoder_layers": 1, "explicit_filter_length": 1,
    "alphabet_size": 2, "num_letters": 2, "kmer_size": 1, "bridge_window": 1,
    "num_modalities": 0,
}  # fmt: skip


@pytest.mark.parametrize(("field", "least"), _LEAST.items())
def test_sizes_have_a_least_value(field, least):
    with pytest.raises(ConfigError, match=f"^{field} must be at least {least}, got {least - 1}$"):
        HyenaGLTConfig(**{field: least - 1})


@pytest.mark.parametrize("field", _LEAST)
@pytest.mark.parametrize("value", [2.0, "2", True])
def test_sizes_are_whole_numbers(field, value):
    with pytest.raises(ConfigError, match=f"^{field} must be a whole number, got {value!r}$"):
        HyenaGLTConfig(**{field: value})


@pytest.mark.parametrize("field", sorted(set(_LEAST) - {
    "filter_size", "intermediate_size", "local_hidden_size",
}))  # fmt: skip
def test_sizes_that_nothing_can_be_worked_out_for_must_be_given(field):
    with pytest.raises(ConfigError, match=f"^{field} must be a whole number, got None$"):
        made(**{field: None})


@pytest.mark.parametrize("field", ["dropout", "head_dropout"])
@pytest.mark.parametrize("value", [-0.1, 1.0, 1])
def test_probabilities_lie_below_one(field, value):
    with pytest.raises(ConfigError, match=rf"^{field} must be in \[0, 1\), got {value}$"):
        HyenaGLTConfig(**{field: value})


@pytest.mark.parametrize(
    "field",
    ["dropout", "head_dropout", "merge_threshold", "layer_norm_eps", "target_compression"],
)
@pytest.mark.parametrize("value", ["0.1", True])
def test_numbers_are_numbers(field, value):
    with pytest.raises(ConfigError, match=f"^{field} must be a number, got {value!r}$"):
        HyenaGLTConfig(**{field: value})


@pytest.mark.parametrize("field", ["dropout", "merge_threshold", "layer_norm_eps"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_are_finite(field, value):
    with pytest.raises(ConfigError, match=f"^{field} must be finite, got {value}$"):
        HyenaGLTConfig(**{field: value})


@pytest.mark.parametrize(
    "field",
    ["causal", "gradient_checkpointing", "overlapping_kmers", "joint_vocabulary",
     "quality_embedding"],
)  # fmt: skip
@pytest.mark.parametrize("value", [1, "yes", None])
def test_switches_are_true_or_false(field, value):
    with pytest.raises(ConfigError, match=f"^{field} must be true or false, got {value!r}$"):
        HyenaGLTConfig(**{field: value})


_LISTS = {"stripe": "names", "ngram_sizes": "whole numbers", "bridge_layers": "whole numbers"}


@pytest.mark.parametrize(("field", "kind"), _LISTS.items())
@pytest.mark.parametrize("value", [3, "SE", [None], [1.5]])
def test_lists_hold_what_they_should(field, kind, value):
    with pytest.raises(ConfigError) as caught:
        HyenaGLTConfig(**{field: value})
    assert str(caught.value) == f"{field} must be a list of {kind}, got {value!r}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_norm_eps": 0.0}, r"^layer_norm_eps must be above 0, got 0\.0$"),
        (
            {"boundary_scorer": "entropie"},
            ("^boundary_scorer must be one of entropy, pattern, entropy_pattern, router, fixed, "
            "track, got 'entropie'$"),
        ),
        (
            {"threshold_rule": "both"},
            "^threshold_rule must be one of relative, absolute, got 'both'$",
        ),
        (
            {"reverse_complement": "mean"},
            "^reverse_complement must be one of none, average, got 'mean'$",
        ),
        ({"stripe": ()}, "^stripe must name at least one operator$"),
        ({"stripe": ("SE", "XL")}, "^stripe may hold SE, MR, LI, attention, got 'XL'$"),
        ({"tie_word_embeddings": False}, "^tie_word_embeddings must be true, got False: "),
        (
            {"num_attention_heads": 3},
            r"^hidden_size \(256\) must be a multiple of num_attention_heads \(3\)$",
        ),
        (
            {"filter_size": 100},
            r"^hidden_size \(256\) must be a multiple of filter_size \(100\)$",
        ),
        (
            {"local_hidden_size": 60},
            r"^local_hidden_size \(60; .*must be a multiple of num_attention_heads \(8\)$",
        ),
        (
            {"hidden_size": 24},
            r"^local_hidden_size \(12; half of hidden_size unless given\) must be a multiple",
        ),
        ({"num_letters": 3}, r"^num_letters \(3\) must be at least alphabet_size \(4\)$"),
        ({"explicit_filter_length": 8}, "explicit_filter_length .* must be odd.*got 8 and 3$"),
        ({"short_filter_order": 2}, "short_filter_order must be odd.*got 7 and 2$"),
        (
            {"min_patch_size": 17},
            (r"^min_patch_size \(17 tokens\) is larger than the longest patch \(16 tokens: "
            "max_patch_size=16, max_segment_length=64 nucleotides"),
        ),
        (
            {"min_patch_size": 4, "kmer_size": 8, "max_segment_length": 24},
            r"^min_patch_size \(4 tokens\) is larger than the longest patch \(3 tokens",
        ),
        (
            {"target_compression": 17},
            (r"^target_compression \(17 nucleotides per patch\) must lie between the shortest "
            r"patch \(1\) and the longest \(16: max_patch_size=16 tokens"),
        ),
        (
            {"target_compression": 2.5, "kmer_size": 3},
            (r"^target_compression \(2.5 nucleotides per patch\) must lie between the shortest "
            r"patch \(3\) and the longest \(48"),
        ),
        ({"bridge_layers": (0, 6)}, r"^bridge_layers holds 6; expected blocks in \[0, 6\)$"),
        ({"bridge_layers": (-1,)}, r"^bridge_layers holds -1; expected"),
        ({"ngram_sizes": (1,)}, "^ngram_sizes holds 1; expected multiples of the k-mer size"),
        (
            {"ngram_sizes": (4,), "kmer_size": 3},
            r"^ngram_sizes holds 4; expected multiples of the k-mer size \(3\) of at least two",
        ),
        ({"ngram_sizes": (3,), "kmer_size": 3}, "^ngram_sizes holds 3; expected multiples"),
        (
            {"ngram_sizes": (9,)},
            "^ngram_sizes holds 9: its exact table would need 262,144 rows; at most 70,000",
        ),
        (
            {"reverse_complement": "average", "causal": False, "kmer_size": 3},
            "^reverse_complement='average' needs single-nucleotide tokens.*got kmer_size=3, ",
        ),
        (
            {"reverse_complement": "average", "causal": False, "alphabet_size": 20,
             "num_letters": 27},
            "^reverse_complement='average' needs .* of DNA or RNA.*alphabet_size=20$",
        ),
        ({"reverse_complement": "average"}, "^reverse_complement='average'.*needs causal=False$"),
        (
            {**JOINT, "reverse_complement": "average", "causal": False},
            "^reverse_complement='average' is for DNA alone: in a joint vocabulary",
        ),
        ({**JOINT, "kmer_size": 3}, "^kmer_size must be 1 with joint_vocabulary=True, got 3"),
        ({**JOINT, "num_letters": 4}, "^num_letters must be 35 with joint_vocabulary=True, got 4"),
        ({**JOINT, "alphabet_size": 20}, "^alphabet_size must be 4 with joint_vocabulary=True"),
        (
            {**JOINT, "genomic_vocab_size": 42},
            "^genomic_vocab_size must be at least 43 with joint_vocabulary=True, got 42$",
        ),
        ({**JOINT, "num_modalities": 2}, r"^num_modalities must be 0 or 3 \(dna, .*got 2$"),
    ],
)  # fmt: skip
def test_every_rule_names_the_field_the_value_and_the_rule(settings, message):
    with pytest.raises(ConfigError, match=message):
        HyenaGLTConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"min_patch_size": 16},
        {"target_compression": 16},
        {"target_compression": 1},
        {"ngram_sizes": (8,)},
        {"ngram_sizes": ()},
        {"bridge_layers": ()},
        {"bridge_layers": [0, 5]},
        {"dropout": 0},
        {"reverse_complement": "average", "causal": False},
    ],
)
def test_values_on_the_border_are_fine(settings):
    HyenaGLTConfig(**settings).validate()


def test_a_configuration_spoilt_later_builds_no_model():
    config = HyenaGLTConfig(**TINY)
    config.num_layers = 0
    with pytest.raises(ConfigError, match="num_layers must be at least 1, got 0"):
        HyenaGLT(config)


# --- derived fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "derived"),
    [
        (
            {},
            {"filter_size": 256, "intermediate_size": 1880, "local_hidden_size": 128,
             "ngram_sizes": (3, 4, 5, 6), "bases_per_token": 1, "max_patch_tokens": 16},
        ),
        ({"hidden_size": 128}, {"intermediate_size": 944, "local_hidden_size": 64}),
        (
            {"kmer_size": 3},
            {"ngram_sizes": (6,), "bases_per_token": 3, "max_patch_tokens": 16},
        ),
        ({"kmer_size": 2}, {"ngram_sizes": (4, 6), "bases_per_token": 2}),
        ({"kmer_size": 6}, {"ngram_sizes": (), "max_patch_tokens": 10}),
        (
            {"kmer_size": 3, "overlapping_kmers": True},
            {"ngram_sizes": (3, 4, 5, 6), "bases_per_token": 1},
        ),
        ({"alphabet_size": 20, "num_letters": 27}, {"ngram_sizes": (2, 3)}),
        ({"alphabet_size": 20, "num_letters": 27, "kmer_size": 2}, {"ngram_sizes": ()}),
        ({"max_segment_length": 8, "kmer_size": 3}, {"max_patch_tokens": 2}),
        ({"max_segment_length": 2, "kmer_size": 3}, {"max_patch_tokens": 1}),
        ({"stripe": ["LI"], "bridge_layers": [1]}, {"stripe": ("LI",), "bridge_layers": (1,)}),
    ],
)  # fmt: skip
def test_what_is_not_given_is_worked_out(settings, derived):
    config = HyenaGLTConfig(**settings)
    assert {name: getattr(config, name) for name in derived} == derived


def test_what_is_given_is_kept():
    given: dict[str, Any] = {"filter_size": 64, "intermediate_size": 100, "local_hidden_size": 40,
             "ngram_sizes": (2,)}  # fmt: skip
    config = HyenaGLTConfig(**given)
    assert {name: getattr(config, name) for name in given} == given


def test_the_stripe_repeats_over_the_depth():
    config = HyenaGLTConfig(num_layers=5, stripe=("SE", "LI", "attention"))
    assert [config.block_stripe(layer) for layer in range(5)] == [
        "SE", "LI", "attention", "SE", "LI",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (DNATokenizer(kmer_size=1), (12, 4, 4, 1, False)),
        (DNATokenizer(kmer_size=3), (76, 4, 4, 3, False)),
        (RNATokenizer(kmer_size=3, stride=1), (76, 4, 4, 3, True)),
        (ProteinTokenizer(), (35, 20, 27, 1, False)),
        (GenomicTokenizer(), (43, 4, 35, 1, False)),
    ],
)
def test_a_configuration_fits_its_tokenizer(tokenizer, expected):
    config = HyenaGLTConfig.for_tokenizer(tokenizer, hidden_size=64)
    joint = isinstance(tokenizer, GenomicTokenizer)
    assert (config.joint_vocabulary, config.num_modalities) == (joint, 3 if joint else 0)
    found = (
        config.genomic_vocab_size,
        config.alphabet_size,
        config.num_letters,
        config.kmer_size,
        config.overlapping_kmers,
    )
    assert found == expected
    assert config.hidden_size == 64


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kmer_size": 3, "stripe": ("LI", "attention"), "bridge_layers": (0, 2), "causal": False},
        {"reverse_complement": "average", "causal": False, "target_compression": 7.5,
         "num_labels": 5, "ngram_sizes": ()},
        {"id2label": {0: "no", 1: "yes"}, "problem_type": "single_label_classification"},
    ],
)  # fmt: skip
def test_saved_is_loaded(tmp_path, settings):
    config = HyenaGLTConfig(**settings)
    config.save_pretrained(tmp_path)
    loaded = HyenaGLTConfig.from_pretrained(tmp_path)
    assert {**loaded.to_dict(), "_name_or_path": ""} == {**config.to_dict(), "_name_or_path": ""}
    assert loaded.stripe == config.stripe
    assert loaded.num_labels == config.num_labels
    assert type(AutoConfig.from_pretrained(tmp_path)) is HyenaGLTConfig


def test_a_saved_file_holds_every_field_as_a_plain_value(tmp_path):
    HyenaGLTConfig(hidden_size=128).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert set(OWN_FIELDS) <= set(saved)
    unknown = {name for name in OWN_FIELDS if saved[name] is None}
    assert unknown == {"target_compression", "attached_heads", "tasks"}
    assert saved["intermediate_size"] == 944


def test_a_field_renamed_in_a_saved_file_is_refused(tmp_path):
    HyenaGLTConfig().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"hidden_size"', '"hiden_size"'))
    with pytest.raises(ConfigError, match="did you mean hidden_size"):
        HyenaGLTConfig.from_pretrained(tmp_path)


def test_a_file_saved_before_there_were_modalities_is_read(tmp_path):
    HyenaGLTConfig(hidden_size=64).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    saved = json.loads(path.read_text())
    for field in ("num_modalities", "quality_embedding", "joint_vocabulary"):
        del saved[field]
    path.write_text(json.dumps(saved))
    config = HyenaGLTConfig.from_pretrained(tmp_path)
    assert (config.num_modalities, config.quality_embedding, config.hidden_size) == (0, False, 64)
    assert config.joint_vocabulary is False


# --- the guide -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "guide"),
    [
        ("small", {"genomic_vocab_size": 500, "hidden_size": 128, "num_layers": 4,
                   "max_position_embeddings": 1024, "filter_size": 128}),
        ("medium", {"genomic_vocab_size": 1000, "hidden_size": 256, "num_layers": 6,
                    "max_position_embeddings": 2048, "filter_size": 256}),
        ("large", {"genomic_vocab_size": 2000, "hidden_size": 512, "num_layers": 12,
                   "max_position_embeddings": 4096, "filter_size": 512,
                   "gradient_checkpointing": True}),
    ],
)  # fmt: skip
def test_presets_are_those_of_the_guide(name, guide):
    config = HyenaGLTConfig.preset(name)
    assert {field: getattr(config, field) for field in guide} == guide


def test_the_presets_are_three_and_may_be_changed():
    assert list(PRESETS) == ["small", "medium", "large"]
    config = HyenaGLTConfig.preset("small", num_layers=2, causal=False)
    assert (config.num_layers, config.hidden_size, config.causal) == (2, 128, False)
    with pytest.raises(
        ConfigError, match="'tiny' does not exist; choose from small, medium, large"
    ):
        HyenaGLTConfig.preset("tiny")


def test_the_guides_configuration_is_the_default():
    config = HyenaGLTConfig(
        genomic_vocab_size=1000, hidden_size=256, num_layers=6, num_attention_heads=8,
        max_position_embeddings=2048, max_segment_length=64, filter_size=256,
        short_filter_order=3, merge_threshold=0.1, min_patch_size=1, max_patch_size=16,
        dropout=0.1, layer_norm_eps=1e-5, gradient_checkpointing=False,
    )  # fmt: skip
    assert config.to_dict() == HyenaGLTConfig().to_dict()


# --- every field has an effect -------------------------------------------------------------------

TINY: dict[str, Any] = {
    "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 256, "merge_threshold": 0.02, "max_patch_size": 8,
    "medium_filter_length": 16, "filter_modes": 4, "intermediate_size": 32, "dropout": 0.0,
    "head_dropout": 0.0, "num_labels": 2, "kmer_readout": False,
}  # fmt: skip
KMERS: dict[str, Any] = {"genomic_vocab_size": 80, "kmer_size": 3, "ngram_sizes": (6,)}


def _model(config: HyenaGLTConfig) -> HyenaGLTForSequenceClassification:
    torch.manual_seed(0)
    return HyenaGLTForSequenceClassification(config)


def _tokens(config: HyenaGLTConfig, length: int = 60) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(8, config.genomic_vocab_size, (2, length), generator=generator)


def shapes(config: HyenaGLTConfig) -> Any:
    """Name and shape of every parameter."""
    return [(name, tuple(p.shape)) for name, p in _model(config).named_parameters()]


@torch.no_grad()
def outputs(config: HyenaGLTConfig) -> Any:
    """What the model says at inference."""
    return _model(config).eval()(_tokens(config)).logits.tolist()


@torch.no_grad()
def patches(config: HyenaGLTConfig) -> Any:
    """Where the patches start."""
    encoding = _model(config).eval().model.encode(_tokens(config))
    return encoding.merging.patches.starts.tolist()


@torch.no_grad()
def nucleotides_per_patch(config: HyenaGLTConfig) -> Any:
    """The compression that is reported."""
    return float(_model(config).eval()(_tokens(config)).compression_ratio)


@torch.no_grad()
def outputs_in_training(config: HyenaGLTConfig) -> Any:
    """What the model says in training; zero dropout draws nothing."""
    return _model(config).train()(_tokens(config)).logits.tolist()


@torch.no_grad()
def threshold_after_a_step(config: HyenaGLTConfig) -> Any:
    """Where the merger's threshold stands after one step of training."""
    model = _model(config).train()
    model(_tokens(config))
    return float(model.model.initial_merger.threshold)


def memory_of_the_backward_pass(config: HyenaGLTConfig) -> Any:
    """Numbers kept for the backward pass."""
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    model = _model(config).train()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        model(_tokens(config), labels=torch.tensor([0, 1]))
    return kept


@torch.no_grad()
def accepts_100_tokens(config: HyenaGLTConfig) -> Any:
    """Whether a sequence of 100 tokens is read."""
    try:
        _model(config).eval()(_tokens(config, 100))
    except DataError:
        return False
    return True


class Effect(NamedTuple):
    """A value that differs from that of TINY or of the base, and where the difference shows."""

    other: Any
    observe: Callable[[HyenaGLTConfig], Any]
    base: dict[str, Any] = {}  # noqa: RUF012 - never changed


EFFECTS = {
    "genomic_vocab_size": Effect(20, shapes),
    "hidden_size": Effect(64, shapes),
    "num_layers": Effect(2, shapes),
    "num_attention_heads": Effect(8, outputs),
    "max_position_embeddings": Effect(64, accepts_100_tokens),
    "max_segment_length": Effect(4, patches),
    "filter_size": Effect(8, shapes),
    "short_filter_order": Effect(5, shapes),
    "merge_threshold": Effect(0.5, patches),
    "min_patch_size": Effect(5, patches),
    "max_patch_size": Effect(4, patches),
    "dropout": Effect(0.5, outputs_in_training),
    "layer_norm_eps": Effect(1e-2, outputs),
    "gradient_checkpointing": Effect(True, memory_of_the_backward_pass),
    "causal": Effect(False, outputs),
    "stripe": Effect(("attention",), shapes),
    "medium_filter_length": Effect(8, shapes),
    "filter_modes": Effect(6, shapes),
    "attention_window": Effect(2, outputs, {"stripe": ("attention",)}),
    "intermediate_size": Effect(40, shapes),
    "local_hidden_size": Effect(24, shapes),
    "local_encoder_layers": Effect(2, shapes),
    "local_decoder_layers": Effect(2, shapes),
    "explicit_filter_length": Effect(9, shapes),
    "ngram_sizes": Effect((2,), shapes),
    "alphabet_size": Effect(3, shapes),
    "num_letters": Effect(40, nucleotides_per_patch, KMERS),
    "kmer_size": Effect(3, nucleotides_per_patch, {**KMERS, "kmer_size": 1}),
    "overlapping_kmers": Effect(True, nucleotides_per_patch, KMERS),
    "joint_vocabulary": Effect(True, outputs, {"genomic_vocab_size": 43, "num_letters": 35}),
    "num_modalities": Effect(3, shapes),
    "quality_embedding": Effect(True, shapes),
    "boundary_scorer": Effect("router", shapes),
    "threshold_rule": Effect("absolute", patches),
    "target_compression": Effect(7.0, threshold_after_a_step),
    "bridge_layers": Effect((0, 1), shapes),
    "bridge_window": Effect(1, outputs),
    "reverse_complement": Effect("average", outputs, {"causal": False}),
    "head_dropout": Effect(0.5, outputs_in_training),
    "kmer_readout": Effect(True, shapes),
}


def test_every_field_is_accounted_for():
    """A new field needs an effect, or a rule that refuses every other value."""
    refused = {"tie_word_embeddings"}  # see the rules above
    assert EFFECTS.keys() | TESTED_ELSEWHERE | refused == set(OWN_FIELDS)


@pytest.mark.parametrize("field", EFFECTS)
def test_every_field_has_an_effect(field):
    effect = EFFECTS[field]
    settings = {**TINY, **effect.base}
    usual = HyenaGLTConfig(**settings)
    before = effect.observe(usual)
    after = effect.observe(HyenaGLTConfig(**{**settings, field: effect.other}))
    assert getattr(usual, field) != effect.other
    assert before == effect.observe(usual)  # the difference is not chance
    assert before != after


# Two-sided filters have more weights, a head of both strands fewer; the longest sequence sets
# where long filters start; the entropy head tells apart the tokens of the layout.
OTHER_WEIGHTS = {
    "causal", "max_position_embeddings", "reverse_complement", "num_letters", "kmer_size",
}  # fmt: skip


@pytest.mark.parametrize(
    "field",
    [
        name
        for name, effect in EFFECTS.items()
        if effect.observe is not shapes and name not in OTHER_WEIGHTS
    ],
)
def test_the_effects_beyond_shape_are_those_of_equal_weights(field):
    """Else any change of the random draws would pass for an effect."""
    effect = EFFECTS[field]
    settings = {**TINY, **effect.base}
    one = dict(_model(HyenaGLTConfig(**settings)).named_parameters())
    two = dict(_model(HyenaGLTConfig(**{**settings, field: effect.other})).named_parameters())
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_more_patches_than_the_window_are_out_of_sight():
    """The last patch hears patch 0 through wide windows only."""
    ids = _tokens(HyenaGLTConfig(**TINY))[:1]
    starts = (torch.arange(60) % 6 == 0).unsqueeze(0)
    heard = {}
    for window in (3, 10):
        config = HyenaGLTConfig(
            **{**TINY, "num_layers": 1, "stripe": ("attention",), "attention_window": window}
        )
        model = _model(config).eval().model
        with torch.no_grad():
            one = model.encode(ids, patch_starts=starts).patches[0, -1]
            other = ids.clone()
            other[0, :6] = 19 - other[0, :6]
            two = model.encode(other, patch_starts=starts).patches[0, -1]
        heard[window] = float((one - two).abs().max())
    assert heard[3] < 1e-6 < 1e-3 < heard[10]
