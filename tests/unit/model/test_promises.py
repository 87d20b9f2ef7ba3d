"""The promises of the design, on random weights of every kind of model."""

import math
import warnings
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
from hyena_glt.model.hyena_glt import reverse_complement_ids

SCORERS = ["entropy", "pattern", "entropy_pattern", "router", "fixed"]
SMALL: dict[str, Any] = {
    "genomic_vocab_size": 12,
    "hidden_size": 32,
    "num_layers": 4,
    "num_attention_heads": 4,
    "stripe": ("SE", "MR", "LI", "attention"),
    "merge_threshold": 0.02,
    "max_patch_size": 8,
    "max_position_embeddings": 512,
}
LENGTHS = (60, 41, 17)


def small(**settings):
    """A model whose weights are large enough to notice every mistake."""
    torch.manual_seed(0)
    model = HyenaGLT(HyenaGLTConfig(**{**SMALL, **settings})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(1.5)
    return model


def dna(rows, length, seed=0):
    return torch.randint(8, 12, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_alone_is_batched_is_padded_is_packed(scorer, causal):
    model = small(boundary_scorer=scorer, causal=causal)
    ids = dna(3, 60)
    column = torch.arange(60)
    right = torch.stack([column < n for n in LENGTHS])
    left = torch.stack([column >= 60 - n for n in LENGTHS])
    on_left = torch.zeros_like(ids)
    for row, n in enumerate(LENGTHS):
        on_left[row, 60 - n :] = ids[row, :n]
    packed = torch.cat([ids[row, :n] for row, n in enumerate(LENGTHS)]).unsqueeze(0)
    segments = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS)).unsqueeze(0)

    padded_right = model(ids * right, right).last_hidden_state
    padded_left = model(on_left, left.long()).last_hidden_state
    in_one_row = model(packed, segment_ids=segments).last_hidden_state[0]
    offset = 0
    for row, n in enumerate(LENGTHS):
        alone = model(ids[row : row + 1, :n]).last_hidden_state[0]
        for other in (
            padded_right[row, :n],
            padded_left[row, 60 - n :],
            in_one_row[offset : offset + n],
        ):
            assert float((other - alone).abs().max()) < 1e-4
        offset += n
    assert float(padded_right[1, 41:].abs().max()) == 0


@pytest.mark.parametrize("scorer", SCORERS)
@torch.no_grad()
def test_no_logit_looks_ahead(scorer):
    model = small(boundary_scorer=scorer)
    ids = dna(1, 48)
    before = model(ids).logits
    changed_something = False
    for position in range(48):
        other = ids.clone()
        other[0, position] = 8 + (other[0, position] - 7) % 4
        after = model(other).logits
        if position:
            assert float((after - before)[:, :position].abs().max()) < 1e-5
        changed_something |= float((after - before)[:, position:].abs().max()) > 1e-3
    assert changed_something


@torch.no_grad()
def test_the_look_ahead_test_can_fail():
    model = small(causal=False)
    ids = dna(1, 48)
    other = ids.clone()
    other[0, 30] = 8 + (other[0, 30] - 7) % 4
    difference = model(other).last_hidden_state - model(ids).last_hidden_state
    assert float(difference[:, :30].abs().max()) > 1e-3


@torch.no_grad()
def test_chosen_boundaries_of_a_causal_model_do_not_look_ahead():
    model = small()
    ids = dna(1, 200)
    whole = model.encode(ids).merging.patches.starts
    for cut in (1, 50, 133):
        assert torch.equal(model.encode(ids[:, :cut]).merging.patches.starts[0], whole[0, :cut])


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_the_last_token_hears_the_first(causal):
    model = HyenaGLT(HyenaGLTConfig(causal=causal, genomic_vocab_size=12)).eval()
    ids = dna(1, 2048)
    other = ids.clone()
    other[0, 0] = 8 + (other[0, 0] - 7) % 4
    # Same patches on both sides, so that only the filters can carry the news.
    starts = (torch.arange(2048) % 8 == 0).unsqueeze(0)
    one = model(ids, patch_starts=starts).last_hidden_state[0, -1]
    two = model(other, patch_starts=starts).last_hidden_state[0, -1]
    assert float((one - two).abs().max()) > 1e-6


@pytest.mark.parametrize("causal", [True, False])
def test_every_parameter_of_the_default_model_receives_a_gradient(causal):
    config = HyenaGLTConfig(causal=causal, num_labels=2)  # type: ignore[call-arg]
    face = HyenaGLTForCausalLM if causal else HyenaGLTForSequenceClassification
    model = face(config)
    ids = torch.randint(8, 12, (4, 300))
    # Classes of unequal size: the bias of a readout at zero has nothing to learn from equal ones.
    model(ids, labels=ids if causal else torch.tensor([0, 1, 1, 1])).loss.backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.any())
    ]
    assert silent == []


def test_the_default_model_has_the_guides_size():
    count = HyenaGLT(HyenaGLTConfig()).num_parameters()
    assert abs(count / 12.15e6 - 1) < 0.02


@pytest.mark.parametrize("stripe", [("SE", "MR", "LI"), ("attention",)])
@torch.no_grad()
def test_saved_is_loaded_bit_by_bit(tmp_path, stripe):
    model = small(stripe=stripe, target_compression=4.0)
    model.train()(dna(2, 100))  # moves the threshold
    model.eval()
    ids = dna(2, 60, seed=3)
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    loaded = HyenaGLT.from_pretrained(tmp_path).eval()
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    for config in (loaded.config, model.config):
        config._name_or_path = ""
    assert loaded.config.to_dict() == model.config.to_dict()


@torch.no_grad()
def test_attached_heads_are_saved_too(tmp_path):
    from hyena_glt.tasks import SequenceClassificationHead, TokenClassificationHead

    model = small()
    model.classifier = SequenceClassificationHead(hidden_size=32, num_labels=3, dropout=0.1)
    model.token_classifier = TokenClassificationHead(hidden_size=32, num_labels=5, dropout=0.1)
    model.eval().save_pretrained(tmp_path)
    loaded = HyenaGLT.from_pretrained(tmp_path).eval()
    ids = dna(2, 30)
    one, two = model(ids), loaded(ids)
    assert one.logits.shape == (2, 3)
    assert one.token_logits.shape == (2, 30, 5)
    assert torch.equal(one.logits, two.logits)
    assert torch.equal(one.token_logits, two.token_logits)


@torch.no_grad()
def test_both_strands_give_one_prediction():
    settings = {**SMALL, "causal": False, "reverse_complement": "average", "num_labels": 3}
    ids, mask = dna(2, 50), torch.ones(2, 50, dtype=torch.long)
    mask[1, 37:] = 0
    ids = ids * mask
    other = reverse_complement_ids(ids, mask.bool())
    assert not torch.equal(ids, other)
    whole = HyenaGLTForSequenceClassification(HyenaGLTConfig(**settings)).eval()
    torch.testing.assert_close(
        whole(ids, attention_mask=mask).logits, whole(other, attention_mask=mask).logits
    )
    per_token = HyenaGLTForTokenClassification(HyenaGLTConfig(**settings)).eval()
    masked = HyenaGLTForMaskedLM(HyenaGLTConfig(**settings)).eval()
    swap = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 11, 10, 9, 8])
    for row, n in enumerate((50, 37)):
        one = per_token(ids, attention_mask=mask).logits[row, :n]
        two = per_token(other, attention_mask=mask).logits[row, :n]
        torch.testing.assert_close(one, two.flip(0))
        one = masked(ids, attention_mask=mask).logits[row, :n]
        two = masked(other, attention_mask=mask).logits[row, :n]
        torch.testing.assert_close(one, two.flip(0)[:, swap])


@torch.no_grad()
@pytest.mark.parametrize("argument", ["inputs_embeds", "patch_starts", "boundary_scores"])
def test_what_belongs_to_one_strand_is_refused_where_both_are_averaged(argument):
    config = HyenaGLTConfig(
        **{**SMALL, "causal": False, "reverse_complement": "average", "num_labels": 2}
    )
    model = HyenaGLTForSequenceClassification(config).eval()
    ids = dna(1, 20)
    values = {
        "inputs_embeds": model.get_input_embeddings()(ids),
        "patch_starts": torch.ones(1, 20, dtype=torch.bool),
        "boundary_scores": torch.ones(1, 20),
    }
    with pytest.raises(ConfigError, match=f"{argument} belongs to one strand"):
        model(ids, **{argument: values[argument]})
    model.train()(ids, **{argument: values[argument]})


def test_a_causal_model_cannot_learn_random_dna():
    """Any loss below ln 4 on independent, uniform letters is a leak."""
    torch.manual_seed(0)
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=64, num_layers=3, num_attention_heads=4,
        target_compression=6.0, ngram_sizes=(3,), intermediate_size=64, dropout=0.0,
    )  # fmt: skip
    model = HyenaGLTForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for step in range(200):
        ids = dna(16, 96, seed=step)
        loss = model(ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / 200)
    model.eval()
    with torch.no_grad():
        ids = dna(256, 96, seed=10_000)
        held_out = float(model(ids, labels=ids).loss)
    assert abs(held_out - math.log(4)) < 0.01


@torch.no_grad()
def test_position_info_holds_the_truth():
    model = small()
    info = model(dna(1, 60), output_position_info=True).position_info
    assert torch.equal(info["global_positions"], torch.arange(60))
    assert info["patch_starts"].shape == info["patch_lengths"].shape
    batch = model(dna(2, 60), output_position_info=True).position_info
    assert batch["global_positions"].shape == (2, 60)


@torch.no_grad()
def test_attention_weights_add_up_over_each_patch():
    model = small(causal=False)
    out = model(dna(2, 40), output_attentions=True, output_position_info=True)
    index = out.position_info["patch_index"]
    total = torch.zeros(2, out.patch_mask.shape[1]).scatter_add(
        1, index, out.attentions["token_to_patch"][..., 0]
    )
    torch.testing.assert_close(total[out.patch_mask], torch.ones(int(out.patch_mask.sum())))
    torch.testing.assert_close(out.attentions["patch_to_token"].sum(dim=2), torch.ones(2, 40, 4))


@torch.no_grad()
def test_embeddings_given_are_embeddings_looked_up():
    model = small()
    ids = dna(2, 30)
    given = model(ids, inputs_embeds=model.embeddings(ids)).logits
    torch.testing.assert_close(given, model(ids).logits)


def test_hugging_faces_switch_checkpoints_the_model_in_a_face():
    face = HyenaGLTForCausalLM(HyenaGLTConfig(**SMALL))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer releases call it by another name
        face.gradient_checkpointing_enable()
        assert face.model.gradient_checkpointing
        face.gradient_checkpointing_disable()
    assert not face.model.gradient_checkpointing


def test_gradient_checkpointing_changes_memory_and_not_gradients():
    gradients = []
    for checkpointing in (False, True):
        model = small(gradient_checkpointing=checkpointing, dropout=0.0).train()
        saved = 0

        def count(tensor):
            nonlocal saved
            saved += tensor.numel()
            return tensor

        ids = dna(2, 60)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = model(ids, labels=ids).loss
        loss.backward()
        gradients.append((saved, [p.grad for p in model.parameters()]))
    (plain, one), (checkpointed, two) = gradients
    assert checkpointed < 0.7 * plain
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b)


def test_greedy_generation_equals_repeated_forwards():
    model = HyenaGLTForCausalLM(HyenaGLTConfig(**SMALL)).eval()
    prompt = dna(1, 20)
    generated = model.generate(
        prompt, max_new_tokens=8, do_sample=False, pad_token_id=0, use_cache=False
    )
    ids = prompt
    for _ in range(8):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(dim=-1)], dim=1)
    assert torch.equal(generated, ids)


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (torch.zeros(4, dtype=torch.long), None, r"expected shape \(batch, length\)"),
        (torch.zeros(0, 4, dtype=torch.long), None, "at least one token"),
        (torch.full((1, 4), 12), None, "id 12 is outside the vocabulary of 12"),
        (torch.full((1, 4), -1), None, "id -1 is outside"),
        (torch.full((1, 4), 8), torch.ones(1, 3), r"shape \(1, 3\) differs"),
        (torch.full((2, 4), 8), torch.tensor([[1] * 4, [0] * 4]), "row 1 has no real token"),
        (torch.full((1, 513), 8), None, "longer than max_position_embeddings=512"),
    ],
)
def test_bad_batches_are_refused_by_name(ids, mask, message):
    with pytest.raises(DataError, match=message):
        small()(ids, mask)


def test_faces_refuse_the_wrong_direction():
    with pytest.raises(ConfigError, match="causal=False"):
        HyenaGLTForMaskedLM(HyenaGLTConfig(**SMALL))
    with pytest.raises(ConfigError, match="causal=True"):
        HyenaGLTForCausalLM(HyenaGLTConfig(**{**SMALL, "causal": False}))


def test_weights_of_another_architecture_are_refused(tmp_path):
    small().save_pretrained(tmp_path)
    config = HyenaGLTConfig(**{**SMALL, "local_encoder_layers": 2})
    config.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="missing"):
        HyenaGLT.from_pretrained(tmp_path)


def test_auto_classes_know_the_models(tmp_path):
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    model = HyenaGLTForSequenceClassification(
        HyenaGLTConfig(**{**SMALL, "causal": False, "num_labels": 3})
    ).eval()
    model.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), HyenaGLTConfig)
    ids = dna(1, 20)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(ids).logits, model(ids).logits)
    trunk = AutoModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(trunk(ids).last_hidden_state, model(ids).last_hidden_state)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("scorer", ["fixed", "pattern"])
def test_long_rows_are_the_same_with_gradients_and_without(causal, scorer):
    """Without, the base level is computed stretch by stretch."""
    settings = {"merge_threshold": -0.3} if scorer == "pattern" else {"target_compression": 5.0}
    model = small(boundary_scorer=scorer, causal=causal, max_position_embeddings=5000, **settings)
    ids = dna(2, 4700)
    mask = torch.ones_like(ids)
    mask[1, 3001:] = 0
    whole = model(ids, mask).last_hidden_state
    with torch.no_grad():
        found = model(ids, mask).last_hidden_state
    assert float((found - whole.detach()).abs().max()) < 1e-4
