import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.model import HyenaGLT, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer


def model_for(kmer_size, stride=None, **options):
    tokenizer = DNATokenizer(kmer_size=kmer_size, stride=stride)
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer,
        **{"hidden_size": 32, "num_layers": 1, "num_attention_heads": 4, "merge_threshold": 0.02,
           "max_patch_size": 6, **options},
    )  # fmt: skip
    return HyenaGLT(config)


MODELS = {(1, None): model_for(1), (3, None): model_for(3), (3, 1): model_for(3, 1)}


@settings(deadline=None, max_examples=40)
@given(st.text(alphabet="ACGTN", min_size=1, max_size=60), st.sampled_from(sorted(MODELS, key=str)))
def test_lengths_add_up_to_the_sequence_in_nucleotides(sequence, kind):
    """Whole k-mers, the letters of broken ones and the tail all count what they cover."""
    statistics = compute_compression_statistics(MODELS[kind], [sequence])
    patches = statistics.sequences[0]
    assert sum(patches.lengths) == len(sequence)
    assert patches.starts[0] == 0
    stops = [start + length for start, length in zip(patches.starts, patches.lengths, strict=True)]
    assert patches.starts[1:] == stops[:-1]
    kmer, stride = kind
    assert len(patches.scores) == len(DNATokenizer(kmer_size=kmer, stride=stride).encode(sequence))
    assert patches.compression_ratio == pytest.approx(len(sequence) / len(patches.lengths))
    assert max(patches.lengths) <= 6 * (kmer if stride is None else 1)


def test_fixed_patches_are_counted_by_hand():
    model = model_for(3, boundary_scorer="fixed", max_patch_size=2)
    # ACG TAC | GTT [N] | A G | GGG: a patch holds two tokens, whatever they cover
    statistics = compute_compression_statistics(model, ["ACGTACGTTNAGGGG", "ACG"])
    first, second = statistics.sequences
    assert (first.starts, first.lengths) == ([0, 6, 10, 12], [6, 4, 2, 3])
    assert (second.starts, second.lengths) == ([0], [3])
    assert statistics.length_histogram == {2: 1, 3: 2, 4: 1, 6: 1}
    assert statistics.compression_ratio == 18 / 5
    assert first.compression_ratio == 15 / 4


def test_the_histogram_sums_over_sequences():
    generator = torch.Generator().manual_seed(0)
    sequences = [torch.randint(8, 12, (n,), generator=generator) for n in (80, 30, 50)]
    statistics = compute_compression_statistics(MODELS[1, None], sequences)
    lengths = [length for one in statistics.sequences for length in one.lengths]
    assert statistics.length_histogram == Counter(lengths)
    assert list(statistics.length_histogram) == sorted(set(lengths))
    assert statistics.compression_ratio == pytest.approx(160 / len(lengths))


def test_the_patches_are_those_the_model_works_with():
    model, ids = MODELS[1, None], torch.randint(8, 12, (1, 90))
    with torch.no_grad():
        output = model.eval()(ids, output_position_info=True)
    found = compute_compression_statistics(model, [ids]).sequences[0]
    assert found.starts == output.position_info["patch_starts"][0].tolist()
    assert found.compression_ratio == pytest.approx(float(output.compression_ratio))


def test_no_sequences_have_no_compression():
    statistics = compute_compression_statistics(MODELS[1, None], [])
    assert math.isnan(statistics.compression_ratio)
    assert (statistics.length_histogram, statistics.sequences) == ({}, [])


def test_the_mode_is_restored_and_nothing_learns():
    face = HyenaGLTForSequenceClassification(
        HyenaGLTConfig(genomic_vocab_size=12, hidden_size=32, num_layers=1, num_attention_heads=4,
                       target_compression=4.0)
    ).train()  # fmt: skip
    face.model.layers.eval()
    before = {name: value.clone() for name, value in face.state_dict().items()}
    compute_compression_statistics(face, ["ACGTACGTTT"])
    with pytest.raises(DataError, match="empty"):
        compute_compression_statistics(face, ["ACG", ""])
    assert face.training
    assert face.model.initial_merger.training
    assert not face.model.layers[0].mlp.training
    assert all(torch.equal(value, before[name]) for name, value in face.state_dict().items())
