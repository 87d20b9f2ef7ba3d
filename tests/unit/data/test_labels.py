import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.labels import class_name, class_names, class_numbers, values, zeros_and_ones
from hyena_glt.errors import DataError


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 2, 10], ["2", "9", "10"]),
        (["10", "9", "2"], ["2", "9", "10"]),
        ([1, -1, 0], ["-1", "0", "1"]),
        (["b", "a", "B"], ["B", "a", "b"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        ([1.0, "1", 1, np.float32(1), np.int64(1)], ["1"]),
        ([0.5, 2.0], ["0.5", "2"]),
        ([" yes", "yes "], ["yes"]),
        (["1", "01", "001"], ["001", "01", "1"]),
        (["²", "1"], ["1", "²"]),
        ([True, False], ["False", "True"]),
    ],
)
def test_whole_numbers_are_sorted_as_numbers_and_the_rest_as_text(labels, names):
    assert class_names(labels) == names
    assert class_names(labels[::-1]) == names


@given(st.lists(st.integers(-1000, 1000) | st.text(max_size=3) | st.floats(-9, 9), min_size=1))
def test_numbers_lead_back_to_names(labels):
    names = class_names(labels)
    numbers = class_numbers(labels, names, [str(i) for i in range(len(labels))])
    assert [names[number] for number in numbers] == [class_name(label) for label in labels]
    assert set(numbers) == set(range(len(names)))


def test_an_unknown_class_is_named_with_its_sequence_and_the_classes():
    with pytest.raises(DataError) as caught:
        class_numbers(["a", "c", "z", "c"], ["a", "b"], ["s1", "s2", "s3", "s4"])
    assert str(caught.value) == (
        "label 'c', 'z' (first: s2) is not among the labels that training saw: 'a', 'b'"
    )


def test_values_are_numbers():
    assert values([1, "2.5", np.float64(-3)], ["a", "b", "c"]).tolist() == [1.0, 2.5, -3.0]
    assert values([[1, 2], (3, 4)], ["a", "b"]).tolist() == [[1, 2], [3, 4]]
    assert values([1], ["a"]).dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "high"], "^b: label 'high' is not a number$"),
        ([1, float("nan")], "^b: label nan is not a finite number$"),
        ([1, "inf"], "^b: label 'inf' is not a finite number$"),
        ([[1, 2], [1, 2, 3]], "^b: 3 labels, where a has 2; all need the same$"),
        ([1, [1, 2]], "^b: 2 labels, where a has 1"),
        ([1, [[1], [2, 3]]], "^b: label .* is not a number$"),
    ],
)
def test_what_is_no_value_is_refused_by_name(labels, message):
    with pytest.raises(DataError, match=message):
        values(labels, ["a", "b"])


def test_multi_label_rows_are_zeros_and_ones():
    assert zeros_and_ones([[0, 1], ("1", "0")], ["a", "b"]).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1], [0, 2]], r"^b: multi-label needs 0 or 1 each, got \[0, 2\]$"),
        ([1, 0], "^a: multi-label needs a list of 0 and 1 per sequence, got 1$"),
        ([[0, 1], [1]], "^b: 1 labels, where a has 2"),
    ],
)
def test_other_multi_label_rows_are_refused_by_name(labels, message):
    with pytest.raises(DataError, match=message):
        zeros_and_ones(labels, ["a", "b"])
