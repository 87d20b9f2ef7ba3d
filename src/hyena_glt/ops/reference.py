"""Slow twins: the same functions as plain loops, to read and to test against.

Each has the name and the arguments of the fast function in its file.  Nothing but tests and
benchmarks calls them.
"""

import torch
from torch import Tensor


def greedy_starts(
    candidates: Tensor, token_mask: Tensor, *, min_size: int, max_size: int
) -> Tensor:
    """Walk every row from left to right.  See :func:`hyena_glt.ops.boundaries.greedy_starts`."""
    starts = torch.zeros_like(candidates)
    for row in range(candidates.shape[0]):
        last = 0
        for column in range(int(token_mask[row].sum())):
            since = column - last
            is_due = since >= min_size and bool(candidates[row, column])
            if column == 0 or is_due or since >= max_size:
                starts[row, column] = True
                last = column
    return starts


def segment_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Add token by token.  See :func:`hyena_glt.ops.segments.segment_sum`."""
    members = [values[index == segment].sum(dim=0) for segment in range(count)]
    return torch.stack(members)


def segment_mean(values: Tensor, index: Tensor, lengths: Tensor) -> Tensor:
    """Average segment by segment.  See :func:`hyena_glt.ops.segments.segment_mean`."""
    members = [values[index == segment] for segment in range(lengths.shape[0])]
    return torch.stack([m.mean(dim=0) if len(m) else m.sum(dim=0) for m in members])


def segment_softmax(logits: Tensor, index: Tensor, count: int) -> Tensor:
    """Softmax segment by segment.  See :func:`hyena_glt.ops.segments.segment_softmax`."""
    weights = torch.zeros_like(logits)
    for segment in range(count + 1):
        here = (index == segment).nonzero().squeeze(1)
        weights = weights.index_put((here,), logits[here].softmax(dim=0))
    return weights


def moving_average(x: Tensor, weight: Tensor) -> Tensor:
    """Step by step.  See :func:`hyena_glt.ops.scan.moving_average`."""
    state = torch.zeros_like(x[:, 0])
    out = []
    for step in range(x.shape[1]):
        w = weight[:, step, None]
        state = w * x[:, step] + (1 - w) * state
        out.append(state)
    return torch.stack(out, dim=1)


def short_convolution(
    x: Tensor, taps: Tensor, bias: Tensor | None = None, *, causal: bool
) -> Tensor:
    """Tap by tap.  See :func:`hyena_glt.ops.convolution.short_convolution`."""
    steps, width = x.shape[1], taps.shape[1]
    ahead = 0 if causal else width // 2
    out = []
    for step in range(steps):
        total = torch.zeros_like(x[:, 0])
        for tap in range(width):
            source = step + ahead - (width - 1) + tap
            if 0 <= source < steps:
                total = total + taps[:, tap] * x[:, source]
        out.append(total if bias is None else total + bias)
    return torch.stack(out, dim=1)


def long_convolution(x: Tensor, after: Tensor, before: Tensor | None = None) -> Tensor:
    """Lag by lag.  See :func:`hyena_glt.ops.convolution.long_convolution`."""
    steps, share = x.shape[1], x.shape[2] // after.shape[0]
    after = after.repeat_interleave(share, dim=0)
    out = []
    for step in range(steps):
        total = torch.zeros_like(x[:, 0])
        for source in range(steps):
            lag = step - source
            if 0 <= lag < after.shape[1]:
                total = total + after[:, lag] * x[:, source]
            if before is not None and 0 < -lag <= before.shape[1]:
                total = total + before.repeat_interleave(share, dim=0)[:, -lag - 1] * x[:, source]
        out.append(total)
    return torch.stack(out, dim=1)


def modal_filter(
    decay: Tensor, frequency: Tensor, cosine: Tensor, sine: Tensor, steps: int
) -> Tensor:
    """Lag by lag.  See :func:`hyena_glt.ops.convolution.modal_filter`."""
    taps = []
    for lag in range(steps):
        wave = cosine * torch.cos(frequency * lag) - sine * torch.sin(frequency * lag)
        taps.append((torch.exp(-decay * lag) * wave).sum(dim=1))
    return torch.stack(taps, dim=1)


def modal_scan(
    x: Tensor, modes: tuple[Tensor, ...], state: Tensor | None = None, *, own_step: bool = True
) -> tuple[Tensor, Tensor]:
    """Step by step.  See :func:`hyena_glt.ops.recurrence.modal_scan`."""
    share = x.shape[2] // modes[0].shape[0]
    decay, frequency, cosine, sine = (m.repeat_interleave(share, dim=0) for m in modes)
    pole = torch.exp(torch.complex(-decay, frequency))
    residue = torch.complex(cosine, sine)
    if state is None:
        state = x.new_zeros(x.shape[0], x.shape[2], 2 * decay.shape[1])
    now = torch.complex(*state.chunk(2, dim=-1))
    out = []
    for step in x.unbind(1):
        before = pole * now
        now = before + step.unsqueeze(-1)
        out.append((residue * (now if own_step else before)).real.sum(-1))
    return torch.stack(out, dim=1), torch.cat([now.real, now.imag], dim=-1)


def entropy(logits: Tensor) -> Tensor:
    """Outcome by outcome.  See :func:`hyena_glt.ops.entropy.entropy`."""
    probability = logits.softmax(dim=-1)
    total = torch.zeros(logits.shape[:-1])
    for outcome in range(logits.shape[-1]):
        p = probability[..., outcome]
        total = total - p * p.log()
    return total
