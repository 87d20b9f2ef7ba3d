import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.trimming import adapter_stop, mean_phred, quality_stop

QUALITIES = st.binary(min_size=1, max_size=40).map(lambda q: bytes(score % 94 for score in q))


@given(QUALITIES)
def test_the_mean_is_that_of_the_errors(qualities):
    error = sum(10 ** (-score / 10) for score in qualities) / len(qualities)
    assert mean_phred(qualities) == pytest.approx(-10 * math.log10(error), abs=1e-9)
    assert mean_phred(qualities) <= sum(qualities) / len(qualities) + 1e-9


def test_one_bad_base_in_ten_weighs_more_than_nine_good_ones():
    assert mean_phred(bytes([40] * 9 + [0])) == pytest.approx(10, abs=0.01)
    assert mean_phred(bytes([17] * 5)) == pytest.approx(17)


@given(QUALITIES, st.integers(0, 60))
def test_quality_is_trimmed_as_bwa_does(qualities, threshold):
    """The loop of the paper, from the last letter to the first."""
    best, total, stop = 0, 0, len(qualities)
    for place in range(len(qualities) - 1, -1, -1):
        total += threshold - qualities[place]
        if total < 0:
            break
        if total > best:
            best, stop = total, place
    assert quality_stop(qualities, threshold) == stop


def test_a_good_base_in_a_bad_end_does_not_save_it():
    assert quality_stop(bytes([40, 40, 40, 5, 12, 5]), 10) == 3
    assert quality_stop(bytes([2, 2, 40]), 10) == 3
    assert quality_stop(bytes([2, 2, 2]), 10) == 0
    assert quality_stop(b"", 10) == 0


def stop_by_hand(read, adapter, rate, overlap):
    for place in range(len(read)):
        pairs = list(zip(read[place:], adapter, strict=False))
        wrong = sum(a != b and b != "N" for a, b in pairs)
        if len(pairs) >= min(overlap, len(adapter)) and wrong <= rate * len(pairs) + 1e-9:
            return place
    return len(read)


@given(
    st.text("ACGT", max_size=30),
    st.text("ACGTN", min_size=1, max_size=12),
    st.sampled_from([0, 0.1, 0.3]),
    st.integers(1, 6),
)
def test_the_adapter_is_where_a_loop_finds_it(read, adapter, rate, overlap):
    found = adapter_stop(read, adapter, max_error_rate=rate, min_overlap=overlap)
    expected = stop_by_hand(read, adapter, rate, overlap)
    assert found == (expected if len(read) >= overlap else len(read))


@pytest.mark.parametrize(
    ("read", "stop"),
    [
        ("TTTTTAGATCGGAAGAGCACAC", 5),  # whole, with letters behind it
        ("TTTTTAGATCGGATGAGCACAC", 5),  # one mismatch in 13
        ("TTTTTAGTTCGGATGAGCACAC", 22),  # two are too many
        ("TTTTTagatcggaa", 5),  # over the end, lower case
        ("TTTTTAGA", 5),  # three letters are enough
        ("TTTTTTAG", 8),  # two are not
        ("AGATCGGAAGAGC", 0),  # nothing but adapter
        ("", 0),
    ],
)
def test_a_3_prime_adapter_is_cut_with_all_behind_it(read, stop):
    assert adapter_stop(read, "AGATCGGAAGAGC") == stop
