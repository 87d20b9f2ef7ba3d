"""The function that gradients are taken of is the model, and its gradients are its slopes."""

import pytest
import torch
from captum.attr import DeepLift
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.interpretability.attribution_result import alphabet_of, predict
from hyena_glt.interpretability.held_merging import merging_held
from hyena_glt.interpretability.readout_share import readout_share
from hyena_glt.interpretability.soft_letters import other_strand, shares_of, soft_prediction
from hyena_glt.model import HyenaGLT, HyenaGLTForSequenceClassification
from hyena_glt.tasks.heads import SequenceClassificationHead
from hyena_glt.tokenizers import GenomicTokenizer, ProteinTokenizer


def dna(rows, length, unknown=()):
    ids = torch.randint(8, 12, (rows, length))
    ids[0, list(unknown)] = 5
    return ids


def same_as_the_model(model, ids, boundaries):
    alphabet = alphabet_of(ids, model.config)
    before = dict(vars(model.config))
    with torch.no_grad():
        plain = predict(model, ids, 1)
        with soft_prediction(model, ids, 1, alphabet, boundaries) as soft:
            found = soft(shares_of(ids, alphabet))
        share = readout_share(model, ids, 1, alphabet)
        found = found if share is None else found + share
        # Nothing stays behind in the model.
        torch.testing.assert_close(predict(model, ids, 1), plain, rtol=0, atol=0)
    assert dict(vars(model.config)) == before
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("boundaries", ["frozen", "remerged"])
@pytest.mark.parametrize("strands", ["none", "average"])
@pytest.mark.parametrize("scorer", ["entropy_pattern", "router", "fixed"])
def test_at_sequences_it_is_the_model(made_model, scorer, strands, boundaries):
    model = made_model(boundary_scorer=scorer, reverse_complement=strands)
    same_as_the_model(model, dna(2, 23, unknown=[0, 7]), boundaries)
    same_as_the_model(model, dna(1, 3), boundaries)


@pytest.mark.parametrize("settings", [{"ngram_sizes": ()}, {"causal": True}])
def test_other_models_too(settings):
    torch.manual_seed(0)
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=1, num_attention_heads=4,
        kmer_readout=False, **{"causal": False, **settings},
    )  # fmt: skip
    same_as_the_model(HyenaGLTForSequenceClassification(config).eval(), dna(2, 20), "remerged")
    trunk = HyenaGLT(config).eval()
    trunk.classifier = SequenceClassificationHead(32, 2).eval()
    trunk.freeze()
    same_as_the_model(trunk, dna(2, 20), "frozen")
    assert trunk.frozen


@pytest.mark.parametrize("modality", ["dna", "rna", "protein"])
def test_molecules_of_a_joint_vocabulary(made_model, modality):
    tokenizer = GenomicTokenizer()
    fitted = HyenaGLTConfig.for_tokenizer(tokenizer)
    model = made_model(
        genomic_vocab_size=fitted.genomic_vocab_size, joint_vocabulary=True,
        num_modalities=fitted.num_modalities, num_letters=fitted.num_letters,
    )  # fmt: skip
    ids = tokenizer("ACGGCAAGCA", modality=modality, return_tensors="pt")["input_ids"]
    same_as_the_model(model, ids, "remerged")


def test_proteins(made_model):
    tokenizer = ProteinTokenizer()
    fitted = HyenaGLTConfig.for_tokenizer(tokenizer)
    model = made_model(
        genomic_vocab_size=fitted.genomic_vocab_size, alphabet_size=20,
        num_letters=fitted.num_letters,
    )  # fmt: skip
    ids = torch.tensor([tokenizer.encode("MKVLAAGWXC")])
    same_as_the_model(model, ids, "remerged")


@pytest.mark.parametrize("strands", ["none", "average"])
def test_gradients_are_slopes_between_sequences_too(made_model, strands):
    """Finite differences in random directions, at mixtures of two sequences."""
    model = made_model(reverse_complement=strands)
    ids = dna(2, 17, unknown=[4])
    alphabet = alphabet_of(ids, model.config)
    with soft_prediction(model, ids, 1, alphabet, "frozen") as soft:
        start = shares_of(ids, alphabet)
        start = (0.7 * start + 0.3 * start.roll(3, dims=1)).requires_grad_()
        (slope,) = torch.autograd.grad(soft(start).sum(), start)
        errors = []
        for _ in range(8):
            way = torch.randn_like(start)
            with torch.no_grad():
                change = (soft(start + 1e-4 * way) - soft(start - 1e-4 * way)) / 2e-4
            errors.append(((slope * way).sum(dim=(1, 2)) - change).abs())
    # Not all of them: maxima over the tokens make kinks, and some steps lead over one.
    assert float(torch.stack(errors).median()) < 2e-3 * float(slope.abs().sum(dim=2).max())
    # What a gradient through the token embeddings alone would miss.
    nn.init.zeros_(model.model.embeddings.weight)
    with soft_prediction(model, ids, 1, alphabet, "frozen") as soft:
        (rest,) = torch.autograd.grad(soft(start).sum(), start)
    assert float(rest.abs().max()) > 1e-4


def test_frozen_patches_stay_and_remerged_ones_move(made_model):
    model = made_model()
    ids = dna(2, 40)
    mutants = ids.repeat(3, 1)
    mutants[2:, 5:30] = torch.randint(8, 12, (4, 25))
    seen = []

    def remember(module, args, merging):
        seen.append(merging)

    with torch.no_grad():
        model(ids)
        for boundaries in ("frozen", "remerged"):
            with merging_held(model, ids, boundaries):
                # Registered last: it sees what the model goes on with.
                with model.model.initial_merger.register_forward_hook(remember):
                    logits = model(mutants).logits
                    alone = torch.cat([model(pair).logits for pair in mutants.split(2)])
                torch.testing.assert_close(logits, alone, rtol=1e-5, atol=1e-5)
    held, moved = seen[0], seen[4]
    assert bool((held.patches.starts == held.patches.starts[:2].repeat(3, 1)).all())
    assert bool((held.probability == held.probability[:2].repeat(3, 1)).all())
    assert bool((moved.patches.starts != held.patches.starts).any())
    assert not model.model.initial_merger._forward_hooks


def test_the_other_strand_of_the_other_strand(made_model):
    ids = dna(3, 9, unknown=[1, 5])
    alphabet = alphabet_of(ids, made_model().config)
    turned = other_strand(ids, alphabet)
    assert torch.equal(other_strand(turned, alphabet), ids)
    # N A C G T backwards and complemented
    one = other_strand(torch.tensor([[5, 8, 9, 10, 10]]), alphabet)
    assert one.tolist() == [[9, 9, 10, 11, 5]]


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_why_deeplift_is_refused(made_model):
    """Captum has no rule for anything in the model: what it gives are plain gradients."""

    class Wrapped(nn.Module):
        def __init__(self, soft):
            super().__init__()
            self.model, self.soft = model, soft

        def forward(self, shares):
            return self.soft(shares)

    model = made_model()
    ids = dna(1, 20)
    alphabet = alphabet_of(ids, model.config)
    shares, start = shares_of(ids, alphabet), shares_of(ids.roll(1), alphabet)
    with soft_prediction(model, ids, 1, alphabet, "frozen") as soft:
        # It doubles the batch: sequences, then baselines.
        given = shares.clone().requires_grad_()
        (slope,) = torch.autograd.grad(soft(given).sum(), given)
        found = DeepLift(Wrapped(soft)).attribute(shares.requires_grad_(), start)
    torch.testing.assert_close(found, slope * (shares - start), rtol=1e-4, atol=1e-6)
