import dataclasses
import re

import numpy as np
import pytest

from hyena_glt.biology.motifs import Motif
from hyena_glt.interpretability.motif_boundaries import boundary_motifs
from hyena_glt.interpretability.motif_database import match_database
from hyena_glt.interpretability.motif_discovery import DiscoveredMotif, MotifSite
from hyena_glt.interpretability.motif_report import (
    MotifSearch,
    render_motif_report,
    write_motif_report,
)

RANDOM = np.random.default_rng(0)
KNOWN = [
    Motif(f"MA{number:04d} <K{number}>", RANDOM.dirichlet([0.3] * 4, size=9))
    for number in range(40)
]
SEQUENCES = ["".join(RANDOM.choice(list("ACGT"), 200)) for _ in range(20)]


@pytest.fixture
def search():
    found = []
    for number, known in enumerate((KNOWN[4], KNOWN[9].reverse_complement()), start=1):
        sites = tuple(MotifSite(at, 10, 19, "+", 2.5 - at / 10) for at in range(20))
        counts = np.rint(known.probabilities * 20).astype(int)
        motif = Motif(f"motif_{number}", known.probabilities)
        found.append(DiscoveredMotif(motif, counts, sites, "for" if number == 1 else "against"))
    motifs = [one.motif for one in found]
    return MotifSearch(
        model="my <model>", output="class CTCF", ids=[f"chr{at}:0-200" for at in range(20)],
        sequences=SEQUENCES, motifs=found, most_q=0.05, facts={"Seed": "0"}, database="jaspar.meme",
        matches=match_database(motifs, KNOWN, method="own").matches,
        boundaries=boundary_motifs(SEQUENCES, [[0, 40, 90, 150]] * 20), remarks=["Mind & see."],
    )  # fmt: skip


def text_of(page):
    without = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", without).split())


def test_the_page_says_what_was_found(search):
    page = render_motif_report(search)
    text = text_of(page)
    assert "2 motifs at 40 sites; 2 of them look like a known one (q at most 0.05)" in text
    assert "motif_1 speaks for class CTCF" in text
    assert "motif_2 speaks against class CTCF" in text
    assert "below: MA0004 &lt;K4&gt;" in text
    assert "below: MA0009 &lt;K9&gt; , as its reverse complement" in text.replace("&gt;,", "&gt; ,")
    assert f"chr0:0-200 10-19 (+) {SEQUENCES[0][10:19]} 2.5" in text
    assert "around 60 patch starts; position 9 is the first base of the patch" in text
    assert "Mind &amp; see." in text
    # Two motifs, each over its match, and the patch starts.
    assert page.count('class="logo"') == 5


def test_a_name_cannot_break_the_page(search):
    assert "<model>" not in render_motif_report(search)
    assert "<K4>" not in render_motif_report(search)


def test_without_motifs_and_database_the_page_still_stands(search):
    empty = dataclasses.replace(search, motifs=[], matches=[], database="", boundaries=None)
    text = text_of(render_motif_report(empty))
    assert "0 motifs at 0 sites." in text
    assert "Patch boundaries" not in text


def test_a_match_beyond_the_limit_is_listed_and_not_drawn(search):
    page = render_motif_report(dataclasses.replace(search, most_q=0.0))
    assert page.count('class="logo"') == 3
    assert "MA0004" in page
    assert "0 of them look like a known one" in text_of(page)


def test_a_browser_shows_it_without_a_complaint(browser, search, tmp_path):
    path = tmp_path / "motifs.html"
    write_motif_report(path, search)
    dom, console = browser(path.as_uri())
    assert console == []
    assert dom.count("<svg") == 5
    assert not re.search(r"(src|href)=\"(?!#|data:)", dom)
