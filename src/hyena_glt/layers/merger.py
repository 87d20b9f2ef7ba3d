"""Where tokens are merged into patches.

Every position gets a score; positions that score above a threshold are candidates; the greedy rule
of :mod:`hyena_glt.ops.boundaries` turns candidates into patches between the smallest and the
largest allowed.  Next-base entropy of real DNA is nearly flat, so the threshold is a running
quantile of the scores whenever a compression is asked for: learned in training, frozen afterwards.

Axes::

    b  aligned rows
    l  tokens per row
    d  channels of the base level
    v  vocabulary

Causality: in a causal model the score of position t uses tokens before t only (the router's also
token t), and no output before t looks at it.

Sources: entropy patching and its relative rule, BLT, Pagnoni et al. 2024, arXiv:2412.09871,
section 2.3; cosine router, smoothing and straight-through confidence, H-Net, Hwang et al. 2025,
arXiv:2507.07955, section 2.2; the quantile control is ours.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hyena_glt.config import N_TOKEN_ID, NUM_SPECIAL_TOKENS, HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.layers.linear import Linear
from hyena_glt.layers.patterns import PatternScorer
from hyena_glt.ops.boundaries import (
    Patches,
    continued_starts,
    greedy_starts,
    patches_from_starts,
    tokens_since,
)
from hyena_glt.ops.entropy import entropy

_THRESHOLD_MOMENTUM = 0.9
_CONTROL_GAIN = 0.1


class Merging(NamedTuple):
    """What the merger decided.

    Attributes:
        patches: Where the patches lie.
        scores: Score of a patch start at every token.
        probability: Probability that a patch starts at each token; carries the task's gradient
            to the scorer.
        entropy: Entropy of the prediction of each token from those before it, in nats; None if
            the scorer does not predict.
        entropy_loss: Mean next-token loss of the entropy head, in nats; None likewise, and where no
            gradient is wanted.
    """

    patches: Patches
    scores: Float[Tensor, "b l"]
    probability: Float[Tensor, "b l"]
    entropy: Float[Tensor, "b l"] | None
    entropy_loss: Float[Tensor, ""] | None


class MergerState(NamedTuple):
    """What a causal merger remembers of the tokens so far.

    Attributes:
        since: (b,) tokens in the open patch; 0 before the first token.
        entropies: (b, 2) entropies before the last token and behind it, in nats.
        router_key: (b, d) key of the last token, for the router.
    """

    since: Tensor
    entropies: Tensor
    router_key: Tensor


class AdaptiveTokenMerger(nn.Module):
    """Score positions and choose the patches.

    Args:
        config: Model configuration.
    """

    threshold: Tensor
    score_scale: Tensor
    candidate_logit: Tensor
    updates: Tensor

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__()
        assert config.local_hidden_size is not None
        self.config = config
        self.scorer = config.boundary_scorer
        width = config.local_hidden_size
        self.entropy_head = (
            Linear(width, _predicted_tokens(config), bias=False)
            if "entropy" in self.scorer
            else None
        )
        self.patterns = PatternScorer(config) if "pattern" in self.scorer else None
        self.entropy_weight = (
            nn.Parameter(torch.ones(())) if self.scorer == "entropy_pattern" else None
        )
        if self.scorer == "router":
            self.router_query = Linear(width, width, bias=False)
            self.router_key = Linear(width, width, bias=False)
        # State of the quantile control; saved with the weights.
        self.register_buffer("threshold", torch.tensor(float(config.merge_threshold)))
        self.register_buffer("score_scale", torch.ones(()))
        self.register_buffer("candidate_logit", torch.tensor(_first_candidate_logit(config)))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @property
    def follows_a_target(self) -> bool:
        """True if the threshold is moved to hold a compression."""
        return self.config.target_compression is not None and self.scorer != "fixed"

    def forward(
        self,
        hidden_states: Float[Tensor, "b l d"],
        predictive: Float[Tensor, "b l d"],
        input_ids: Int[Tensor, "b l"],
        token_mask: Bool[Tensor, "b l"],
        position: Int[Tensor, "_ l"],
        *,
        boundary_scores: Float[Tensor, "b l"] | None = None,
        patch_starts: Bool[Tensor, "b l"] | None = None,
    ) -> Merging:
        """Choose the patches of every row.

        Args:
            hidden_states: Output of the local encoder; the router reads it.
            predictive: States that know nothing of later tokens; the entropy head reads them.
            input_ids: Token ids of aligned rows.
            token_mask: True on tokens, False on padding.
            position: Position of each token, in tokens.
            boundary_scores: The caller's scores, for the ``track`` scorer.
            patch_starts: Patches decided by the caller; overrides every scorer.

        Raises:
            ConfigError: If the scorer is ``track`` and no scores are given.
            DataError: If ``patch_starts`` leaves out column 0.
        """
        scores, uncertainty, loss = self._score(
            hidden_states, predictive, input_ids, token_mask, position, boundary_scores
        )
        if patch_starts is not None:
            if not bool(patch_starts[:, 0].all()):
                raise DataError("patch_starts: the first token of every sequence starts a patch")
            starts = patch_starts & token_mask
        else:
            self._first_threshold(scores, token_mask)
            starts = self.starts(scores, token_mask)
        patches = patches_from_starts(starts, token_mask)
        if patch_starts is not None:
            probability = starts.to(scores.dtype)
        else:
            probability = self.probability(scores, starts)
            if self.training and self.scorer != "fixed":
                self._follow(scores.detach(), patches, input_ids)
        return Merging(patches, scores, probability, uncertainty, loss)

    @torch.no_grad()
    def calibrate(self, merged: list[tuple[Merging, Tensor]]) -> None:
        """Set the threshold so that patches have the target compression on given data.

        Bisection over the threshold, with the greedy rule applied in full each time.

        Args:
            merged: Decisions of this merger on several batches, each with the aligned token ids.
        """
        config = self.config
        if not self.follows_a_target or not merged:
            return
        assert config.target_compression is not None
        nucleotides = sum(
            float((nucleotides_of(ids, config) * m.patches.token_mask).sum()) for m, ids in merged
        )
        low = min(float(m.scores.min()) for m, _ in merged)
        high = max(float(m.scores.max()) for m, _ in merged)
        for _ in range(24):
            middle = (low + high) / 2
            patches = sum(
                int(
                    greedy_starts(
                        m.scores > middle,
                        m.patches.token_mask,
                        min_size=config.min_patch_size,
                        max_size=config.max_patch_tokens,
                    ).sum()
                )
                for m, _ in merged
            )
            too_long = nucleotides / patches > config.target_compression
            low, high = (low, middle) if too_long else (middle, high)
        self.threshold.fill_((low + high) / 2)

    def _score(
        self,
        hidden_states: Tensor,
        predictive: Tensor,
        input_ids: Tensor,
        token_mask: Tensor,
        position: Tensor,
        boundary_scores: Tensor | None,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        score = torch.zeros(input_ids.shape, device=input_ids.device)
        uncertainty, loss = None, None
        if self.scorer == "track":
            if boundary_scores is None:
                raise ConfigError("boundary_scorer='track' needs boundary_scores, one per token")
            return boundary_scores.float(), None, None
        if self.entropy_head is not None:
            # Detached: the head learns to predict without bending the task's features.
            logits = self.entropy_head(predictive.detach())
            if torch.is_grad_enabled():
                loss = next_token_loss(logits, input_ids, token_mask)
            uncertainty = _delay(entropy(logits.detach()))
            score = self._surprise(uncertainty, _delay(uncertainty))
        if self.patterns is not None:
            score = score + self.patterns(input_ids, position).float()
        if self.scorer == "router":
            key = self.router_key(hidden_states).float()
            score = self._difference(hidden_states, torch.cat([key[:, :1], key[:, :-1]], dim=1))
        return score, uncertainty, loss

    def starts(
        self, scores: Float[Tensor, "b l"], token_mask: Bool[Tensor, "b l"]
    ) -> Bool[Tensor, "b l"]:
        """Choose patch starts by the threshold as it is.

        Args:
            scores: Scores of patch starts.
            token_mask: True on tokens.
        """
        if self.scorer == "fixed":
            column = torch.arange(token_mask.shape[1], device=token_mask.device)
            return (column % self.stride == 0) & token_mask
        return greedy_starts(
            scores > self.threshold,
            token_mask,
            min_size=self.config.min_patch_size,
            max_size=self.config.max_patch_tokens,
        )

    def probability(
        self, scores: Float[Tensor, "b l"], starts: Bool[Tensor, "b l"]
    ) -> Float[Tensor, "b l"]:
        """Probability that a patch starts, by the distance of the score from the threshold.

        Args:
            scores: Scores of patch starts.
            starts: Where patches start; the ``fixed`` scorer is sure of it.
        """
        if self.scorer == "fixed":
            return starts.to(scores.dtype)
        return torch.sigmoid((scores - self.threshold.clone()) / self.score_scale.clone())

    def scores(
        self, hidden_states: Tensor, predictive: Tensor, input_ids: Tensor, token_mask: Tensor,
        position: Tensor,
    ) -> Float[Tensor, "b l"]:  # fmt: skip
        """Score patch starts; the arguments are those of :meth:`forward`.

        Args:
            hidden_states: Output of the local encoder.
            predictive: States that know nothing of later tokens.
            input_ids: Token ids of aligned rows.
            token_mask: True on tokens.
            position: Position of each token.
        """
        return self._score(hidden_states, predictive, input_ids, token_mask, position, None)[0]

    def _surprise(self, uncertainty: Tensor, earlier: Tensor) -> Tensor:
        """Score by the entropy before each token, and before the token before it."""
        relative = self.config.threshold_rule == "relative"
        score = uncertainty - earlier if relative else uncertainty
        return score if self.entropy_weight is None else self.entropy_weight * score

    def _difference(self, hidden_states: Tensor, earlier_key: Tensor) -> Tensor:
        """Score by the angle between each token and the one before it (H-Net)."""
        query = self.router_query(hidden_states).float()
        return (1 - F.cosine_similarity(query, earlier_key, dim=-1)) / 2

    @property
    def stride(self) -> int:
        """Tokens per patch of the ``fixed`` scorer: the target's, or the largest allowed."""
        config = self.config
        if config.target_compression is None:
            return config.max_patch_tokens
        return max(1, round(config.target_compression / config.bases_per_token))

    def initial_state(self, rows: int) -> MergerState:
        """The state before the first token.

        Args:
            rows: Rows of the batch.
        """
        assert self.config.local_hidden_size is not None
        width = self.config.local_hidden_size if self.scorer == "router" else 0
        like = self.score_scale
        return MergerState(
            like.new_zeros(rows, dtype=torch.long), like.new_zeros(rows, 2),
            like.new_zeros(rows, width),
        )  # fmt: skip

    def extend(
        self,
        hidden_states: Float[Tensor, "b l d"],
        input_ids: Int[Tensor, "b h"],
        position: Int[Tensor, "b h"],
        state: MergerState,
    ) -> tuple[Bool[Tensor, "b l"], Float[Tensor, "b l"], MergerState]:
        """Choose the patches of further tokens; causal models only, one row or one token a row.

        Args:
            hidden_states: Output of the local encoder for the new tokens.
            input_ids: The new tokens behind at least ``patterns.WIDTH`` earlier ones.
            position: Position of each of these, in tokens.
            state: What :meth:`initial_state` or the last call returned.

        Returns:
            Where a patch starts, the probability that one does, and the new state.

        Raises:
            ConfigError: If the scorer needs scores from the caller.
        """
        if self.scorer == "track":
            raise ConfigError(
                "boundary_scorer='track' needs scores of the whole sequence: it cannot generate "
                "or stream"
            )
        config, length = self.config, hidden_states.shape[1]
        fresh = (state.since == 0).unsqueeze(1)
        score = hidden_states.new_zeros(hidden_states.shape[:2], dtype=torch.float32)
        entropies, key = state.entropies, state.router_key
        if self.entropy_head is not None:
            own = entropy(self.entropy_head(hidden_states)).float()
            known = torch.cat([torch.where(fresh, own[:, :1], entropies), own], dim=1)
            score = self._surprise(known[:, 1:-1], known[:, :-2])
            entropies = known[:, -2:]
        if self.patterns is not None:
            score = score + self.patterns(input_ids, position)[:, -length:].float()
        if self.scorer == "router":
            own = self.router_key(hidden_states).float()
            first = torch.where(fresh, own[:, 0], key).unsqueeze(1)
            score = self._difference(hidden_states, torch.cat([first, own[:, :-1]], dim=1))
            key = own[:, -1]
        if self.scorer == "fixed":
            seen = state.since.unsqueeze(1) + torch.arange(length, device=score.device)
            starts = seen % self.stride == 0
        else:
            sizes = {"min_size": config.min_patch_size, "max_size": config.max_patch_tokens}
            starts = continued_starts(score > self.threshold, state.since, **sizes)
        since = tokens_since(starts, state.since)[:, -1] + 1
        return starts, self.probability(score, starts), MergerState(since, entropies, key)

    def _first_threshold(self, scores: Tensor, token_mask: Tensor) -> None:
        """In the first training step, take the quantile of the step itself."""
        if self.follows_a_target and self.training and int(self.updates) == 0:
            self.threshold.copy_(self._quantile(scores.detach()[token_mask]))

    def _quantile(self, values: Tensor) -> Tensor:
        share = torch.sigmoid(self.candidate_logit)
        sample = values[:: 1 + values.numel() // 100_000]
        return torch.quantile(sample, (1 - share).clamp(0, 1).to(sample.dtype))

    @torch.no_grad()
    def _follow(self, scores: Tensor, patches: Patches, input_ids: Tensor) -> None:
        """Move threshold and scale towards those of the batch, for the next step."""
        values = scores[patches.token_mask]
        momentum = _THRESHOLD_MOMENTUM if int(self.updates) else 0.0
        spread = values.std() if values.numel() > 1 else values.new_ones(())
        self.score_scale.lerp_(spread.clamp(min=1e-4), 1 - momentum)
        self.updates.add_(1)
        if self.config.target_compression is None:
            return
        measured = nucleotides_of(input_ids, self.config)[patches.token_mask].sum()
        ratio = measured / patches.mask.sum() / self.config.target_compression
        self.candidate_logit.add_(_CONTROL_GAIN * ratio.clamp(0.5, 2.0).log()).clamp_(-12, 12)
        self.threshold.lerp_(self._quantile(values), 1 - momentum)


def next_token_loss(
    logits: Float[Tensor, "b l v"], input_ids: Int[Tensor, "b l"], token_mask: Bool[Tensor, "b l"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy of predicting each token from the state before it, in nats.

    Args:
        logits: Predictions; those at t are about token t + 1.
        input_ids: Token ids of aligned rows.
        token_mask: True on tokens.
    """
    # What the vocabulary's layout does not name counts as one token, the last.
    targets = input_ids[:, 1:].clamp(max=logits.shape[-1] - 1)
    targets = targets.masked_fill(~token_mask[:, 1:], -100)
    if not bool((targets >= 0).any()):
        return logits.float().sum() * 0.0
    return F.cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, ignore_index=-100)


def nucleotides_of(input_ids: Int[Tensor, "b l"], config: HyenaGLTConfig) -> Int[Tensor, "b l"]:
    """Nucleotides that each token moves along the sequence; 0 for special tokens.

    Args:
        input_ids: Token ids.
        config: Uses the vocabulary's layout.
    """
    is_letter = (input_ids >= NUM_SPECIAL_TOKENS) | (input_ids == N_TOKEN_ID)
    is_kmer = input_ids >= NUM_SPECIAL_TOKENS + config.num_letters
    return torch.where(is_kmer, config.bases_per_token, is_letter.long())


def _predicted_tokens(config: HyenaGLTConfig) -> int:
    """Tokens that the entropy head tells apart: those of the layout, and one for all others.

    A vocabulary is often capped far above the tokens in use, and the head runs on every base.
    """
    kmers = config.alphabet_size**config.kmer_size if config.kmer_size > 1 else 0
    used = NUM_SPECIAL_TOKENS + config.num_letters + kmers
    return min(config.genomic_vocab_size, used + 1)


def _delay(values: Tensor) -> Tensor:
    """Move every row one step to the right, so that step t holds what was known before token t."""
    return torch.cat([values[:, :1], values[:, :-1]], dim=1)


def _first_candidate_logit(config: HyenaGLTConfig) -> float:
    """Share of candidates that would give the target if scores were independent, as a logit.

    With independent candidates of share q, patches last min + sum of (1 - q)**j, j = 1 ... max -
    min, tokens on average (a geometric law cut at both ends); bisection inverts it.
    """
    if config.target_compression is None:
        return 0.0
    target = config.target_compression / config.bases_per_token
    slack = config.max_patch_tokens - config.min_patch_size
    low, high = 1e-5, 1 - 1e-5
    for _ in range(60):
        share = (low + high) / 2
        mean = config.min_patch_size + sum((1 - share) ** j for j in range(1, slack + 1))
        low, high = (share, high) if mean > target else (low, share)
    return math.log(share / (1 - share))
