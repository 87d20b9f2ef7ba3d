"""The promises of the design once more, on weights and thresholds that training has moved."""

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.model.hyena_glt import reverse_complement_ids
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "num_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "local_hidden_size": 32, "max_patch_size": 24, "target_compression": 5.0,
}  # fmt: skip


def sequences(count, length, seed):
    """DNA in which some bases foretell the next, so that entropy has something to say."""
    random = np.random.default_rng(seed)
    after = {"A": [0.1, 0.2, 0.6, 0.1], "C": [0.25] * 4, "G": [0.7, 0.1, 0.1, 0.1], "T": [0.25] * 4}
    found = []
    for _ in range(count):
        letters = "A"
        while len(letters) < length:
            letters += "ACGT"[random.choice(4, p=after[letters[-1]])]
        found.append(letters)
    return found


# A fixture asked for inside a test is made under that test's no_grad.
@torch.enable_grad()
def train(task, causal):
    items = [{"sequence": s, "labels": i % 2} for i, s in enumerate(sequences(128, 300, 0))]
    parts = create_genomic_dataloaders(items, tokenizer=TOKENIZER, batch_size=8, task=task)
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, causal=causal, **TINY)
    strand = "forward" if causal else "both"
    settings = TrainingSettings(num_epochs=4, learning_rate=3e-3, strand=strand)
    trainer = EnhancedTrainingPipeline(config, settings, progress=False)
    trainer.train(parts["train"], parts["val"])
    return trainer.model


@pytest.fixture(scope="module")
def classifier():
    return train("classification", causal=False)


@pytest.fixture(scope="module")
def language_model():
    return train("language_modeling", causal=True)


def ids_of(letters):
    return torch.tensor([TOKENIZER.encode(letters)])


@torch.no_grad()
def test_alone_is_batched_is_padded(classifier):
    rows = [s[:n] for s, n in zip(sequences(3, 300, 9), (300, 120, 7), strict=True)]
    for side in ("right", "left"):
        batch = TOKENIZER(rows, padding=True, padding_side=side, return_tensors="pt")
        together = classifier(**batch).logits
        for row, letters in enumerate(rows):
            alone = classifier(ids_of(letters)).logits[0]
            assert float((together[row] - alone).abs().max()) < 1e-4


@torch.no_grad()
def test_both_strands_give_one_prediction(classifier):
    ids = ids_of(sequences(1, 300, 4)[0])
    other = reverse_complement_ids(ids, torch.ones_like(ids, dtype=torch.bool))
    torch.testing.assert_close(classifier(ids).logits, classifier(other).logits)


@torch.no_grad()
def test_no_logit_looks_ahead(language_model):
    ids = ids_of(sequences(2, 64, 5)[1])
    before = language_model(ids).logits
    for position in range(1, 64):
        other = ids.clone()
        other[0, position] = 8 + (other[0, position] - 7) % 4
        after = language_model(other).logits
        assert float((after - before)[:, :position].abs().max()) < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("which", ["classifier", "language_model"])
def test_compression_is_what_was_asked_for(which, request):
    model = request.getfixturevalue(which)
    unseen = [TOKENIZER.encode(s) for s in sequences(40, 300, 77)]
    ratio = float(model(torch.tensor(unseen)).compression_ratio)
    assert abs(ratio / 5.0 - 1) < 0.15


@torch.no_grad()
@pytest.mark.parametrize("which", ["classifier", "language_model"])
def test_saved_is_loaded_bit_by_bit(which, request, tmp_path):
    model = request.getfixturevalue(which)
    model.save_pretrained(tmp_path)
    ids = ids_of(sequences(1, 200, 6)[0])
    assert torch.equal(type(model).from_pretrained(tmp_path).eval()(ids).logits, model(ids).logits)


@torch.no_grad()
def test_positions_survive_merging(classifier):
    ids = ids_of(sequences(1, 300, 8)[0])
    info = classifier(ids, output_position_info=True).position_info
    assert torch.equal(info["global_positions"], torch.arange(300))
