import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hyena_glt.errors import DataError
from hyena_glt.interpretability.patch_view import (
    POSITION_COLUMNS,
    guide_example,
    patch_bounds,
    position_table,
    render_patches,
    render_position_table,
)

GUIDE_SEQUENCE = "ATGGCGTTAGCCAAAGGTCCA"
GUIDE_STARTS = [0, 3, 6, 9, 15, 18]
GUIDE_TABLE = """
| Position | Token | Patch | Global Position | Position in Patch | Patch Length |
| 0 | A | ATG | 0.000 | 0.000 | 0.143 |
| 1 | T | ATG | 0.048 | 0.500 | 0.143 |
| 2 | G | ATG | 0.095 | 1.000 | 0.143 |
| 10 | C | GCCAAA | 0.476 | 0.200 | 0.286 |
"""


@st.composite
def cut_sequences(draw):
    sequence = draw(st.text("ACGTN", min_size=1, max_size=130))
    inner = draw(st.sets(st.integers(1, len(sequence)).filter(lambda p: p < len(sequence))))
    return sequence, [0, *sorted(inner)]


def printed(renderable, width=80, **console):
    out = io.StringIO()
    Console(file=out, width=width, **console).print(renderable)
    return out.getvalue()


def test_the_table_of_the_guide_is_reproduced_to_the_letter():
    rows = position_table(GUIDE_SEQUENCE, GUIDE_STARTS)
    lines = ["| " + " | ".join(POSITION_COLUMNS) + " |"]
    lines += ["| " + " | ".join(rows[position].cells()) + " |" for position in (0, 1, 2, 10)]
    assert lines == GUIDE_TABLE.strip().splitlines()
    assert len(rows) == 21


def test_the_printed_table_holds_the_rows_of_the_guide():
    out = printed(render_position_table(position_table(GUIDE_SEQUENCE, GUIDE_STARTS)), width=100)
    for line in GUIDE_TABLE.strip().splitlines()[1:]:
        cells = line.strip("| ").split(" | ")
        assert any(row.replace("│", " ").split() == cells for row in out.splitlines())


def test_a_patch_of_one_base_is_at_its_own_beginning():
    assert position_table("ACG", [0, 1]) == [
        (0, "A", "A", 0.0, 0.0, 1 / 3),
        (1, "C", "CG", 1 / 3, 0.0, 2 / 3),
        (2, "G", "CG", 2 / 3, 1.0, 2 / 3),
    ]


@given(cut_sequences())
def test_position_rows_agree_with_a_search_for_each_base(cut):
    sequence, starts = cut
    rows = position_table(sequence, starts)
    assert [row.token for row in rows] == list(sequence)
    for position, row in enumerate(rows):
        start = max(s for s in starts if s <= position)
        stop = min([s for s in starts if s > position], default=len(sequence))
        assert row.patch == sequence[start:stop]
        assert row.position == position == round(row.global_position * len(sequence))
        assert math.isclose(row.position_in_patch * max(stop - start - 1, 1) + start, position)
        assert math.isclose(row.patch_length * len(sequence), stop - start)


@pytest.mark.parametrize(
    ("sequence", "starts", "message"),
    [
        ("", [0], "sequence is empty"),
        ("ACGT", [], "no patch starts"),
        ("ACGT", [1, 2], "first patch must start at position 0, got 1"),
        ("ACGT", [0, 2, 2], "must increase, but 2 follows 2"),
        ("ACGT", [0, 3, 1], "must increase, but 1 follows 3"),
        ("ACGT", [0, 4], r"patch start 4 is past the end: .* 4 bases, so the last position is 3"),
        ("ACGT", [0, 1.5], "whole numbers"),
    ],
)
def test_starts_that_do_not_cut_the_sequence_are_refused(sequence, starts, message):
    for function in (patch_bounds, position_table, render_patches):
        with pytest.raises(DataError, match=message):
            function(sequence, starts)


def test_scores_must_match_the_bases():
    with pytest.raises(DataError, match="3 scores for 4 bases"):
        render_patches("ACGT", [0], scores=[1.0, 2.0, 3.0])


def test_patches_can_be_told_apart_without_colour():
    assert printed(render_patches(GUIDE_SEQUENCE, GUIDE_STARTS), width=90).splitlines() == [
        "    0         10        |",
        " 0  ATGGCGTTAGCCAAAGGTCCA",
        "    └1┘└2┘└3┘└─4──┘└5┘└6┘",
        "6 patches from 21 nucleotides; length mean 3.5, min 3, max 6 nt; compression ratio 3.50",
    ]


def test_an_ascii_terminal_gets_ascii():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    scores = [0.0] * 20 + [1.0]
    drawing = render_patches(GUIDE_SEQUENCE, GUIDE_STARTS, scores)
    Console(file=out, width=90).print(drawing)
    out.seek(0)
    lines = out.read().splitlines()
    assert lines[1] == "    " + "0" * 20 + "7"
    assert lines[3] == "    [1][2][3][_4__][5][6]"


def test_neighbouring_patches_differ_in_colour():
    out = printed(render_patches("AACC", [0, 2]), force_terminal=True, color_system="standard")
    assert "\x1b[36mAA\x1b[0m\x1b[1;35mCC\x1b[0m" in out


@given(cut_sequences(), st.integers(12, 70))
def test_wrapping_keeps_bases_brackets_and_positions_together(cut, width):
    sequence, starts = cut
    lines = printed(render_patches(sequence, starts, width=width), width=200).splitlines()
    gutter = len(str(len(sequence) - 1)) + 2
    blocks = [lines[i : i + 3] for i in range(0, len(lines) - 1, 3)]
    assert "".join(letters[gutter:] for _, letters, _ in blocks) == sequence
    brackets = "".join(under[gutter:] for _, _, under in blocks)
    assert [i for i, mark in enumerate(brackets) if mark in "└╵"] == starts
    position = 0
    for ruler, letters, _ in blocks:
        assert max(len(ruler), len(letters)) <= width
        assert letters[:gutter].split() == [str(position)]
        for column, digit in enumerate(ruler[gutter:]):
            if digit != " " and (column == 0 or ruler[gutter + column - 1] == " "):
                number = ruler[gutter + column :].split()[0]
                assert number in {str(position + column), "|"}
                assert (position + column) % 10 == 0
        position += len(letters) - gutter


def test_scores_become_bars_and_gaps():
    out = printed(render_patches("ACGT", [0], [-2.0, 0.0, math.nan, 2.0]), width=90)
    assert out.splitlines()[1] == "   ▁▅ █"
    assert out.splitlines()[-1] == "scores: ▁ = -2, █ = 2"
    nothing = printed(render_patches("AC", [0], [math.nan, math.nan]), width=90)
    assert "none is a finite number" in nothing


def test_a_limited_table_counts_what_it_hides():
    rows = position_table(GUIDE_SEQUENCE, GUIDE_STARTS)
    assert "16 more rows" in printed(render_position_table(rows, limit=5))
    assert render_position_table(rows, limit=5).row_count == 5
    assert "more row" not in printed(render_position_table(rows, limit=21))


def test_the_demonstration_shows_the_example_of_the_guide():
    out = printed(guide_example())
    assert GUIDE_SEQUENCE in out
    assert "0.286" in out
