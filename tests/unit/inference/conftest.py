"""A small causal model with strong opinions, and its tokenizer."""

import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForMaskedLM
from hyena_glt.tokenizers import DNATokenizer

SMALL = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "filter_size": 32,
    "max_position_embeddings": 128, "max_patch_size": 8,
}  # fmt: skip


@pytest.fixture(scope="session")
def build():
    """Make a model of random weights, large enough for every letter to matter."""

    def build(tokenizer, **fields):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            config = HyenaGLTConfig.for_tokenizer(tokenizer, **{**SMALL, **fields})
            face = HyenaGLTForCausalLM if config.causal else HyenaGLTForMaskedLM
            model = face(config)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.dim() > 1:
                        parameter.mul_(2.0)
        return model.eval()

    return build


@pytest.fixture(scope="session")
def tokenizer():
    return DNATokenizer(kmer_size=1)


@pytest.fixture(scope="session")
def model(build, tokenizer):
    return build(tokenizer)
