import math
from typing import Any

import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.layers.merger import AdaptiveTokenMerger, next_token_loss, nucleotides_of

BASE: dict[str, Any] = {
    "genomic_vocab_size": 12,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_layers": 1,
    "ngram_sizes": (),
}


def run(merger, ids, mask=None, **options):
    torch.manual_seed(0)
    hidden = torch.randn(*ids.shape, 8)
    mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
    position = torch.arange(ids.shape[1]).unsqueeze(0)
    return merger(hidden, hidden, ids, mask, position, **options)


def dna(length, rows=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(8, 12, (rows, length), generator=generator)


@pytest.mark.parametrize("target", [4.0, 6.0, 16.0, 64.0])
@pytest.mark.parametrize("scorer", ["entropy", "pattern", "entropy_pattern", "router"])
def test_training_brings_the_compression_to_the_target_and_inference_keeps_it(scorer, target):
    config = HyenaGLTConfig(
        **BASE, boundary_scorer=scorer, target_compression=target, max_patch_size=160,
        max_segment_length=160,
    )  # fmt: skip
    merger = AdaptiveTokenMerger(config).train()
    for step in range(150):
        run(merger, dna(4096, seed=step))
    merger.eval()
    patches = run(merger, dna(20_000, seed=999)).patches
    measured = 20_000 / int(patches.mask.sum())
    assert abs(measured / target - 1) < 0.15


def test_calibration_settles_the_threshold_for_the_weights_as_they_are():
    config = HyenaGLTConfig(**BASE, target_compression=7.0, max_patch_size=64)
    merger = AdaptiveTokenMerger(config).eval()
    batches = [dna(300, rows=8, seed=seed) for seed in range(4)]
    before = [run(merger, ids) for ids in batches]
    merger.calibrate(list(zip(before, batches, strict=True)))
    count = sum(int(run(merger, ids).patches.mask.sum()) for ids in batches)
    assert abs(4 * 8 * 300 / count / 7.0 - 1) < 0.03


def test_the_threshold_is_frozen_at_inference():
    merger = AdaptiveTokenMerger(HyenaGLTConfig(**BASE, target_compression=6.0))
    run(merger.train(), dna(200))
    merger.eval()
    before = {name: value.clone() for name, value in merger.named_buffers()}
    run(merger, dna(200, seed=5))
    for name, value in merger.named_buffers():
        assert torch.equal(value, before[name]), name


def test_fixed_patches_have_the_target_size():
    config = HyenaGLTConfig(**BASE, boundary_scorer="fixed", target_compression=5.0)
    patches = run(AdaptiveTokenMerger(config), dna(23)).patches
    assert patches.length.tolist() == [[5, 5, 5, 5, 3]]


def test_a_track_decides_where_it_is_high():
    config = HyenaGLTConfig(**BASE, boundary_scorer="track", merge_threshold=0.5)
    scores = torch.zeros(1, 12)
    scores[0, [4, 9]] = 1.0
    patches = run(AdaptiveTokenMerger(config), dna(12), boundary_scores=scores).patches
    assert patches.first.tolist() == [[0, 4, 9]]


def test_a_track_must_be_given():
    config = HyenaGLTConfig(**BASE, boundary_scorer="track")
    with pytest.raises(ConfigError, match="needs boundary_scores"):
        run(AdaptiveTokenMerger(config), dna(12))


def test_the_caller_may_decide_the_patches():
    starts = torch.zeros(1, 21, dtype=torch.bool)
    starts[0, [0, 3, 6, 9, 15, 18]] = True
    merging = run(AdaptiveTokenMerger(HyenaGLTConfig(**BASE)), dna(21), patch_starts=starts)
    assert merging.patches.length.tolist() == [[3, 3, 3, 6, 3, 3]]


def test_the_callers_patches_must_start_at_the_first_token():
    with pytest.raises(DataError, match="first token"):
        run(
            AdaptiveTokenMerger(HyenaGLTConfig(**BASE)),
            dna(4),
            patch_starts=torch.zeros(1, 4, dtype=torch.bool),
        )


def test_a_stop_codon_ends_a_patch_and_a_homopolymer_does_not():
    config = HyenaGLTConfig(**BASE, boundary_scorer="pattern")
    ids = torch.tensor([[8 + "ACGT".index(c) for c in "GCAGCATAAGCAAAAAAAGC"]])
    scores = run(AdaptiveTokenMerger(config), ids).scores[0]
    assert scores[9] > scores[6]  # behind TAA against before it
    assert scores[16] < scores[2]  # inside the run of A against ordinary sequence


def test_a_relative_threshold_reads_the_rise_of_the_entropy():
    ids = dna(50)
    absolute = AdaptiveTokenMerger(
        HyenaGLTConfig(**BASE, boundary_scorer="entropy", threshold_rule="absolute")
    )
    relative = AdaptiveTokenMerger(
        HyenaGLTConfig(**BASE, boundary_scorer="entropy", threshold_rule="relative")
    )
    relative.load_state_dict(absolute.state_dict())
    level, rise = run(absolute, ids).scores[0], run(relative, ids).scores[0]
    torch.testing.assert_close(rise[1:], level.diff())


def test_the_entropy_head_learns_a_markov_chain():
    config = HyenaGLTConfig(**BASE, boundary_scorer="entropy")
    merger = AdaptiveTokenMerger(config)
    embedding = torch.nn.functional.one_hot((torch.arange(12) - 8).clamp(0, 7), 8).float()
    optimizer = torch.optim.Adam(merger.parameters(), 0.1)
    ids = (8 + (torch.arange(400) % 4)).unsqueeze(0)  # ACGTACGT...: nothing to be unsure about
    mask = torch.ones_like(ids, dtype=torch.bool)
    for _ in range(60):
        position = torch.arange(400).unsqueeze(0)
        merging = merger(embedding[ids], embedding[ids], ids, mask, position)
        optimizer.zero_grad()
        merging.entropy_loss.backward()
        optimizer.step()
    assert float(merging.entropy_loss.detach()) < 0.05
    assert float(merging.entropy[0, 5:].max()) < 0.2


def test_next_token_loss_of_equal_logits_is_ln_v():
    ids = dna(30)
    loss = next_token_loss(torch.zeros(1, 30, 12), ids, torch.ones_like(ids, dtype=torch.bool))
    assert math.isclose(float(loss), math.log(12), rel_tol=1e-5)


def test_nucleotides_count_kmers_letters_n_and_not_special_tokens():
    config = HyenaGLTConfig(kmer_size=3)
    ids = torch.tensor([[0, 2, 5, 8, 11, 12, 75]])
    assert nucleotides_of(ids, config).tolist() == [[0, 0, 1, 1, 1, 3, 3]]
