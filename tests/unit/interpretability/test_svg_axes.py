import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from hyena_glt.interpretability.readable import MINUS, TIMES
from hyena_glt.interpretability.svg_axes import Axis, Frame, axis_over

finite = st.floats(-1e12, 1e12, allow_subnormal=False)


@given(st.lists(finite | st.just(math.nan), min_size=1))
def test_an_axis_holds_its_values_and_three_to_seven_ticks(values):
    axis = axis_over("loss", values)
    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in values if not math.isnan(value))
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7
    slack = 1e-6 * (axis.high - axis.low)
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)
    assert len({axis.tick_label(tick) for tick in ticks}) == len(ticks)


def test_ticks_are_round_and_written_short():
    assert Axis("rate", 0.0, 1.0).ticks() == [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    rate = Axis("rate", 0.0, 1.0)
    assert [rate.tick_label(tick) for tick in rate.ticks()] == [
        "0", "0.2", "0.4", "0.6", "0.8", "1.0",
    ]  # fmt: skip
    steps = Axis("step", 0.0, 30_000.0)
    assert [steps.tick_label(tick) for tick in steps.ticks()][:3] == ["0", "10k", "20k"]
    assert Axis("x", -5.0, 5.0).tick_label(-2.0) == f"{MINUS}2"


def test_small_values_share_one_power_of_ten_in_the_title():
    axis = Axis("learning rate", 0.0, 3.1e-4)
    assert axis.title == f"learning rate ({TIMES}10⁻⁴)"
    assert [axis.tick_label(tick) for tick in axis.ticks()] == ["0", "1", "2", "3"]


def test_noise_in_a_constant_is_not_blown_up():
    axis = axis_over("loss", [0.693147, 0.6931471])
    assert axis.low < 0.4
    assert axis.high > 1.0
    assert axis_over("loss", []) == Axis("loss", 0.0, 1.0)
    assert axis_over("patches", [3.0, 8.0], from_zero=True).low == 0.0


@given(finite)
def test_the_frame_puts_edges_on_edges(value):
    frame = Frame(Axis("x", value, value + 1e6), Axis("y", 0.0, 2.0))
    assert frame.at_x(value) == frame.left
    assert math.isclose(frame.at_x(frame.x.high), frame.width - frame.right)
    assert frame.at_y(2.0) == frame.top
    assert frame.at_y(0.0) == frame.height - frame.bottom


def test_titles_are_escaped():
    svg = Frame(Axis("<b>x</b>", 0.0, 1.0), Axis('"y"', 0.0, 1.0)).svg(Markup(""), "<i>")
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert "&lt;b&gt;x&lt;/b&gt;" in svg


def test_ticks_are_not_rounded_away():
    for axis in (Axis("", 1.9, 3.0), Axis("", 0.0, 0.011), Axis("", 0.0, 12.0)):
        unit = 10.0**axis.exponent
        written = [float(axis.tick_label(tick)) * unit for tick in axis.ticks()]
        assert written == pytest.approx(axis.ticks())
    assert Axis("", 1.9, 3.0).tick_label(2.25) == "2.25"
