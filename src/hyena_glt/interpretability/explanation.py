"""One sequence explained: what a model says of it, base by base, as plain data.

``hyena_glt.inference.explaining`` fills an explanation in, ``explain_page`` and ``pictures`` draw
it.  Positions are 0-based and half-open on the strand of the file; what people read is 1-based.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyena_glt.biology.intervals import Feature
from hyena_glt.interpretability.attention_focus import Enrichment
from hyena_glt.interpretability.attention_profile import AttentionProfile
from hyena_glt.interpretability.attribution import Attribution
from hyena_glt.interpretability.compression import SequencePatches

Values = NDArray[np.float64]


class Column(NamedTuple):
    """One number per base.

    Attributes:
        name: Heading of the table.
        label: What people read.
        values: (l,) nan where there is none.
    """

    name: str
    label: str
    values: Values


@dataclass(frozen=True)
class Explanation:
    """What a model says of a sequence of l letters.

    Attributes:
        name: Of the sequence or region.
        contig: Name of the contig, as files of annotations write it.
        start: First base on the contig, 0-based.
        sequence: The letters, upper case.
        alphabet: Letters a base may become, in the order of the columns of all tables.
        task: ``classification``, ``multi_label``, ``regression``, ``token_classification``,
            ``causal_lm`` or ``masked_lm``.
        verdict: What was predicted and how sure, in a sentence.
        outputs: Names of the outputs and their values for the whole sequence.
        patches: Where the merger cuts.
        explained: What the attribution is about, in words; empty without one.
        method: How the attribution was made, in words; empty without one.
        attribution: Worth of every base; None if it was not asked for.
        classes: Probability of every class at every base.
        likelihood: Log-likelihood of every base and the entropy of its prediction, in bits.
        expected: (l, letters) probability of every letter at every base; None if not known.
        attention: Where the blocks look; None if it was not asked for.
        features: Annotation of the stretch.
        focus: Attention on kinds of features, by number of the block, then by kind.
        facts: Names and values worth knowing of model and method.
        remarks: What is not shown or not as it should be, one sentence each.
    """

    name: str
    contig: str
    start: int
    sequence: str
    alphabet: str
    task: str
    verdict: str
    outputs: Sequence[tuple[str, float]]
    patches: SequencePatches
    explained: str = ""
    method: str = ""
    attribution: Attribution | None = None
    classes: Sequence[Column] = ()
    likelihood: Sequence[Column] = ()
    expected: Values | None = None
    attention: AttentionProfile | None = None
    features: Sequence[Feature] = ()
    focus: dict[int, dict[str, Enrichment]] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    remarks: Sequence[str] = ()

    @property
    def place(self) -> str:
        """Contig and range as genome browsers write it: 1-based, last base included."""
        return f"{self.contig}:{self.start + 1:,}-{self.start + len(self.sequence):,}"

    @property
    def patch_numbers(self) -> NDArray[np.int64]:
        """(l,) number of each base's patch, from 1."""
        return np.repeat(np.arange(1, len(self.patches.lengths) + 1), self.patches.lengths)

    def columns(self) -> list[Column]:
        """All numbers per base, in the order of the table."""
        found = [Column("boundary_score", "score of a patch start", np.array(self.patches.scores))]
        if self.attribution is not None:
            scores = self.attribution.scores.double().cpu().numpy()
            found.append(Column("attribution", "attribution", scores))
            effects = self.attribution.effects.double().cpu().numpy()
            found += [
                Column(f"effect_{letter}", f"change if it becomes {letter}", effects[:, number])
                for number, letter in enumerate(self.alphabet)
            ]
        found += [*self.classes, *self.likelihood]
        if self.expected is not None:
            found += [
                Column(f"expected_{letter}", f"P({letter})", self.expected[:, number])
                for number, letter in enumerate(self.alphabet)
            ]
        if self.attention is not None:
            found += [
                Column(
                    f"attention_{block}",
                    f"block {block}, {one.kind}",
                    one.received * len(one.received),
                )
                for block, one in self.attention.blocks.items()
            ]
        return found


def table_rows(explanation: Explanation) -> Iterator[str]:
    """Yield letter, patch and all columns of each base, separated by tabs.

    Args:
        explanation: Of any task.
    """
    columns = [column.values.tolist() for column in explanation.columns()]
    rows = zip(explanation.sequence, explanation.patch_numbers.tolist(), *columns, strict=True)
    for letter, patch, *values in rows:
        yield "\t".join([letter, str(patch), *(f"{value:.5g}" for value in values)])


def table_text(explanation: Explanation) -> str:
    """Lay an explanation out as a table: contig, 1-based position, and what is known of each base.

    Args:
        explanation: Of any task.
    """
    names = [column.name for column in explanation.columns()]
    lines = ["\t".join(["contig", "position", "base", "patch", *names])]
    contig = explanation.contig
    for position, row in enumerate(table_rows(explanation), start=explanation.start + 1):
        lines.append(f"{contig}\t{position}\t{row}")
    return "\n".join(lines) + "\n"
