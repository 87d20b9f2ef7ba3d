"""Quality scores reach the model and help it on reads full of errors."""

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.io.records import LabelledRecord
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
GOOD, BAD = 35, 1


def noisy_reads(count, length, seed):
    """Reads of two organisms that differ in GC, three quarters of each read hardly readable.

    A base with Phred q is wrong with probability 10**(-q / 10), and then any of the other three.
    """
    random = np.random.default_rng(seed)
    reads = []
    for number in range(count):
        label = number % 2
        gc = (0.3, 0.7)[label]
        true = random.choice(4, length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])
        phred = np.where(random.random(length) < 0.75, BAD, GOOD)
        wrong = random.random(length) < 10 ** (-phred / 10)
        called = np.where(wrong, (true + random.integers(1, 4, length)) % 4, true)
        letters = "".join("ACGT"[base] for base in called)
        qualities = phred.astype(np.uint8).tobytes()
        reads.append(LabelledRecord(f"read_{number}", letters, f"organism_{label}", qualities))
    return reads


def accuracy(train, validation, test, *, quality):
    """Of a model that reads the qualities, or is not given them."""

    def shown(reads):
        if quality:
            return reads
        return [LabelledRecord(one.id, one.sequence, one.label) for one in reads]

    loaders = create_genomic_dataloaders(
        shown(train), shown(validation), TOKENIZER, batch_size=32, test_data=shown(test)
    )
    assert ("quality_scores" in next(iter(loaders["train"]))) is quality
    config = HyenaGLTConfig.for_tokenizer(
        TOKENIZER, hidden_size=32, num_layers=2, num_attention_heads=4, local_hidden_size=32,
        intermediate_size=64, causal=False, kmer_readout=False, quality_embedding=quality,
    )  # fmt: skip
    settings = TrainingSettings(
        num_epochs=4, learning_rate=3e-3, weight_average=0.9, precision="fp32"
    )
    trainer = EnhancedTrainingPipeline(config, settings, progress=False)
    with torch.enable_grad():
        trainer.train(loaders["train"], loaders["val"])
    return trainer.evaluate(loaders["test"]).metrics["accuracy"]


def test_a_model_that_knows_which_bases_to_trust_is_right_more_often():
    train, validation, test = (
        noisy_reads(count, 60, seed) for seed, count in enumerate((1600, 100, 600))
    )
    informed = accuracy(train, validation, test, quality=True)
    blind = accuracy(train, validation, test, quality=False)
    # Counting G and C reaches .94 on the good bases alone, .73 on all of them.
    assert informed == pytest.approx(0.94, abs=0.06)
    assert informed > blind + 0.1
