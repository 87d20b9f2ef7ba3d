from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.tasks.strands import other_strand_classes


def test_classes_of_one_strand_change_places():
    names = ["other", "CDS+", "CDS-", "tRNA-", "tRNA+", "GC"]
    assert other_strand_classes(names) == [0, 2, 1, 4, 3, 5]


def test_a_class_without_counterpart_stays():
    assert other_strand_classes(["CDS+", "CDS", "+", ""]) == [0, 1, 2, 3]


@given(st.lists(st.text("ab+-", max_size=3), unique=True, max_size=8))
def test_twice_is_nothing(names):
    twins = other_strand_classes(names)
    assert [twins[twin] for twin in twins] == list(range(len(names)))
