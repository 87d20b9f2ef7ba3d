"""What merging keeps: how well labels of bases can be read off patches, and off bases again.

A linear probe (multinomial logistic regression on standardised features) is trained on frozen
hidden states: once on the state of the patch that a base lies in, once on the state of the base
itself after the way back from the patches.  The difference is what a patch does not say about its
bases; it grows with the compression.

Source:
    Alain & Bengio 2016, Understanding intermediate layers using linear classifier probes,
    arXiv:1610.01644.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability.inputs import token_ids
from hyena_glt.layers.merger import nucleotides_of
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.modes import inference_mode_of

_MOST_BASES = 20_000


class CompressionProbe(NamedTuple):
    """What can be read off hidden states; all shares are of held-out bases.

    Attributes:
        compression_ratio: Nucleotides per patch over all sequences.
        patch_accuracy: Share of bases whose label is read off their patch.
        base_accuracy: Share of bases whose label is read off their own state.
        majority: Share of the commonest label: what a probe reaches that sees nothing.
        bases: Held-out bases that were scored.
    """

    compression_ratio: float
    patch_accuracy: float
    base_accuracy: float
    majority: float
    bases: int


@torch.no_grad()
def probe_compression(
    model: PreTrainedModel,
    sequences: Sequence[str | Tensor],
    labels: Sequence[NDArray[np.integer]],
    *,
    tokenizer: Any | None = None,
    held_out: float = 0.25,
    most_bases: int = _MOST_BASES,
    seed: int = 0,
) -> CompressionProbe:
    """Measure what patches and bases of a model tell about labels of bases.

    Args:
        model: Any model of the package in single-nucleotide tokens; its mode is restored.
        sequences: Letters or token ids; those behind are held out, whole.
        labels: For each sequence (l,) one class per base; negative ones are left out.
        tokenizer: Tokenizer of the letters; None takes that of the model's configuration.
        held_out: Share of the sequences that the probes are scored on, in (0, 1).
        most_bases: Bases that are drawn at random from each part, at most.
        seed: Of the draw.

    Returns:
        Accuracies of the two probes.

    Raises:
        ConfigError: If ``held_out`` is out of range, or tokens are not single nucleotides.
        DataError: If there are fewer than two sequences, labels do not fit, or the part to train
            on holds fewer than two classes.

    Example:
        >>> probe_compression(model, windows, codon_positions)  # doctest: +SKIP
        CompressionProbe(compression_ratio=6.1, patch_accuracy=0.52, base_accuracy=0.81, ...)
    """
    if not 0 < held_out < 1:
        raise ConfigError(f"held_out must be in (0, 1), got {held_out}")
    trunk = trunk_of(model)
    if trunk.config.kmer_size != 1:
        raise ConfigError("patches are probed in models of single-nucleotide tokens")
    if len(sequences) < 2 or len(sequences) != len(labels):
        raise DataError(
            f"at least two sequences with labels are wanted, got {len(sequences)} sequences and "
            f"{len(labels)} rows of labels"
        )
    random = np.random.default_rng(seed)
    first_test = len(sequences) - max(1, round(held_out * len(sequences)))
    parts: tuple[list[_States], list[_States]] = ([], [])
    bases = patches = 0
    with inference_mode_of(trunk):
        for number, (sequence, own) in enumerate(zip(sequences, labels, strict=True)):
            test = number >= first_test
            share = len(sequences) - first_test if test else first_test
            states, length, count = _states(
                trunk, token_ids(model, sequence, tokenizer), np.asarray(own), number,
                max(1, most_bases // share), random,
            )  # fmt: skip
            bases, patches = bases + length, patches + count
            parts[test].append(states)
    train, test_states = (_joined(part) for part in parts)
    if len(np.unique(train.labels)) < 2:
        raise DataError("the sequences to train the probe on hold one class only")
    if not len(test_states.labels):
        raise DataError("the held-out sequences hold no labelled base")
    _, counts = np.unique(test_states.labels, return_counts=True)
    return CompressionProbe(
        bases / patches,
        _accuracy(train.patches, train.labels, test_states.patches, test_states.labels),
        _accuracy(train.bases, train.labels, test_states.bases, test_states.labels),
        float(counts.max() / counts.sum()),
        len(test_states.labels),
    )


class _States(NamedTuple):
    """Hidden states of some bases, of their patches, and the labels."""

    patches: NDArray[np.float32]
    bases: NDArray[np.float32]
    labels: NDArray[np.int64]


def _states(
    trunk: Any,
    ids: Tensor,
    labels: NDArray[np.integer],
    number: int,
    most: int,
    random: np.random.Generator,
) -> tuple[_States, int, int]:
    """States of bases drawn from one sequence; its bases and patches."""
    if len(labels) != ids.shape[1]:
        raise DataError(f"sequence {number + 1} has {ids.shape[1]} bases and {len(labels)} labels")
    encoding = trunk.encode(ids)
    patches = encoding.merging.patches
    length = patches.length[0]
    of_base = torch.repeat_interleave(torch.arange(len(length), device=ids.device), length)
    known = np.flatnonzero(labels >= 0)
    chosen = np.sort(random.permutation(known)[:most])
    at = torch.from_numpy(chosen).to(ids.device)
    states = _States(
        encoding.patches[0, of_base[at]].float().cpu().numpy(),
        encoding.tokens[0, at].float().cpu().numpy(),
        labels[chosen].astype(np.int64),
    )
    nucleotides = int(nucleotides_of(ids, trunk.config)[0].sum())
    return states, nucleotides, int((length > 0).sum())


def _joined(parts: list[_States]) -> _States:
    patches, bases, labels = (np.concatenate(one) for one in zip(*parts, strict=True))
    return _States(patches, bases, labels)


def _accuracy(
    train: NDArray[np.float32],
    train_labels: NDArray[np.int64],
    test: NDArray[np.float32],
    test_labels: NDArray[np.int64],
) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Hidden states are strongly correlated; the last digits of the optimum do not matter here.
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, tol=1e-3))
    probe.fit(train, train_labels)
    return float(probe.score(test, test_labels))
