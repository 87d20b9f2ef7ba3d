import numpy as np
import pybigtools
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.inference.tracks import ProbabilityTracks, track_paths


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=5))
def test_tracks_hold_every_base_once(tmp_path_factory, blocks):
    path = tmp_path_factory.mktemp("tracks") / "g.bw"
    values = [one / 4 for block in blocks for one in block]
    with ProbabilityTracks({0: "other", 1: "CDS+"}) as tracks:
        at = 5
        for block in blocks:
            column = np.array(block, dtype=np.float32) / 4
            tracks.add("chr", at, np.stack([1 - column, column], axis=1))
            at += len(block)
        tracks.add("plasmid", 0, np.array([[0.5, 0.5]], dtype=np.float32))
        written = tracks.write(path, {"chr": 60, "plasmid": 1})
    assert [one.name for one in written] == ["g.other.bw", "g.CDS_plus.bw"]
    file = pybigtools.open(str(written[1]))
    found = np.full(60, np.nan)
    for start, end, value in file.records("chr"):
        assert np.isnan(found[start:end]).all()
        found[start:end] = value
    np.testing.assert_allclose(found[5 : 5 + len(values)], values, atol=1e-6)
    assert np.isnan(found[:5]).all()
    assert np.isnan(found[5 + len(values) :]).all()
    assert list(file.records("plasmid")) == [(0, 1, 0.5)]


def test_a_chosen_class_has_the_name_that_was_asked_for(tmp_path):
    path = tmp_path / "plus.bw"
    assert track_paths(path, ["CDS+"]) == [path]
    assert track_paths(path, ["a/b", "t-"]) == [
        tmp_path / "plus.a_b.bw", tmp_path / "plus.t_minus.bw"
    ]  # fmt: skip
