import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.interpretability.svg_axes import Axis, Frame
from hyena_glt.interpretability.svg_plots import (
    MAX_DRAWN,
    Series,
    bars_markup,
    confusion_matrix,
    describe,
    plot,
    shorten,
    thin,
)

FRAME = Frame(Axis("step", 0.0, 10.0), Axis("loss", 0.0, 1.0))


def drawn_points(svg):
    """Read the points of the first path back into data units."""
    path = re.search(r'data-name="[^"]*" d="([^"]*)"', svg)
    assert path is not None
    pixels = re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path.group(1))
    across = FRAME.width - FRAME.left - FRAME.right
    up = FRAME.height - FRAME.top - FRAME.bottom
    return [
        (
            10 * (float(x) - FRAME.left) / across,
            1 - (float(y) - FRAME.top) / up,
        )
        for x, y in pixels
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_line_can_be_read_back_from_the_drawing(values):
    x = [10 * index / len(values) for index in range(len(values))]
    points = drawn_points(plot(FRAME, [Series("train", x, values)], "loss"))
    assert [p for p, _ in points] == pytest.approx(x, abs=1e-3)
    assert [v for _, v in points] == pytest.approx(values, abs=1e-3)


def test_a_gap_interrupts_the_line():
    svg = plot(FRAME, [Series("train", [0, 1, 2, 3, 4], [0.1, 0.2, math.nan, 0.4, 0.5])], "loss")
    assert len(re.findall(r"M\d", svg.split("data-name")[1])) == 2
    assert "nan" not in svg


def test_values_outside_the_axes_lie_on_the_edge():
    points = drawn_points(plot(FRAME, [Series("train", [0, 1, 2], [0.5, 7.0, -3.0])], "loss"))
    assert [v for _, v in points] == pytest.approx([0.5, 1.0, 0.0], abs=1e-3)


def test_many_dots_are_all_drawn():
    size = 1234
    x = [10 * index / size for index in range(size)]
    svg = plot(FRAME, [Series("test", x, [0.5] * size, style="dots")], "scatter")
    assert svg.count("h0") == size


@given(st.integers(0, 5000), st.integers(0, 2**32))
def test_thinning_keeps_ends_and_extremes(size, seed):
    values = [((seed + index * 2654435761) % 1000003) / 1000003 for index in range(size)]
    x, y = thin([float(index) for index in range(size)], values)
    assert len(x) <= 2 * MAX_DRAWN
    assert x == sorted(set(x))
    assert all(values[int(position)] == value for position, value in zip(x, y, strict=True))
    if size:
        assert (x[0], x[-1]) == (0, size - 1)
        assert (min(y), max(y)) == (min(values), max(values))


def test_thinning_keeps_long_gaps():
    size = 4000
    values = [math.nan if 1000 <= index < 2000 else 1.0 for index in range(size)]
    x, y = thin([float(index) for index in range(size)], values)
    assert any(math.isnan(value) for value in y)
    assert all(math.isnan(values[int(p)]) == math.isnan(v) for p, v in zip(x, y, strict=True))


def test_bars_stand_on_zero():
    bars = bars_markup(FRAME, [(0.0, 5.0, 0.25, "5 <patches>"), (5.0, 10.0, 1.0, "20")])
    heights = [float(height) for height in re.findall(r'height="([\d.]+)"', bars)]
    assert heights[1] == pytest.approx(4 * heights[0])
    assert heights[1] == pytest.approx(FRAME.height - FRAME.top - FRAME.bottom, abs=0.01)
    assert "5 &lt;patches&gt;" in bars


def test_the_confusion_matrix_shades_by_row():
    svg = confusion_matrix([[90, 10], [1, 3]], ["other", "promoter"])
    assert re.findall(r"--share:([\d.]+)", svg) == ["0.900", "0.100", "0.250", "0.750"]
    assert "true other, predicted promoter: 10 (10.0% of true other)" in svg
    assert "93 of 104 sequences lie on the diagonal" in svg
    assert re.findall(r'cell-share"[^>]*>([^<]*)<', svg) == ["90%", "10%", "25%", "75%"]


def test_a_class_without_sequences_leaves_an_empty_row():
    svg = confusion_matrix([[4, 0], [0, 0]], ["a", "b"])
    assert re.findall(r"--share:([\d.]+)", svg) == ["1.000", "0.000", "0.000", "0.000"]


def test_long_class_names_are_numbered_in_the_columns():
    labels = [f"a long name of species {index}" for index in range(9)]
    svg = confusion_matrix([[1] * 9 for _ in labels], labels)
    columns = re.findall(r'tick x"[^>]*>([^<]*)<', svg)
    rows = re.findall(r'tick y"[^>]*>([^<]*)<', svg)
    assert columns == [str(number) for number in range(1, 10)]
    assert rows[3] == "a long name of species 3 · 4"


def test_descriptions_say_where_a_line_goes():
    line = Series("validation", [50, 900, 950], [0.69, 0.31, math.nan])
    assert describe(line, "step") == "validation goes from 0.69 at step 50 to 0.31 at step 900"
    assert describe(Series("train", [1], [math.nan]), "step") == "train has no finite value"


@given(st.text(), st.integers(1, 30))
def test_shortening_never_exceeds_its_length(text, length):
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
