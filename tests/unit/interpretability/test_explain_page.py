"""What stands on the page of an explanation, whoever draws it."""

import json
import re

import numpy as np
import pytest
import torch

from hyena_glt.biology.intervals import Feature
from hyena_glt.errors import DataError, OutputError
from hyena_glt.interpretability.attention_focus import Enrichment
from hyena_glt.interpretability.attention_profile import AttentionProfile, BlockAttention
from hyena_glt.interpretability.attribution import Attribution
from hyena_glt.interpretability.compression import SequencePatches
from hyena_glt.interpretability.explain_page import (
    distance_figure,
    file_name,
    patches_bed,
    render_explanation,
    write_explanation,
)
from hyena_glt.interpretability.explanation import Column, Explanation, table_text
from hyena_glt.interpretability.pictures import (
    draw_attention_map,
    draw_distances,
    draw_logo,
    draw_variants,
    explanation_figure,
)
from hyena_glt.interpretability.svg_plots import shorten

SEQUENCE = "ACGTTAGG"


def attention(length=8, size=4):
    share = np.full(length, 1 / length)
    block = BlockAttention("MR", share, share, share, np.full((size, size), 1 / size))
    return AttentionProfile({1: block}, np.ones(length), {}, np.ones(3) / 3, length)


def explanation(**changes):
    effects = torch.zeros(8, 4)
    effects[3, 0], effects[5, 2] = -4.0, 1.0
    fields = {
        "name": "seq/1", "contig": "chr1", "start": 99, "sequence": SEQUENCE, "alphabet": "ACGT",
        "task": "classification", "verdict": "Predicted class: b.",
        "outputs": [("a", 0.25), ("b", 0.75)],
        "patches": SequencePatches([0, 3, 7], [3, 4, 1], [0.5] * 8, 8 / 3),
        "explained": "the logit of class b", "method": "in-silico mutagenesis",
        "attribution": Attribution(-effects.sum(dim=1) / 3, effects, 0.0),
    }  # fmt: skip
    return Explanation(**{**fields, **changes})


def part(page, name):
    found = re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_table_gives_one_based_positions_and_every_number():
    lines = [line.split("\t") for line in table_text(explanation()).splitlines()]
    assert lines[0] == [
        "contig", "position", "base", "patch", "boundary_score", "attribution",
        "effect_A", "effect_C", "effect_G", "effect_T",
    ]  # fmt: skip
    assert lines[4] == ["chr1", "103", "T", "2", "0.5", "1.3333", "-4", "0", "0", "0"]
    assert len(lines) == 9


def test_patches_are_zero_based_in_bed_and_scored_by_their_attribution():
    rows = [line.split("\t") for line in patches_bed(explanation()).splitlines()]
    assert rows == [
        ["chr1", "99", "102", "patch_1", "0", "."],
        ["chr1", "102", "106", "patch_2", "1000", "."],
        ["chr1", "106", "107", "patch_3", "0", "."],
    ]
    bare = patches_bed(explanation(attribution=None))
    assert [line.split("\t")[4] for line in bare.splitlines()] == ["0", "0", "0"]


def test_the_page_holds_the_table_and_nothing_from_elsewhere():
    page = render_explanation(explanation(attention=attention()), model_name="mine")
    assert part(page, "table") == "\n".join(
        "\t".join(line.split("\t")[2:])
        for line in table_text(explanation(attention=attention())).splitlines()[1:]
    )
    meta = json.loads(part(page, "meta"))
    assert [track["id"] for track in meta["tracks"]] == [
        "ruler", "attribution", "variants", "patches", "boundary", "attention", "arcs",
    ]  # fmt: skip
    assert (meta["start"], meta["length"], meta["file"]) == (99, 8, "seq_1")
    assert "chr1:100-107 (1-based), 8 bases in 3 patches" in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_the_strongest_bases_are_told_in_words():
    page = render_explanation(explanation())
    rows = re.findall(r'<tr><th scope="row">([\d,]+)</th>.*?</tr>', page)
    assert rows[:2] == ["103", "105"]
    assert "T → A: −4" in page  # noqa: RUF001 - as people write it
    assert "The greatest attribution lies on T at 103, A at 105" in page


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a&b\u2028\"'"]
)
def test_names_from_files_end_up_as_text(text):
    feature = Feature("chr1", 100, 104, text, "+", attributes={"gene": text})
    it = explanation(
        name=text, contig=text, verdict=text, outputs=[(text, 1.0)], features=[feature],
        remarks=[text], facts=[(text, text)], classes=[Column(f"p_{text}", text, np.ones(8))],
        attention=attention(), focus={1: {text: Enrichment(2.0, 2.0, 1.0, 4, 0.01)}},
    )  # fmt: skip
    page = render_explanation(it, model_name=text)
    assert page.count("<script") == 3
    assert "<img" not in page
    meta = json.loads(part(page, "meta"))
    assert meta["contig"] == text
    assert meta["features"][0]["name"] == shorten(f"{text} {text}", 60)


def test_overlapping_features_have_lanes_of_their_own_and_the_rest_is_counted():
    features = [Feature("chr1", 90, 200, "gene"), Feature("chr1", 100, 103, "CDS")]
    meta = json.loads(part(render_explanation(explanation(features=features)), "meta"))
    placed = [(one["start"], one["end"], one["lane"]) for one in meta["features"]]
    assert placed == [(0, 8, 0), (1, 4, 1)]
    many = [Feature("chr1", 100, 103, "CDS")] * 11
    assert "3 overlapping features are not drawn" in render_explanation(explanation(features=many))


def test_likelihoods_and_classes_have_tracks():
    tracks = [Column("log_likelihood_bits", "log", np.full(8, np.nan))]
    tracks.append(Column("entropy_bits", "entropy", np.ones(8)))
    it = explanation(likelihood=tracks, expected=np.full((8, 4), 0.25), attribution=None)
    meta = json.loads(part(render_explanation(it), "meta"))
    assert [track["id"] for track in meta["tracks"]] == [
        "ruler", "likelihood", "entropy", "expected", "patches", "boundary",
    ]  # fmt: skip
    assert "nan" in part(render_explanation(it), "table")


def test_the_page_appears_whole_or_not_at_all(tmp_path):
    path = write_explanation(explanation(), tmp_path / "pages" / "x.html")
    assert path.read_text(encoding="utf-8").endswith("</html>")
    with pytest.raises(OutputError, match="this is a folder"):
        write_explanation(explanation(), tmp_path / "pages")


@pytest.mark.parametrize(
    ("name", "file"), [("chr1:1-9", "chr1_1-9"), ("../x y", "x_y"), ("", "explain"), ("é/…", "é")]
)
def test_names_become_names_of_files(name, file):
    assert file_name(name) == file


def test_the_distance_profile_is_told_in_words_and_drawn():
    figure = distance_figure(attention(600))
    assert "block 1 looks 299 bases far with half of its attention" in figure.svg
    assert figure.svg.count("data-name=") == 1


def heights_of(axes):
    """Bottom and top of every letter drawn, by its place."""
    boxes = [patch.get_path().get_extents() for patch in axes.patches]
    return sorted((round(box.x0, 1), round(box.y0, 3), round(box.y1, 3)) for box in boxes)


def test_letters_of_a_logo_are_as_tall_as_their_values_and_stacked_by_size():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    draw_logo(axes, np.array([[2.0, 0.5, 0, 0], [0, -1.0, 0, 0]]), "ACGT", start=10)
    assert [(low, high) for _, low, high in heights_of(axes)] == [(0, 0.5), (0.5, 2.5), (-1, 0)]
    assert axes.get_xlim() == (10.5, 12.5)
    with pytest.raises(DataError, match="a logo of 4 letters needs as many columns"):
        draw_logo(axes, np.zeros((3, 5)), "ACGT")


def test_the_figure_has_a_panel_for_what_is_known():
    classes = [Column("p_a", "a", np.linspace(0, 1, 8))]
    features = [Feature("chr1", 90, 104, "gene", "+", attributes={"gene": "abc"})]
    it = explanation(features=features, classes=classes, attention=attention())
    figure = explanation_figure(it)
    assert len(figure.axes) == 6
    attribution = figure.axes[2]
    drawn = heights_of(attribution)
    # T at 103 is worth 4/3; the A at 105 is worth less than nothing.
    assert [(low, high) for _, low, high in drawn] == [(0, 1.333), (-0.333, 0)]
    assert [round(x - 0.04) for x, _, _ in drawn] == [102, 104]
    assert "abc" in figure.axes[0].texts[0].get_text()
    figure.draw_without_rendering()


def test_long_stretches_are_drawn_as_bars():
    effects = torch.zeros(400, 4)
    it = explanation(
        sequence="ACGT" * 100, patches=SequencePatches([0], [400], [0.0] * 400, 400.0),
        attribution=Attribution(torch.linspace(-1, 1, 400), effects, 0.0),
    )  # fmt: skip
    axes = explanation_figure(it).axes[0]
    assert len(axes.patches) == 400
    assert axes.patches[0].get_height() == -1.0


def test_pictures_of_their_own():
    from matplotlib.figure import Figure

    first, second, third = Figure().subplots(3)
    image = draw_variants(first, explanation())
    assert image.get_array()[0, 3] == -4.0
    assert image.get_clim() == (-4.0, 4.0)
    draw_attention_map(second, attention(), 1)
    assert second.get_title() == "block 1, MR"
    draw_distances(third, attention())
    assert third.lines[0].get_ydata()[-1] == pytest.approx(1.0)
    with pytest.raises(DataError, match="seq/1: there is no attribution to draw"):
        draw_variants(first, explanation(attribution=None))


def test_a_single_base_has_a_distance_too():
    figure = distance_figure(attention(1, 1))
    assert "block 1 looks 0 bases far" in str(figure.svg)


def test_odd_names_stand_in_the_picture_as_they_are(tmp_path):
    columns = [Column(f"p_{name}", name, np.full(8, 0.5)) for name in (r"$\frac$", "_a$")]
    it = explanation(classes=columns, verdict=r"$\foo$ at 8 bases", contig="$c$")
    figure = explanation_figure(it)
    figure.savefig(tmp_path / "x.png")
    labels = figure.axes[0].get_legend().get_texts()
    assert [one.get_text().strip() for one in labels] == [r"\$\frac\$", r"_a\$"]
