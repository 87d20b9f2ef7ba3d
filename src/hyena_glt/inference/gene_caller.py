"""Genes from the probabilities of bases: open reading frames where the model sees coding sequence.

bases, probabilities -> log-odds of coding on each strand -> genes -> CDS features with a phase

Positions are 0-based and half-open, on the strand of the file.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from hyena_glt.biology.gene_calls import Called, Evidence, GeneStream, choose_genes
from hyena_glt.biology.genetic_codes import GeneticCode
from hyena_glt.biology.intervals import Feature
from hyena_glt.biology.orfs import Gene, longest_orfs
from hyena_glt.data.genome import Codes
from hyena_glt.inference.annotator import Probabilities

CODING = "CDS"
"""Kind of the features that reading frames belong to."""

_SURE = 1e-3  # a base counts no more than this allows


class GeneCaller:
    """Turn the probabilities of the bases of one contig into genes without introns.

    What is called begins with a start codon and ends with a stop codon, unless it runs off the
    sequence; such a gene is marked ``partial``: ``10`` at the left end, ``01`` at the right one.

    Args:
        contig: Name of the contig.
        code: Genetic code.
        labels: Names of the classes, ``CDS+`` and ``CDS-`` among them; None calls genes by the
            bases alone.
        start: Position of the first base.
        length: Bases that will come.
        min_codons: Fewest codons of a gene, stop included.
        number: Genes called before, which the IDs go on from.

    Attributes:
        number: Genes called so far.
    """

    def __init__(
        self,
        contig: str,
        code: GeneticCode,
        labels: Sequence[str] | None,
        *,
        start: int,
        length: int,
        min_codons: int = 30,
        number: int = 0,
    ) -> None:
        self.contig = contig
        self.number = number
        self._code = code
        self._columns = None
        if labels is not None:
            self._columns = [labels.index(CODING + strand) for strand in "+-"]
        self._start, self._length = start, length
        self._stream = GeneStream(
            lambda codes, evidence, left, right: choose_genes(
                codes, evidence, code, min_codons=min_codons, open_left=left, open_right=right
            )
        )

    def add(self, codes: Codes, probabilities: Probabilities) -> Iterator[Feature]:
        """Take the next bases.

        Args:
            codes: (n,) bases, behind those before.
            probabilities: (n, C).

        Yields:
            The genes that are settled.
        """
        evidence = None
        if self._columns is not None:
            evidence = _log_odds(probabilities[:, self._columns])
        yield from map(self._feature, self._stream.add(codes, evidence))

    def finish(self) -> Iterator[Feature]:
        """Yield the genes that are left, when the contig has ended."""
        yield from map(self._feature, self._stream.finish())

    def _feature(self, called: Called) -> Feature:
        self.number += 1
        gene, forward = called.gene, called.gene.strand == "+"
        start, end, phase = gene.start, gene.end, 0
        # The rest of a codon that the sequence cuts belongs to the gene, too.
        off_left, off_right = (
            not whole for whole in (gene.whole_start, gene.whole_end)[:: 1 if forward else -1]
        )
        if off_left:
            phase, start = (start if forward else phase), 0
        if off_right:
            phase, end = (phase if forward else self._length - end), self._length
        attributes = {"ID": f"{CODING}_{self.number}", "transl_table": str(self._code.number)}
        if off_left or off_right:
            attributes["partial"] = f"{off_left:d}{off_right:d}"
        known = called.probability == called.probability
        return Feature(
            self.contig, self._start + start, self._start + end, CODING, gene.strand, "hyena_glt",
            round(called.probability, 4) if known else None, phase, attributes,
        )  # fmt: skip


class LongestOrfs:
    """The baseline: the longest reading frames of one contig, longest first.

    Args:
        contig: Name of the contig.
        code: Genetic code, for its stop codons.
        start: Position of the first base.
        min_codons: Fewest codons, stop included.
    """

    def __init__(
        self, contig: str, code: GeneticCode, *, start: int, min_codons: int = 100
    ) -> None:
        self._contig, self._start = contig, start

        def choose(codes: Codes, evidence: Evidence | None, left: bool, right: bool) -> list[Gene]:
            return longest_orfs(codes, code, min_codons=min_codons)

        self._stream = GeneStream(choose)

    def add(self, codes: Codes) -> Iterator[Feature]:
        """Take the next bases.

        Args:
            codes: (n,) bases, behind those before.

        Yields:
            The frames that are settled.
        """
        yield from map(self._feature, self._stream.add(codes))

    def finish(self) -> Iterator[Feature]:
        """Yield the frames that are left, when the contig has ended."""
        yield from map(self._feature, self._stream.finish())

    def _feature(self, called: Called) -> Feature:
        gene, first = called.gene, self._start
        place = (first + gene.start, first + gene.end)
        return Feature(self._contig, *place, CODING, gene.strand, "longest_orf", None, 0)


def _log_odds(probabilities: Probabilities) -> Evidence:
    clipped = np.clip(probabilities, _SURE, 1 - _SURE)
    return np.log(clipped / (1 - clipped))
