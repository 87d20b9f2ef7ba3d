import numpy as np
import pytest

from hyena_glt.errors import DataError
from hyena_glt.evaluation.token_baseline import (
    FLANK,
    WindowedKmerRegression,
    _features,
    windows_around,
)


def composed(rng, blocks=60, length=300):
    """Blocks poor and rich in GC in turn, and which block each base is in."""
    rich = np.repeat(np.arange(blocks) % 2, length)
    codes = np.where(
        rich == 1, rng.choice(4, len(rich), p=[0.1, 0.4, 0.4, 0.1]),
        rng.choice(4, len(rich), p=[0.4, 0.1, 0.1, 0.4]),
    )  # fmt: skip
    return codes.astype(np.uint8), rich


def test_windows_have_their_base_in_the_middle_and_nothing_behind_the_ends():
    codes = np.array([0, 1, 2, 3], dtype=np.uint8)
    windows = windows_around(codes, [0, 3])
    assert windows.shape == (2, 2 * FLANK + 1)
    assert windows[:, FLANK].tolist() == [0, 3]
    assert windows[0, :FLANK].tolist() == [4] * FLANK
    assert windows[0, FLANK : FLANK + 5].tolist() == [0, 1, 2, 3, 4]


def test_codons_are_counted_by_their_distance_modulo_three():
    codes = np.full(2 * FLANK + 1, 4, dtype=np.uint8)
    codes[FLANK + 3 : FLANK + 6] = [0, 3, 2]  # ATG, three bases behind the middle
    found = _features(codes[None])[0]
    atg = 0 * 16 + 3 * 4 + 2
    by_phase = found[64 + 256 :].reshape(3, 64)
    assert by_phase[:, atg].tolist() == pytest.approx([np.log(2), 0, 0])
    assert found[atg] == pytest.approx(np.log(2))
    assert np.count_nonzero(found) == 2


def test_regions_of_another_composition_are_found():
    rng = np.random.default_rng(0)
    codes, truth = composed(rng)
    parts = [rng.choice(half, 400, replace=False) for half in np.split(np.arange(len(codes)), 3)]
    windows = [windows_around(codes, part) for part in parts]
    model = WindowedKmerRegression().fit(windows[0], truth[parts[0]], (windows[1], truth[parts[1]]))
    chances = model.predict_proba(windows[2])
    assert chances.shape == (400, 2)
    assert (model.classes[chances.argmax(axis=1)] == truth[parts[2]]).mean() > 0.85
    assert model.predict_proba(windows[2][:0]).shape == (0, 2)


def test_one_class_is_refused():
    windows = windows_around(np.zeros(9, dtype=np.uint8), [1, 2])
    with pytest.raises(DataError, match="two classes"):
        WindowedKmerRegression().fit(windows, [1, 1], (windows, [1, 1]))
