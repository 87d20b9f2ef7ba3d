import math
import re

from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.interpretability.run_records import Example, PatchLengths
from hyena_glt.interpretability.sequence_view import (
    MAX_BARS,
    MAX_BASES,
    patch_length_figure,
    view_sequence,
)

CELL = re.compile(r'<i class="([^"]*)"(?: style="--h:([^"]*)")?(?: data-n="(\d+)")?>(.)</i>')
PATCH = re.compile(r'data-patch="(\d*)" data-start="(\d+)" data-size="(\d+)">(.*?)</span>')


def example(sequence, starts=(), attribution=()):
    return Example(id="x", sequence=sequence, patch_starts=starts, attribution=attribution)


@given(
    st.lists(
        st.tuples(st.sampled_from("ACGTN"), st.booleans(), st.floats(-5, 5)),
        min_size=1,
        max_size=60,
    )
)
def test_bases_patches_and_attributions_can_be_read_back(rows):
    sequence = "".join(letter for letter, _, _ in rows)
    starts = [p for p, (_, starts_here, _) in enumerate(rows) if starts_here or p == 0]
    attribution = [value for _, _, value in rows]
    view = view_sequence(example(sequence, starts, attribution))
    patches = PATCH.findall(view.bases)
    assert [int(number) for number, *_ in patches] == list(range(1, len(starts) + 1))
    assert [int(start) for _, start, _, _ in patches] == starts
    for (_, start, size, content), stop in zip(patches, [*starts[1:], len(rows)], strict=True):
        assert int(size) == stop - int(start) == len(CELL.findall(content))
    cells = CELL.findall(view.bases)
    assert "".join(letter for *_, letter in cells) == sequence
    assert [int(n) for _, _, n, _ in cells if n] == list(range(0, len(rows), 10))
    greatest = max(abs(value) for value in attribution)
    for (css, height, _, _), value in zip(cells, attribution, strict=True):
        drawn = float(height or 0) * (-1 if "n" in css.split() else 1)
        assert abs(drawn * greatest - value) <= 0.00051 * greatest
    assert view.remarks == []


def test_wrong_starts_are_a_remark():
    view = view_sequence(example("ACGT", [0, 9]))
    assert "patch start 9 is past the end" in view.remarks[0]
    assert "patches" not in view.summary
    assert 'data-patch=""' in view.bases


def test_attributions_of_another_length_are_a_remark():
    view = view_sequence(example("ACGT", [0], [1.0]))
    assert view.remarks == ["Attributions are not drawn: 1 values for 4 bases."]
    assert 'class="bases flat"' in view.bases


def test_undefined_attributions_leave_a_gap():
    view = view_sequence(example("ACG", [0], [1.0, math.nan, math.inf]))
    assert [css for css, *_ in CELL.findall(view.bases)] == ["A", "C x", "G x"]


def test_a_long_sequence_is_shown_around_its_strongest_base():
    attribution = [0.0] * 5000
    attribution[3000] = -2.0
    view = view_sequence(example("A" * 5000, list(range(0, 5000, 7)), attribution))
    cells = CELL.findall(view.bases)
    assert len(cells) == MAX_BASES
    assert cells[240][:2] == ("A n", "1.000")
    assert view.remarks[0].startswith("Positions 2,760 to 3,239 of 5,000 are shown")
    first = PATCH.findall(view.bases)[0]
    assert first[:3] == ("395", "2760", "7")  # patch 395 covers 2758 to 2764
    plain = view_sequence(example("A" * 5000))
    assert plain.remarks == ["The first 480 of 5,000 positions are shown."]


def test_letters_are_escaped_and_an_empty_sequence_is_said():
    view = view_sequence(example('<"&', [0]))
    assert "&lt;" in view.bases
    assert 'class="other"' in view.bases
    assert view_sequence(example("")).remarks == ["The sequence is empty."]


@given(st.dictionaries(st.integers(1, 5000), st.integers(1, 100), min_size=1))
def test_no_patch_is_lost_in_the_histogram(counts):
    figure = patch_length_figure(PatchLengths(counts=counts))
    assert figure is not None
    tips = re.findall(r'data-tip="([^"]*)"', figure.svg)
    assert len(tips) <= MAX_BARS
    total = 0
    for tip in tips:
        ((span, patches),) = re.findall(r"^(.*) nucleotides: ([\d,]+) patches .*$", tip)
        low, _, high = span.partition(" to ")
        inside = range(int(low), int(high or low) + 1)
        assert int(patches.replace(",", "")) == sum(counts.get(length, 0) for length in inside)
        total += int(patches.replace(",", ""))
    assert total == sum(counts.values())
    mean = sum(length * size for length, size in counts.items()) / total
    assert f"mean {mean:.1f}, shortest {min(counts)}, longest {max(counts)}" in figure.caption


def test_no_patches_give_no_histogram():
    assert patch_length_figure(PatchLengths()) is None
    assert patch_length_figure(PatchLengths(counts={3: 0})) is None
