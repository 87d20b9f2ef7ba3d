"""Motifs under the bases that a model attends to.

Attention is that of whole patches, and says where a model looks, not what for: motifs from
attributions (``motif_discovery``) are sharper.  This is what the guide's evaluation asks for, and a
look at models that predict nothing yet.
"""

from collections.abc import Sequence

import numpy as np

from hyena_glt.errors import DataError
from hyena_glt.interpretability.attention import AttentionPatterns
from hyena_glt.interpretability.motif_discovery import DiscoveredMotif, discover_motifs


def motifs_from_attention(
    patterns: Sequence[AttentionPatterns], *, both_strands: bool = True, least_sites: int = 20
) -> list[DiscoveredMotif]:
    """Find what the bases that receive more attention than others have in common.

    A base counts for as much as it receives above the mean of its sequence.

    Args:
        patterns: One per DNA sequence, from
            :func:`~hyena_glt.interpretability.attention.analyze_attention_patterns`.
        both_strands: Whether a motif may lie on either strand.
        least_sites: Motifs with fewer sites are not given.

    Raises:
        DataError: If a pattern does not know its letters, or no block is a Hyena block.
    """
    sequences, effects = [], []
    for number, one in enumerate(patterns):
        weight = one.received().double().cpu().numpy()
        if len(one.sequence) != len(weight):
            raise DataError(f"attention pattern {number} does not know its letters")
        letters = np.array([list(one.sequence)]).T
        own = (letters == np.array([list("ACGT")])) | (letters == np.array([list("ACGU")]))
        loss = -(weight - weight.mean())
        sequences.append(one.sequence)
        effects.append(np.where(own, 0.0, loss[:, None]))
    return discover_motifs(sequences, effects, both_strands=both_strands, least_sites=least_sites)
