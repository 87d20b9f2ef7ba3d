import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability.compression_probe import probe_compression
from hyena_glt.model import HyenaGLT
from hyena_glt.tokenizers import DNATokenizer


def model_of(patch):
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(
        DNATokenizer(kmer_size=1), hidden_size=32, num_layers=1, num_attention_heads=4,
        boundary_scorer="fixed", max_patch_size=patch, causal=False,
    )  # fmt: skip
    return HyenaGLT(config).eval()


def letters_and_classes(count, length=120):
    """Sequences, and the letter itself as the class of every base."""
    random = np.random.default_rng(0)
    classes = random.integers(0, 4, (count, length))
    letters = ["".join("ACGT"[one] for one in row) for row in classes.tolist()]
    return letters, list(classes)


def test_patches_forget_the_letters_of_their_bases_as_they_grow():
    letters, classes = letters_and_classes(24)
    one, eight = (probe_compression(model_of(patch), letters, classes) for patch in (1, 8))
    assert (one.compression_ratio, eight.compression_ratio) == (1.0, 8.0)
    assert one.bases == eight.bases == 6 * 120
    assert 0.25 <= one.majority < 0.35
    assert one.patch_accuracy > one.majority + 0.1
    assert eight.patch_accuracy < one.patch_accuracy - 0.1
    assert eight.patch_accuracy < eight.base_accuracy - 0.1


def test_unknown_labels_are_left_out_and_noise_is_at_chance():
    letters, _ = letters_and_classes(40)
    noise = list(np.random.default_rng(1).integers(0, 2, (40, 120)))
    for row in noise:
        row[::2] = -100
    found = probe_compression(model_of(4), letters, noise, held_out=0.5)
    assert found.bases == 1200
    assert abs(found.base_accuracy - 0.5) < 0.08
    assert abs(found.patch_accuracy - 0.5) < 0.08


def test_faults_are_told():
    letters, classes = letters_and_classes(4)
    with pytest.raises(DataError, match="sequence 1 has 120 bases and 119 labels"):
        probe_compression(model_of(4), letters, [row[:-1] for row in classes])
    with pytest.raises(DataError, match="at least two sequences"):
        probe_compression(model_of(4), letters[:1], classes[:1])
    with pytest.raises(DataError, match="one class only"):
        probe_compression(model_of(4), letters, [row * 0 for row in classes])
    with pytest.raises(ConfigError, match="held_out"):
        probe_compression(model_of(4), letters, classes, held_out=1)
