import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model.faces import HyenaGLTForSequenceClassification
from hyena_glt.model.hyena_glt import HyenaGLT
from hyena_glt.tasks.readout import KmerReadout
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer

TOKENIZER = DNATokenizer(kmer_size=1)


def config_of(tokenizer=TOKENIZER, **settings):
    small = {
        "hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "local_hidden_size": 16,
        "causal": False, "num_labels": 2,
    }  # fmt: skip
    return HyenaGLTConfig.for_tokenizer(tokenizer, **{**small, **settings})


@settings(max_examples=25, deadline=None)
@given(st.text("ACGTN", min_size=1, max_size=40), st.integers(0, 3))
def test_features_are_square_roots_of_counts_less_the_expected(letters, padding):
    readout = KmerReadout(config_of(), 2, keep_position=False)
    ids = torch.tensor([TOKENIZER.encode(letters) + [0] * padding])
    found = readout.features(ids, torch.arange(ids.shape[1]).unsqueeze(0) < len(letters))[0]
    wanted = []
    for order in (1, 2, 3, 4, 5):
        words = [letters[i : i + order] for i in range(len(letters) - order + 1)]
        words = [word for word in words if "N" not in word]
        for number in range(4**order):
            word = "".join("ACGT"[number // 4**place % 4] for place in reversed(range(order)))
            expected = len(words) / 4**order
            wanted.append(math.sqrt(words.count(word)) - math.sqrt(expected))
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_stretches_know_where_a_word_stands():
    readout = KmerReadout(config_of(), 2, keep_position=True, stretches=4)
    ids = torch.tensor(
        [TOKENIZER.encode("G" * 30 + "A" * 10), TOKENIZER.encode("A" * 10 + "G" * 30)]
    )
    features = readout.features(ids, torch.ones_like(ids, dtype=torch.bool))
    of_a = features[:, :4]  # the first letter's four stretches
    assert of_a[0, 3] > 0 > of_a[0, 0]
    assert of_a[1, 0] > 0 > of_a[1, 3]


@pytest.mark.parametrize(
    ("tokenizer", "features"),
    [
        (DNATokenizer(kmer_size=1), 16 * (4 + 16 + 64) + 256 + 1024),
        (DNATokenizer(kmer_size=3), 16 * 64),
        (DNATokenizer(kmer_size=6, vocab_size=4108), 4096),
        (ProteinTokenizer(), 16 * 20 + 400),
    ],
    ids=["dna", "3-mers", "6-mers", "protein"],
)
def test_orders_follow_the_alphabet(tokenizer, features):
    readout = KmerReadout(config_of(tokenizer), 3, keep_position=True)
    assert readout.weight.shape == (features, 3)


def test_the_prediction_is_the_mean_and_each_part_has_a_loss_of_its_own():
    torch.manual_seed(0)
    model = HyenaGLTForSequenceClassification(
        config_of(dropout=0.0, head_dropout=0.0, boundary_scorer="fixed")
    ).eval()
    ids, labels = torch.tensor([TOKENIZER.encode("ACGTTGCAACGGT")]), torch.tensor([1])
    network = model(ids).logits * 2  # the readout starts at zero
    torch.nn.init.normal_(model.kmer_readout.weight, std=0.1)
    linear = model.kmer_readout(ids, torch.ones_like(ids, dtype=torch.bool))
    torch.testing.assert_close(model(ids).logits, (network + linear) / 2)

    model.train()
    model.readout_penalty = 0.0
    model(ids, labels).loss.backward()
    probability = linear.softmax(-1)[0].detach()
    torch.testing.assert_close(model.kmer_readout.bias.grad, probability - torch.tensor([0.0, 1.0]))
    before = model.kmer_readout.weight.grad.clone()
    model.zero_grad()
    model.readout_penalty = 0.5
    loss = model(ids, labels).loss
    loss.backward()
    added = model.kmer_readout.weight.grad - before
    torch.testing.assert_close(added, model.kmer_readout.weight.detach())
    torch.testing.assert_close(
        loss, torch.nn.functional.cross_entropy((network + linear) / 2, labels)
    )


def test_a_readout_missing_in_the_files_starts_at_zero(tmp_path):
    trunk = HyenaGLT(config_of())
    trunk.save_pretrained(tmp_path)
    loaded = HyenaGLTForSequenceClassification.from_pretrained(tmp_path)
    assert not bool(loaded.kmer_readout.weight.any())
