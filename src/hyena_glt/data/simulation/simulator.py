"""A sequence in the making: background first, then features that do not overlap."""

import numpy as np

from hyena_glt.biology.motifs import Motif
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.simulation.background import MarkovBackground, decode, encode
from hyena_glt.data.simulation.features import Feature, SimulatedSequence, Strand
from hyena_glt.errors import ConfigError


class SequenceSimulator:
    """A canvas of background on which features are planted.

    Args:
        length: Bases.
        rng: Source of randomness; the same state gives the same sequence.
        background: What the bases between the features are drawn from; without it all four are
            equally likely.

    Raises:
        ConfigError: If ``length`` is not positive.

    Example:
        >>> canvas = SequenceSimulator(40, np.random.default_rng(0))
        >>> canvas.plant("TATAAAAG", kind="TF_binding_site", name="TATA-box", start=10)
        Feature(kind='TF_binding_site', name='TATA-box', start=10, stop=18, strand='+')
        >>> canvas.finish("chr1").sequence[10:18]
        'TATAAAAG'
    """

    def __init__(
        self, length: int, rng: np.random.Generator, *, background: MarkovBackground | None = None
    ) -> None:
        if length < 1:
            raise ConfigError(f"length must be at least 1 base, got {length}")
        self._rng = rng
        self._codes = (background or MarkovBackground.from_gc()).sample(rng, 1, length)[0]
        self._taken = np.zeros(length, dtype=np.bool_)
        self._features: list[Feature] = []

    def plant(
        self,
        bases: str,
        *,
        kind: str,
        name: str,
        strand: Strand = "+",
        start: int | None = None,
    ) -> Feature:
        """Write a feature over the background.

        Args:
            bases: Its letters A, C, G, T, 5' to 3' on its own strand.
            kind: See :class:`Feature`.
            name: See :class:`Feature`.
            strand: ``"-"`` writes the reverse complement.
            start: First base, 0-based, on the + strand.  Without it any place where it touches no
                other feature, all equally likely.

        Returns:
            The feature as it stands in the sequence.

        Raises:
            ConfigError: If there is no such place, or it is taken.
        """
        width = len(bases)
        if start is None:
            start = self._free_place(width, f"{kind} {name!r}")
        elif not 0 <= start <= len(self._codes) - width or self._taken[start : start + width].any():
            raise ConfigError(
                f"{kind} {name!r}: bases {start} to {start + width} are taken, or not within the "
                f"{len(self._codes)} bases of the sequence"
            )
        written = encode(reverse_complement(bases) if strand == "-" else bases)
        if (written > 3).any():
            raise ConfigError(f"{kind} {name!r}: only A, C, G and T can be planted")
        self._codes[start : start + width] = written
        self._taken[start : start + width] = True
        feature = Feature(kind, name, start, start + width, strand)
        self._features.append(feature)
        return feature

    def plant_motif(
        self, motif: Motif, *, strand: Strand = "+", start: int | None = None
    ) -> Feature:
        """Draw an instance of a motif and plant it.

        Args:
            motif: The motif.
            strand: As for :meth:`plant`.
            start: As for :meth:`plant`.

        Returns:
            The feature, of kind ``"TF_binding_site"``.

        Raises:
            ConfigError: As :meth:`plant` does.
        """
        (instance,) = motif.sample(self._rng, 1)
        return self.plant(
            instance, kind="TF_binding_site", name=motif.name, strand=strand, start=start
        )

    def finish(self, id_: str) -> SimulatedSequence:
        """Take the sequence as it stands.

        Args:
            id_: Its name.

        Returns:
            The sequence and its features by position.
        """
        features = sorted(self._features, key=lambda feature: feature.start)
        return SimulatedSequence(id_, decode(self._codes), tuple(features))

    def _free_place(self, width: int, what: str) -> int:
        taken_before = np.concatenate(([0], np.cumsum(self._taken)))
        free = np.flatnonzero(
            taken_before[width:] == taken_before[: max(len(taken_before) - width, 0)]
        )
        if not free.size:
            raise ConfigError(f"{what}: no free stretch of {width} bases is left in the sequence")
        return int(self._rng.choice(free))
