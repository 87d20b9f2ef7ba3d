import pytest
import torch

from hyena_glt.tasks import SequenceClassificationHead, TokenClassificationHead
from hyena_glt.tasks.heads import Pooling


def test_pooling_is_mean_maximum_and_attention_over_what_exists():
    pooling = Pooling(2)
    with torch.no_grad():
        pooling.score.weight.copy_(torch.tensor([[100.0, 0.0]]))  # attends the largest channel 0
    x = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [99.0, 99.0]]])
    pooled = pooling(x, torch.tensor([[True, True, False]]))
    torch.testing.assert_close(pooled, torch.tensor([[2.0, -3.0, 3.0, -2.0, 3.0, -2.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_does_not_see_padding(dtype):
    pooling = Pooling(4)
    x = torch.randn(1, 5, 4).to(dtype)
    padded = torch.cat([x, torch.full((1, 3, 4), 50.0, dtype=dtype)], dim=1)
    mask = torch.tensor([[True] * 5 + [False] * 3])
    alone = pooling.to(dtype)(x, mask[:, :5])
    torch.testing.assert_close(pooling(padded, mask), alone)


def sequence_head():
    torch.manual_seed(0)
    return SequenceClassificationHead(hidden_size=8, num_labels=3, dropout=0.5).eval()


def states():
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 6, 8, generator=generator),
        torch.ones(2, 6, dtype=torch.bool),
        torch.randn(2, 3, 8, generator=generator),
        torch.ones(2, 3, dtype=torch.bool),
    )


def test_a_sequence_head_reads_tokens_and_patches():
    head, (tokens, token_mask, patches, patch_mask) = sequence_head(), states()
    before = head(tokens, token_mask, patches, patch_mask)
    one_base = tokens.clone()
    one_base[0, 2] += 5.0
    after = head(one_base, token_mask, patches, patch_mask)
    assert bool((after[0] != before[0]).all())
    assert torch.equal(after[1], before[1])
    one_patch = patches.clone()
    one_patch[1, 0] += 5.0
    after = head(tokens, token_mask, one_patch, patch_mask)
    assert bool((after[1] != before[1]).all())
    assert torch.equal(after[0], before[0])


def test_scale_and_shift_give_the_unit_of_the_labels():
    head = sequence_head()
    plain = head(*states())
    head.scale.copy_(torch.tensor([1.0, 10.0, 2.0]))
    head.shift.copy_(torch.tensor([0.0, 100.0, -1.0]))
    torch.testing.assert_close(
        head(*states()), plain * torch.tensor([1.0, 10.0, 2.0]) + torch.tensor([0.0, 100.0, -1.0])
    )
    assert {"scale", "shift"} <= head.state_dict().keys()


def test_dropout_works_in_training_only():
    head = sequence_head()
    assert torch.equal(head(*states()), head(*states()))
    head.train()
    assert not torch.equal(head(*states()), head(*states()))
    tokens = TokenClassificationHead(hidden_size=8, num_labels=3, dropout=0.5)
    x = states()[0]
    assert not torch.equal(tokens(x), tokens(x))
    assert torch.equal(tokens.eval()(x), tokens(x))


def test_a_token_head_is_linear_in_each_token():
    head = TokenClassificationHead(hidden_size=8, num_labels=3).eval()
    x = states()[0]
    torch.testing.assert_close(head(x), x @ head.out.weight.T + head.out.bias)


@pytest.mark.parametrize("head", [SequenceClassificationHead, TokenClassificationHead])
def test_a_head_can_be_made_again_from_its_settings(head):
    made = head(hidden_size=8, num_labels=3, dropout=0.25)
    wanted = {"hidden_size": 8, "num_labels": 3, "dropout": 0.25}
    assert wanted.items() <= made.settings.items()
    again = head(**made.settings)
    again.load_state_dict(made.state_dict())
    assert again.dropout.p == 0.25


def test_a_head_without_positions_does_not_see_the_order_of_stretches():
    """With the same bases in another order, only the pooling by stretches tells the two apart."""
    tokens, mask = torch.randn(1, 40, 8), torch.ones(1, 40, dtype=torch.bool)
    patches, patch_mask = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    for keep in (True, False):
        head = SequenceClassificationHead(8, 3, keep_position=keep).eval()
        with torch.no_grad():
            there = head(tokens, mask, patches, patch_mask)
            back = head(tokens.flip(1), mask, patches, patch_mask)
        assert torch.allclose(there, back, atol=1e-5) is not keep


def test_logits_are_single_precision():
    head, (tokens, token_mask, patches, patch_mask) = sequence_head(), states()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head(tokens, token_mask, patches, patch_mask).dtype == torch.float32
        assert TokenClassificationHead(8, 3).eval()(tokens).dtype == torch.float32
