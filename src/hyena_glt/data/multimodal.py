"""Genes as DNA, RNA and protein at once: joint examples in which one molecule explains another.

annotated genome -> coding sequences -> DNA, mRNA, protein -> one sequence of tokens per gene
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hyena_glt.biology.codons import START_CODONS, translate
from hyena_glt.biology.intervals import Feature
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.config import MODALITIES
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers.genomic import GenomicTokenizer

Fetch = Callable[[str, int, int], str]
"""Letters of a contig from a first base, 0-based, to behind a last: ``IndexedFasta.fetch``."""

# Read as methionine where translation starts; those of bacteria are in table 11 of NCBI.
_STARTS = frozenset({*START_CODONS, "GTG"})
_BACTERIAL_STARTS = _STARTS | {"ATA", "ATC", "ATT"}


@dataclass(frozen=True, slots=True)
class GeneSequences:
    """One gene in its three molecules.

    Attributes:
        id: Name of the coding sequence.
        dna: From the first coding base to the last, introns included, 5' to 3' on the gene's
            strand.
        rna: The coding part of the mRNA, from the first whole codon on, stop codon included.
        protein: Its translation, N- to C-terminal, without the stop.  A stop within, where
            selenocysteine is read, is ``*``.
    """

    id: str
    dna: str
    rna: str
    protein: str

    def first_codons(self, count: int) -> "GeneSequences":
        """The beginning of the gene, cut behind the same codon in all three.

        Args:
            count: Codons; a gene with fewer stays as it is.  In a spliced gene the DNA, which has
                introns too, ends before that codon.
        """
        bases = 3 * count
        return replace(
            self, dna=self.dna[:bases], rna=self.rna[:bases], protein=self.protein[:count]
        )


def gene_sequences(fetch: Fetch, features: Iterable[Feature]) -> Iterator[GeneSequences]:
    """Read the genes of an annotated genome as DNA, mRNA and protein.

    The parts of a coding sequence (exons) are those ``CDS`` features that share their ``ID`` (GFF3)
    or ``transcript_id`` (GTF); without either, their ``Parent``.  Pseudogenes are left out,
    and so are transcripts that code for what an earlier one at the same place does.

    Args:
        fetch: Gives the letters of the genome: ``IndexedFasta(path).fetch``.
        features: Its annotation: ``iter_gff(path)``.

    Yields:
        One coding sequence after another, in the order in which they begin in the annotation.
        Translation is by the standard code; a start codon is read as methionine where the
        annotation says that the gene begins there.

    Raises:
        DataError: If the parts of a coding sequence lie on two contigs or strands, or it has no
            whole codon.
    """
    parts: dict[str, list[Feature]] = {}
    for number, feature in enumerate(features):
        attributes = feature.attributes
        if feature.kind != "CDS" or attributes.get("pseudo") == "true":
            continue
        name = attributes.get("ID") or attributes.get("transcript_id")
        # A part may belong to several transcripts.
        names = [name] if name else attributes.get("Parent", f"CDS_{number + 1}").split(",")
        for name in names:
            parts.setdefault(name, []).append(feature)
    seen = set()
    for name, exons in parts.items():
        place = tuple((exon.contig, exon.start, exon.end, exon.strand) for exon in exons)
        if place not in seen:
            seen.add(place)
            yield _gene(fetch, name, exons)


def _gene(fetch: Fetch, name: str, exons: list[Feature]) -> GeneSequences:
    places = {(exon.contig, exon.strand) for exon in exons}
    if len(places) > 1:
        raise DataError(
            f"{name}: the parts of a coding sequence lie on different contigs or strands: "
            + ", ".join(sorted(f"{contig} ({strand})" for contig, strand in places))
        )
    ((contig, strand),) = places
    backward = strand == "-"
    exons = sorted(exons, key=lambda exon: exon.start, reverse=backward)
    first, last = min(exon.start for exon in exons), max(exon.end for exon in exons)

    def read(start: int, end: int) -> str:
        letters = fetch(contig, start, end).upper()
        return reverse_complement(letters) if backward else letters

    phase = exons[0].phase or 0
    coding = "".join(read(exon.start, exon.end) for exon in exons)[phase:]
    coding = coding[: len(coding) // 3 * 3]
    if not coding:
        raise DataError(f"{name}: the coding sequence has no whole codon")
    protein = translate(coding)
    bacterial = exons[0].attributes.get("transl_table") == "11"
    # With a phase the annotated part begins behind the start of the gene.
    if coding[:3] in (_BACTERIAL_STARTS if bacterial else _STARTS) and phase == 0:
        protein = "M" + protein[1:]
    return GeneSequences(
        name, read(first, last)[phase:], coding.replace("T", "U"), protein.removesuffix("*")
    )


class JointExamples(Dataset[dict[str, Any]]):
    """Genes, each as one sequence of tokens: DNA ``[SEP]`` RNA ``[SEP]`` protein.

    Args:
        genes: See :func:`gene_sequences`.
        tokenizer: Tokenizer of the joint vocabulary.
        molecules: Which molecules an example holds.
        max_length: Most tokens of an example: longer genes are cut behind a codon, the same in all
            molecules, with a warning.  None keeps all.

    Raises:
        ConfigError: If there is no such molecule, or ``max_length`` leaves no codon.
        DataError: If there is no gene.

    Example:
        >>> gene = GeneSequences("g", "ATGAAATAA", "AUGAAAUAA", "MK")
        >>> examples = JointExamples([gene], GenomicTokenizer(), ("dna", "protein"))
        >>> examples.tokenizer.decode(examples[0]["input_ids"])
        'ATGAAATAA[SEP]MK'
    """

    def __init__(
        self,
        genes: Iterable[GeneSequences],
        tokenizer: GenomicTokenizer,
        molecules: Sequence[str] = MODALITIES,
        max_length: int | None = None,
    ) -> None:
        unknown = [name for name in molecules if name not in MODALITIES]
        if unknown or not molecules:
            wrong = repr(unknown[0]) if unknown else "none"
            raise ConfigError(f"molecules must be some of {', '.join(MODALITIES)}, got {wrong}")
        self.tokenizer = tokenizer
        self.molecules = tuple(name for name in MODALITIES if name in molecules)
        self.genes = [gene for gene in genes if all(getattr(gene, m) for m in self.molecules)]
        if not self.genes:
            raise DataError("there is no gene to make a joint example of")
        if max_length is not None:
            self._cut(max_length)

    def __len__(self) -> int:
        """Number of genes."""
        return len(self.genes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One gene: ``input_ids`` (l,) and ``modality_ids`` (l,)."""
        encoding = self.tokenizer.encode_joint(self._parts(self.genes[index]))
        return {name: torch.tensor(encoding[name]) for name in ("input_ids", "modality_ids")}

    @property
    def ids(self) -> list[str]:
        """Name of each gene."""
        return [gene.id for gene in self.genes]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example."""
        return np.array([self._length(gene) for gene in self.genes], dtype=np.int64)

    def _parts(self, gene: GeneSequences) -> dict[str, str]:
        return {name: getattr(gene, name) for name in self.molecules}

    def _length(self, gene: GeneSequences) -> int:
        return sum(map(len, self._parts(gene).values())) + len(self.molecules) - 1

    def _cut(self, max_length: int) -> None:
        per_codon = sum(1 if name == "protein" else 3 for name in self.molecules)
        codons = (max_length - len(self.molecules) + 1) // per_codon
        if codons < 1:
            raise ConfigError(
                f"max_length={max_length} tokens leaves no codon of {', '.join(self.molecules)}; "
                f"give at least {per_codon + len(self.molecules) - 1}"
            )
        longer = [self._length(gene) > max_length for gene in self.genes]
        if any(longer):
            warnings.warn(
                f"{sum(longer)} of {len(longer)} genes are longer than max_length={max_length} "
                f"tokens and were cut behind codon {codons}",
                stacklevel=3,
            )
        self.genes = [
            gene.first_codons(codons) if cut else gene
            for gene, cut in zip(self.genes, longer, strict=True)
        ]
