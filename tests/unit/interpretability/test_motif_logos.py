import re
import struct

import numpy as np
import pytest

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import OutputError
from hyena_glt.interpretability.motif_logos import logo_figure, logo_svg, write_logo

MOTIF = Motif("TATA <box>", np.array([[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0.25] * 4, [0, 0, 0, 1.0]]))


def heights(svg):
    """Height of each letter in parts of the axis, by its column."""
    found = re.findall(r"translate\(([\d.]+) -?[\d.]+\) scale\(([\d.]+) ([\d.]+)\)", svg)
    columns = {}
    for left, _, tall in found:
        columns.setdefault(float(left), []).append(float(tall))
    return [columns[left] for left in sorted(columns)]


def test_letters_are_as_tall_as_their_information():
    first, second, fourth = heights(logo_svg(MOTIF))
    (whole,) = first
    assert fourth == [whole]
    # One bit shared by two letters; the third position tells nothing and shows nothing.
    assert second == pytest.approx([whole / 4] * 2)


def test_the_axis_may_be_shorter_and_the_motif_moved():
    twice = heights(logo_svg(MOTIF, most_bits=1.0))
    assert twice[0][0] == pytest.approx(2 * heights(logo_svg(MOTIF))[0][0], rel=1e-4)
    left = [float(x) for x in re.findall(r"translate\(([\d.]+)", logo_svg(MOTIF))]
    moved = [float(x) for x in re.findall(r"translate\(([\d.]+)", logo_svg(MOTIF, indent=3))]
    assert [b - a for a, b in zip(left, moved, strict=True)] == pytest.approx([66.0] * len(left))


def test_names_are_escaped_and_rna_has_no_t():
    svg = logo_svg(MOTIF, letters="ACGU")
    assert "TATA &lt;box&gt;" in svg
    assert "consensus ARNU" in svg


def test_png(tmp_path):
    write_logo(tmp_path / "logos" / "motif_1.png", MOTIF)
    data = (tmp_path / "logos" / "motif_1.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG")
    assert width > height > 100
    assert len(list((tmp_path / "logos").iterdir())) == 1
    axes = logo_figure(MOTIF).axes[0]
    assert axes.get_ylim() == (0.0, 2.0)
    # logomaker draws a glyph for every letter with a height, as ours does.
    drawn = sum(len(column) for column in heights(logo_svg(MOTIF)))
    visible = [patch for patch in axes.patches if patch.get_extents().height > 1]
    assert len(visible) == drawn


def test_a_folder_in_the_way_is_told(tmp_path):
    with pytest.raises(OutputError, match="this is a folder"):
        write_logo(tmp_path, MOTIF)
