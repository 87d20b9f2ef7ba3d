import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.interpretability.readable import (
    DASH,
    MINUS,
    TIMES,
    count,
    difference,
    duration,
    metric_name,
    number,
    score,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.81239, "0.812"),
        (-0.5, f"{MINUS}0.5"),
        (99.96, "100"),
        (1234567.0, "1,234,567"),
        (0.00025, f"2.5{TIMES}10⁻⁴"),
        (math.inf, "∞"),
        (-math.inf, f"{MINUS}∞"),
        (math.nan, DASH),
        (None, DASH),
    ],
)
def test_number(value, text):
    assert number(value) == text


@given(st.floats(-1e9, 1e9))
def test_number_keeps_three_digits(value):
    text = number(value).replace(MINUS, "-").replace(",", "").replace(f"{TIMES}10", "e")
    back = float(text.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    assert math.isclose(back, value, rel_tol=0.0051)


def test_scores_and_differences():
    assert score(0.8125) == "0.812"
    assert score(-0.02) == f"{MINUS}0.020"
    assert score(123456.7) == "123,457"
    assert score(None) == score(math.nan) == DASH
    assert difference(0.041) == "+0.041"
    assert difference(-0.041) == f"{MINUS}0.041"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.2, "4.2 s"),
        (59.97, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (200_000, "2 d 07 h"),
        (math.nan, DASH),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_counts():
    assert [count(n) for n in (None, 512, 12_150_016, 7_000_000_000)] == [
        DASH,
        "512",
        "12.15 M",
        "7.00 B",
    ]


def test_metric_names_are_those_of_the_field():
    assert [metric_name(key) for key in ("mcc", "f1_macro", "r2", "subset_accuracy")] == [
        "MCC",
        "F1 macro",
        "R²",
        "subset accuracy",
    ]
