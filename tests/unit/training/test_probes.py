import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError
from hyena_glt.model.faces import HyenaGLTForCausalLM, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.probes import Probes, draw_attention, draw_boundaries
from hyena_glt.training.step import state_of

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "boundary_scorer": "fixed", "merge_threshold": 0.5,
}  # fmt: skip


def model_of(kmer_size=1, **options):
    config = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=kmer_size), **TINY | options)
    face = HyenaGLTForCausalLM if config.causal else HyenaGLTForSequenceClassification
    return face(config).train()


def batch(*lengths, kmer_size=1):
    tokenizer = DNATokenizer(kmer_size=kmer_size)
    width = max(lengths) // kmer_size
    rows, masks = [], []
    for length in lengths:
        letters = "".join(np.random.default_rng(length).choice(list("ACGT"), length))
        ids = tokenizer.encode(letters, add_special_tokens=False)
        rows.append(ids + [0] * (width - len(ids)))
        masks.append([1] * len(ids) + [0] * (width - len(ids)))
    return {
        "input_ids": torch.tensor(rows),
        "attention_mask": torch.tensor(masks),
        "labels": torch.zeros(len(rows), dtype=torch.long),
    }


@pytest.mark.parametrize("kmer_size", [1, 3])
def test_patch_lengths_add_up_to_the_nucleotides_of_the_probes(kmer_size):
    view = Probes(batch(60, 33, kmer_size=kmer_size)).look(model_of(kmer_size))
    assert view.patch_lengths.sum() == 93
    assert view.compression_ratio == pytest.approx(93 / len(view.patch_lengths))
    assert len(view.patch_lengths) == sum(int(one.patch_index.max()) + 1 for one in view.sequences)
    assert [len(one.scores) for one in view.sequences] == [60 // kmer_size, 33 // kmer_size]


@pytest.mark.parametrize("causal", [True, False])
def test_attention_is_that_of_the_model(causal):
    inputs = batch(40)
    model = model_of(causal=causal)
    one = Probes(inputs).look(model).sequences[0]
    model.eval()
    trunk = model.model
    with torch.no_grad():
        known = trunk(input_ids=inputs["input_ids"], output_attentions=True).attentions
    weights = known["patch_to_token"][0].mean(dim=-1).T.numpy()
    np.testing.assert_allclose(one.read_weights, weights, atol=1e-6)
    np.testing.assert_allclose(
        one.token_weights, known["token_to_patch"][0].mean(dim=-1).numpy(), atol=1e-6
    )
    sums = np.bincount(one.patch_index, weights=one.token_weights)
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert (one.read_offsets < 0).all() == causal


def test_looking_changes_nothing():
    model = model_of(boundary_scorer="entropy_pattern", target_compression=4.0, dropout=0.2)
    before, random = state_of(model), torch.get_rng_state()
    Probes(batch(50, 20)).look(model)
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_probes_stay_what_they_were():
    inputs = batch(30)
    probes, model = Probes(inputs), model_of(boundary_scorer="pattern")
    first = probes.look(model)
    inputs["input_ids"].fill_(8)
    np.testing.assert_array_equal(probes.look(model).patch_lengths, first.patch_lengths)


def test_pictures_show_the_patches():
    view = Probes(batch(600, 30)).look(model_of(max_position_embeddings=1024))
    boundaries, attention = draw_boundaries(view), draw_attention(view)
    assert boundaries.dtype == attention.dtype == np.uint8
    assert len(view.sequences[0].scores) == 256
    one_patch = [one._replace(patch_index=one.patch_index * 0) for one in view.sequences]
    assert not np.array_equal(boundaries, draw_boundaries(view._replace(sequences=one_patch)))
    assert not np.array_equal(attention, draw_attention(view._replace(sequences=one_patch)))


@pytest.mark.parametrize("empty", [{}, {"input_ids": torch.zeros(0, 5, dtype=torch.long)}])
def test_no_sequence_is_refused(empty):
    with pytest.raises(DataError, match="no sequence to look at"):
        Probes(empty)
