"""Qualities and modalities: every way through a model gives the same answer, or refuses."""

from typing import Any

import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.model import (
    HyenaGLT,
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tokenizers import GenomicTokenizer

SMALL: dict[str, Any] = {
    "genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4,
    "merge_threshold": 0.02, "max_patch_size": 8, "max_position_embeddings": 512,
    "num_modalities": 3, "quality_embedding": True,
}  # fmt: skip
LENGTHS = (60, 41, 17)


def grown(model):
    """Weights large enough to notice every mistake; those that start at zero too."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "trust" in name:
                parameter.copy_(0.05 + 0.1 * torch.rand_like(parameter))
            elif name.endswith("levels"):
                parameter.normal_(std=0.5)
            elif parameter.dim() > 1:
                parameter.mul_(1.5)
    return model.eval()


def small(face=HyenaGLT, **settings):
    torch.manual_seed(0)
    return grown(face(HyenaGLTConfig(**{**SMALL, **settings})))


def inputs(rows, length, seed=0):
    """Letters, their qualities, and a modality for each."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(8, 12, (rows, length), generator=generator),
        torch.randint(0, 42, (rows, length), generator=generator),
        torch.randint(0, 3, (rows, length), generator=generator),
    )


@pytest.mark.parametrize("scorer", ["entropy_pattern", "router"])
@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_alone_is_batched_is_padded_is_packed(scorer, causal):
    model = small(boundary_scorer=scorer, causal=causal)
    ids, quality, modality = inputs(3, 60)
    column = torch.arange(60)
    right = torch.stack([column < n for n in LENGTHS])
    left = torch.stack([column >= 60 - n for n in LENGTHS])

    def on_the_left(values):
        moved = torch.zeros_like(values)
        for row, n in enumerate(LENGTHS):
            moved[row, 60 - n :] = values[row, :n]
        return moved

    def packed(values):
        return torch.cat([values[row, :n] for row, n in enumerate(LENGTHS)]).unsqueeze(0)

    def states(change, **options):
        beside = {"quality_scores": change(quality), "modality_ids": change(modality)}
        return model(change(ids), **beside, **options).last_hidden_state

    # What stands on padding has no effect, so it need not be zero.
    padded_right = states(lambda values: values, attention_mask=right)
    padded_left = states(on_the_left, attention_mask=left)
    segments = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS)).unsqueeze(0)
    in_one_row = states(packed, segment_ids=segments)[0]
    offset = 0
    for row, n in enumerate(LENGTHS):
        alone = states(lambda values, row=row, n=n: values[row : row + 1, :n])[0]
        for other in (
            padded_right[row, :n], padded_left[row, 60 - n :], in_one_row[offset : offset + n],
        ):  # fmt: skip
            assert float((other - alone).abs().max()) < 1e-4
        offset += n


@torch.no_grad()
def test_one_modality_per_row_is_that_of_all_its_tokens():
    model, (ids, _, _) = small(), inputs(3, 30)
    rows = torch.tensor([2, 0, 1])
    whole = model(ids, modality_ids=rows.unsqueeze(1).expand(3, 30)).last_hidden_state
    assert torch.equal(model(ids, modality_ids=rows).last_hidden_state, whole)
    assert not torch.allclose(model(ids, modality_ids=rows * 0).last_hidden_state, whole)


@pytest.mark.parametrize("kmers", [{}, {"genomic_vocab_size": 76, "kmer_size": 3}], ids=["1", "3"])
@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_a_stream_equals_one_forward_pass(causal, kmers):
    model = small(causal=causal, **kmers)
    ids, quality, modality = inputs(1, 150)
    whole = model(ids, quality_scores=quality, modality_ids=modality).last_hidden_state
    for block in (13, 60):
        parts = model.stream(ids, block, quality_scores=quality, modality_ids=modality)
        assert float((torch.cat([h for _, h in parts], dim=1) - whole).abs().max()) < 1e-4
    one = model.stream(ids[0], 50, quality_scores=quality[0], modality_ids=modality[0])
    assert float((torch.cat([h for _, h in one], dim=1) - whole).abs().max()) < 1e-4
    row = torch.tensor([2])
    of_row = model(ids, modality_ids=row).last_hidden_state
    parts = model.stream(ids[0], 50, modality_ids=row)
    assert float((torch.cat([h for _, h in parts], dim=1) - of_row).abs().max()) < 1e-4


@torch.no_grad()
def test_no_logit_looks_ahead():
    model = small()
    ids, quality, modality = inputs(1, 40)
    before = model(ids, quality_scores=quality, modality_ids=modality).logits
    for position in range(1, 40):
        other, another = quality.clone(), modality.clone()
        other[0, position], another[0, position] = 41 - other[0, position], 0
        after = model(ids, quality_scores=other, modality_ids=another).logits
        assert float((after - before)[:, :position].abs().max()) < 1e-5
        assert float((after - before)[:, position:].abs().max()) > 1e-4


@torch.no_grad()
def test_generation_holds_the_modality():
    model = small(HyenaGLTForCausalLM)
    ids, _, _ = inputs(2, 20)
    rows = torch.tensor([0, 2])
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    made = {
        cached: model.generate(
            ids, attention_mask=torch.ones_like(ids), modality_ids=rows, use_cache=cached, **options
        )
        for cached in (True, False)
    }
    assert torch.equal(made[True], made[False])
    for length in range(20, 28):
        logits = model(made[True][:, :length], modality_ids=rows).logits[:, -1]
        assert torch.equal(logits.argmax(dim=-1), made[True][:, length])
    # Equal prompts of different molecules are different prompts.
    twice = ids[:1].expand(2, -1)
    states = [
        model(twice, modality_ids=rows, past_key_values=cache).last_hidden_state
        for cache in (_cache(), None)
    ]
    assert float((states[0] - states[1]).abs().max()) < 1e-4
    assert float((states[0][0] - states[0][1]).abs().max()) > 1e-2


def _cache():
    from hyena_glt.model.cache import HyenaGLTCache

    return HyenaGLTCache()


def test_generation_refuses_qualities():
    model = small(HyenaGLTForCausalLM, num_modalities=0)
    ids, quality, _ = inputs(1, 10)
    with pytest.raises(ConfigError, match="quality_scores cannot be given to generate"):
        model.generate(ids, quality_scores=quality, max_new_tokens=2)
    with pytest.raises(ConfigError, match="quality_scores cannot be given with a cache"):
        model(ids, quality_scores=quality, past_key_values=_cache())
    with pytest.raises(DataError, match=r"one number per row, shape \(1,\), got \(1, 10\)"):
        small(HyenaGLTForCausalLM).generate(ids, modality_ids=quality * 0, max_new_tokens=2)


@pytest.mark.parametrize(
    "face",
    [HyenaGLTForSequenceClassification, HyenaGLTForTokenClassification, HyenaGLTForMaskedLM],
)
@torch.no_grad()
def test_both_strands_turn_the_qualities_with_the_letters(face):
    model = small(face, causal=False, reverse_complement="average", num_labels=2)
    ids, quality, modality = inputs(2, 40)
    mask = torch.ones_like(ids)
    mask[1, 30:] = 0
    for row, n in enumerate((40, 30)):
        one = model(
            ids[row : row + 1, :n], quality_scores=quality[row : row + 1, :n],
            modality_ids=modality[row : row + 1, :n],
        ).logits  # fmt: skip
        other = model(
            19 - ids[row : row + 1, :n].flip(1),
            quality_scores=quality[row : row + 1, :n].flip(1),
            modality_ids=modality[row : row + 1, :n].flip(1),
        ).logits
        if face is HyenaGLTForMaskedLM:
            assert torch.allclose(one[..., 8:12], other.flip(1)[..., 8:12].flip(-1), atol=1e-5)
        elif face is HyenaGLTForTokenClassification:
            assert torch.allclose(one, other.flip(1), atol=1e-5)
        else:
            assert torch.allclose(one, other, atol=1e-5)
    whole = model(
        ids, attention_mask=mask, quality_scores=quality * mask, modality_ids=modality
    ).logits
    assert torch.allclose(whole[1:, :30] if whole.dim() == 3 else whole[1:], one, atol=1e-4)


@torch.no_grad()
def test_a_fresh_quality_embedding_changes_nothing():
    ids, quality, _ = inputs(2, 50)
    settings = {**SMALL, "num_modalities": 0}
    outputs = []
    for reads in (True, False):
        torch.manual_seed(0)
        model = HyenaGLT(HyenaGLTConfig(**{**settings, "quality_embedding": reads})).eval()
        given = {"quality_scores": quality} if reads else {}
        outputs.append(model(ids, **given).last_hidden_state)
    assert torch.equal(*outputs)


def test_a_fresh_quality_embedding_learns():
    torch.manual_seed(0)
    model = HyenaGLT(HyenaGLTConfig(**{**SMALL, "causal": False}))
    ids, quality, modality = inputs(2, 50)
    model(ids, quality_scores=quality, modality_ids=modality, labels=ids).loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    own = [n for n in gradients if n.startswith(("quality.", "modality_emb")) or "trust" in n]
    assert len(own) == 4
    assert all(float(gradients[name].abs().max()) > 0 for name in own)


@torch.no_grad()
def test_special_tokens_and_sure_letters_keep_themselves():
    model = small(num_modalities=0)
    model.quality.levels.zero_()
    ids, _, _ = inputs(1, 30)
    ids[0, [3, 17]] = 4  # [MASK]
    sure = torch.full(ids.shape, 93.0)
    sure[0, [3, 17]] = 0  # the quality of what is no letter
    without = model(ids).last_hidden_state
    assert torch.allclose(model(ids, quality_scores=sure).last_hidden_state, without, atol=1e-5)
    unsure = sure.clone()
    unsure[0, 5] = 2
    assert not torch.allclose(
        model(ids, quality_scores=unsure).last_hidden_state, without, atol=1e-3
    )


@torch.no_grad()
def test_modalities_are_added_to_embeddings_given():
    model = small(quality_embedding=False)
    ids, _, modality = inputs(2, 30)
    whole = model(ids, modality_ids=modality).last_hidden_state
    embeds = model.embeddings(ids)
    given = model(ids, inputs_embeds=embeds, modality_ids=modality).last_hidden_state
    assert torch.allclose(given, whole, atol=1e-5)


def test_gradient_checkpointing_changes_no_gradient():
    ids, quality, modality = inputs(2, 50)
    gradients = []
    for saves in (False, True):
        torch.manual_seed(0)
        settings = {**SMALL, "dropout": 0.0, "gradient_checkpointing": saves}
        model = grown(HyenaGLT(HyenaGLTConfig(**settings))).train()
        model(ids, quality_scores=quality, modality_ids=modality, labels=ids).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


@torch.no_grad()
def test_saved_is_loaded(tmp_path):
    model = small(HyenaGLTForMaskedLM, causal=False)
    ids, quality, modality = inputs(2, 30)
    before = model(ids, quality_scores=quality, modality_ids=modality).logits
    model.save_pretrained(tmp_path)
    loaded = HyenaGLTForMaskedLM.from_pretrained(tmp_path).eval()
    assert torch.equal(loaded(ids, quality_scores=quality, modality_ids=modality).logits, before)


IDS = torch.full((2, 5), 8)
NOUGHT = IDS * 0


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"quality_scores": torch.ones(2, 4)}, DataError, r"^quality_scores: shape \(2, 4\) diff"),
        ({"quality_scores": torch.full((2, 5), 94)}, DataError, r"holds 94; expected .*\[0, 93\]"),
        ({"quality_scores": torch.full((2, 5), -1)}, DataError, "^quality_scores holds -1"),
        ({"quality_scores": torch.full((2, 5), torch.nan)}, DataError, "^quality_scores holds nan"),
        ({"modality_ids": NOUGHT[0, :3]}, DataError, r"expected shape \(2,\).*got \(3"),
        ({"modality_ids": NOUGHT[:, :4]}, DataError, r"or \(2, 5\), one per token"),
        ({"modality_ids": torch.tensor([0, 3])}, DataError, r"holds 3; expected .*\[0, 3\)"),
        ({"modality_ids": torch.tensor([-1, 0])}, DataError, "^modality_ids holds -1"),
        ({"modality_ids": torch.zeros(2)}, DataError, "must be whole numbers, got torch.float32"),
        ({}, DataError, "^modality_ids are missing: the model tells 3 kinds"),
    ],
)  # fmt: skip
def test_bad_inputs_are_refused_by_name(given, error, message):
    with pytest.raises(error, match=message):
        small()(IDS, **{"modality_ids": NOUGHT[:, 0], **given} if given else {})


@pytest.mark.parametrize("face", [HyenaGLT, HyenaGLTForCausalLM])
def test_what_a_model_has_no_embedding_for_is_refused(face):
    model = small(face, num_modalities=0, quality_embedding=False)
    with pytest.raises(ConfigError, match=r"quality_scores are given, .*quality_embedding=True"):
        model(IDS, quality_scores=IDS)
    with pytest.raises(ConfigError, match=r"modality_ids are given, .*num_modalities=3"):
        model(IDS, modality_ids=IDS * 0)
    trunk = model if face is HyenaGLT else model.model
    with pytest.raises(ConfigError, match="modality_ids are given"):
        list(trunk.stream(IDS[:1], modality_ids=IDS[:1] * 0))


# --- the joint vocabulary ------------------------------------------------------------------------

TOKENIZER = GenomicTokenizer()


def joint(face=HyenaGLT, **settings):
    torch.manual_seed(0)
    own = {name: SMALL[name] for name in ("hidden_size", "num_layers", "num_attention_heads")}
    return grown(face(HyenaGLTConfig.for_tokenizer(TOKENIZER, **{**own, **settings})))


@torch.no_grad()
def test_the_letters_tell_the_molecule_where_nobody_does():
    model = joint()
    for modality, sequence in {"dna": "ACGTAC", "rna": "ACGUAC", "protein": "MKVACD"}.items():
        encoding = TOKENIZER(sequence, modality=modality, return_tensors="pt")
        told = model(**encoding).last_hidden_state
        assert torch.equal(model(encoding["input_ids"]).last_hidden_state, told)
        parts = model.stream(encoding["input_ids"], 3)
        streamed = torch.cat([hidden for _, hidden in parts], dim=1)
        assert float((streamed - told).abs().max()) < 1e-4


@torch.no_grad()
def test_dna_and_rna_share_n_grams_and_protein_has_none():
    model = joint()
    ids = {
        modality: TOKENIZER(letters, modality=modality, return_tensors="pt")["input_ids"]
        for modality, letters in {
            "dna": "ACGTTGCA", "rna": "ACGUUGCA", "protein": "ACGTTGCA",
        }.items()
    }  # fmt: skip
    assert torch.equal(model.ngrams(ids["dna"]), model.ngrams(ids["rna"]))
    assert float(model.ngrams(ids["dna"])[:, 2:].abs().min()) > 0
    assert float(model.ngrams(ids["protein"]).abs().max()) == 0
    letters = model.initial_merger.patterns.letters
    assert torch.equal(letters[ids["dna"]], letters[ids["rna"]])
    assert float(letters[ids["protein"]].sum()) == 0


def test_the_readout_counts_each_molecule_for_itself():
    model = joint(HyenaGLTForSequenceClassification, causal=False, num_labels=2)
    readout = model.kmer_readout
    features = {}
    for modality, letters in {"dna": "ACGTT", "rna": "ACGUU", "protein": "ACGTT"}.items():
        ids = TOKENIZER(letters, modality=modality, return_tensors="pt")["input_ids"]
        features[modality] = readout.features(ids, torch.ones_like(ids, dtype=torch.bool))[0]
    used = torch.stack([row != 0 for row in features.values()])
    assert bool((used.sum(dim=0) <= 1).all())
    count = len(features["dna"])
    nucleotides = 16 * (4 + 16 + 64) + 256 + 1024 + 1
    assert count == readout.weight.shape[0] == 2 * nucleotides + 16 * 20 + 400 + 1
    assert torch.equal(features["dna"][:nucleotides], features["rna"][nucleotides:][:nucleotides])


def test_the_readout_trusts_a_kmer_as_far_as_its_letters():
    settings = {**SMALL, "num_labels": 2, "causal": False, "num_modalities": 0}
    readout = HyenaGLTForSequenceClassification(HyenaGLTConfig(**settings)).kmer_readout
    ids = torch.tensor([[8, 9, 9]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    quality = torch.tensor([[10.0, 3.0, 40.0]])
    counts = readout.features(ids, mask, quality)[0, : 16 * 4].view(4, 16)
    right = 1 - 10 ** (-quality[0] / 10)
    total = readout.features(ids, mask, quality * 0 + 93)[0, : 16 * 4].view(4, 16)
    # The first stretch sees the first letter alone.
    expected = right[0].sqrt() - (right[0] / 4).sqrt()
    assert torch.allclose(counts[0, 0], expected)
    assert torch.allclose(total[0, 0], torch.tensor(0.5), atol=1e-6)


def test_averaging_strands_is_for_dna_alone():
    with pytest.raises(ConfigError, match="in a joint vocabulary RNA and protein have one strand"):
        HyenaGLTConfig.for_tokenizer(TOKENIZER, causal=False, reverse_complement="average")
