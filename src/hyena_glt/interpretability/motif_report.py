"""The page of a motif search: a logo for each motif, its best match below it, its sites.

One HTML file that needs nothing but a browser, in the style of the training report.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from hyena_glt.biology.motif_comparison import MotifMatch
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.interpretability import readable
from hyena_glt.interpretability.motif_boundaries import BoundaryMotifs
from hyena_glt.interpretability.motif_discovery import DiscoveredMotif, MotifSite
from hyena_glt.interpretability.motif_logos import logo_svg
from hyena_glt.interpretability.page_templates import page_templates
from hyena_glt.io.atomic import atomic_write

_SHOWN_MATCHES = 5
_SHOWN_SITES = 8
_SHOWN_KMERS = 20


class MotifCard(NamedTuple):
    """One motif, ready for the page.

    Attributes:
        name: What it is called.
        consensus: In IUPAC letters.
        evidence: For or against which output it speaks, in words.
        sites: How many places it was found at.
        sequences: How many sequences these lie in.
        logo: The motif.
        match_logo: The best known motif, laid under it; None if it matches none.
        matches: Known motifs, best first.
        examples: Most telling sites: name, place, letters, attribution.
    """

    name: str
    consensus: str
    evidence: str
    sites: int
    sequences: int
    logo: Markup
    match_logo: Markup | None
    matches: list[MotifMatch]
    examples: list[tuple[str, str, str, float]]


@dataclass(frozen=True)
class MotifSearch:
    """All that a search found, as the page shows it.

    Attributes:
        model: What to call the model.
        output: What to call the output that was explained; empty where none was.
        ids: Names of the sequences.
        sequences: Their letters.
        motifs: Discovered motifs.
        matches: Known motifs for each of them.
        most_q: Greatest q-value of a match that counts.
        facts: How the search was done, for the end of the page.
        letters: ``ACGT``, or ``ACGU`` for RNA.
        database: What to call the known motifs; empty where there are none.
        boundaries: What stands at patch starts; None where nobody asked.
        remarks: What the reader should know first.
    """

    model: str
    output: str
    ids: Sequence[str]
    sequences: Sequence[str]
    motifs: Sequence[DiscoveredMotif]
    matches: Sequence[Sequence[MotifMatch]]
    most_q: float
    facts: Mapping[str, str]
    letters: str = "ACGT"
    database: str = ""
    boundaries: BoundaryMotifs | None = None
    remarks: Sequence[str] = field(default_factory=list)

    def letters_of(self, site: MotifSite) -> str:
        """Letters at a site, as the motif reads them: those of the other strand where it is -.

        Args:
            site: Of one of the motifs.
        """
        letters = self.sequences[site.sequence][site.start : site.end]
        return reverse_complement(letters) if site.strand == "-" else letters


def write_motif_report(path: str | Path, search: MotifSearch) -> None:
    """Write the page.

    Args:
        path: Where to.
        search: What was found.

    Raises:
        OutputError: If the file cannot be written there.
    """
    content = render_motif_report(search).encode("utf-8", errors="replace")
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content)


def render_motif_report(search: MotifSearch) -> str:
    """Put a search on a page.

    Args:
        search: What was found.

    Returns:
        A whole HTML document.
    """
    environment = page_templates()
    environment.filters["number"] = readable.number
    style = resources.files("hyena_glt.interpretability") / "templates" / "report.css"
    boundaries = search.boundaries
    return environment.get_template("motifs.html.j2").render(
        search=search,
        cards=[
            _card(search, one, list(matches))
            for one, matches in zip(search.motifs, search.matches, strict=True)
        ],
        named=sum(bool(rows) and rows[0].q_value <= search.most_q for rows in search.matches),
        sites=sum(len(one.sites) for one in search.motifs),
        boundaries=boundaries,
        boundary_logo=None if boundaries is None else _boundary_logo(boundaries, search.letters),
        kmers=[] if boundaries is None else boundaries.kmers[:_SHOWN_KMERS],
        style=Markup(style.read_text(encoding="utf-8")),
    )


def _boundary_logo(boundaries: BoundaryMotifs, letters: str) -> Markup:
    """The letters around patch starts on an axis that shows how little they tell."""
    tallest = float(boundaries.motif.information_content().max())
    return logo_svg(
        boundaries.motif, letters=letters, most_bits=max(math.ceil(5 * tallest) / 5, 0.2)
    )


def _card(search: MotifSearch, one: DiscoveredMotif, matches: list[MotifMatch]) -> MotifCard:
    best = matches[0] if matches and matches[0].q_value <= search.most_q else None
    indent = max(0, -best.offset) if best is not None else 0
    known = None
    if best is not None:
        target = best.target if best.strand == "+" else best.target.reverse_complement()
        known = logo_svg(target, letters=search.letters, indent=max(0, best.offset))
    return MotifCard(
        one.motif.name,
        one.motif.consensus().replace("T", search.letters[3]),
        f"{one.evidence} {search.output}".strip(),
        len(one.sites),
        len({site.sequence for site in one.sites}),
        logo_svg(one.motif, letters=search.letters, indent=indent),
        known,
        matches[:_SHOWN_MATCHES],
        [
            (
                search.ids[site.sequence],
                f"{site.start:,}-{site.end:,} ({site.strand})",
                search.letters_of(site),
                site.score,
            )
            for site in one.sites[:_SHOWN_SITES]
        ],
    )
