import math

import numpy as np
import pytest

from hyena_glt.biology.motifs import Motif
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.interpretability import motif_database
from hyena_glt.interpretability.motif_database import match_database
from hyena_glt.interpretability.motif_quality import evaluate_motif_quality, recover_motifs

RANDOM = np.random.default_rng(0)
DATABASE = [
    Motif(f"known_{number}", RANDOM.dirichlet([0.4] * 4, size=8 + number % 5))
    for number in range(40)
]
NOISE = Motif("noise", np.full((9, 4), 0.25))


def test_recovered_and_missed_motifs_are_told_apart():
    wrong = Motif("wrong", RANDOM.dirichlet([0.4] * 4, size=10))
    found = [DATABASE[3].reverse_complement(), DATABASE[7], wrong]
    quality = evaluate_motif_quality(found, [DATABASE[3], DATABASE[5]], database=DATABASE)
    assert quality == {
        "discovered": 3.0, "known": 2.0, "recovered": 1.0, "recall": 0.5,
        "precision": pytest.approx(1 / 3), "f1": pytest.approx(0.4),
    }  # fmt: skip
    three, five = recover_motifs(found, [DATABASE[3], DATABASE[5]], database=DATABASE)
    assert three.found is found[0]
    assert three.q_value < 0.01
    assert (five.found, five.q_value) == (None, 1.0)


def test_the_right_motif_must_come_first():
    rival = Motif("rival", DATABASE[3].probabilities * 0.97 + 0.0075)
    collection = [*DATABASE, rival]
    assert evaluate_motif_quality([rival], [DATABASE[3]], database=collection)["recovered"] == 0


def test_nothing_discovered_recovers_nothing():
    quality = evaluate_motif_quality([], DATABASE[:2])
    assert quality["recall"] == quality["f1"] == 0
    assert math.isnan(quality["precision"])
    assert evaluate_motif_quality([NOISE], DATABASE)["recovered"] == 0


def test_faults():
    with pytest.raises(DataError, match="no known motif"):
        evaluate_motif_quality([NOISE], [])
    with pytest.raises(DataError, match="holds no motif 'noise'"):
        recover_motifs([NOISE], [NOISE], database=DATABASE)
    with pytest.raises(ConfigError, match="auto, tomtom or own"):
        match_database([NOISE], DATABASE, method="pearson")  # type: ignore[arg-type]


def test_without_memelite_the_own_comparison_serves(monkeypatch):
    monkeypatch.setattr(motif_database, "find_spec", lambda _: None)
    found = match_database([DATABASE[4]], DATABASE)
    assert found.method == "own"
    assert found.matches[0][0].target is DATABASE[4]
    with pytest.raises(ConfigError, match=r"hyena-glt\[motifs\]"):
        match_database([DATABASE[4]], DATABASE, method="tomtom")


@pytest.mark.slow  # numba compiles TOMTOM for a minute where nobody has used it before
def test_tomtom_and_the_own_comparison_agree():
    pytest.importorskip("memelite")
    queries = [
        Motif("a", np.concatenate([np.full((2, 4), 0.25), DATABASE[11].probabilities])),
        DATABASE[2].reverse_complement(),
        Motif("c", DATABASE[30].probabilities[1:]),
    ]
    own = match_database(queries, DATABASE, method="own", most=len(DATABASE))
    tomtom = match_database(queries, DATABASE, method="auto", most=len(DATABASE))
    assert (own.method, tomtom.method) == ("own", "tomtom")
    for first, second in zip(own.matches, tomtom.matches, strict=True):
        assert first[0].target is second[0].target
        assert first[0][3:] == second[0][3:]  # offset, overlap, strand
        assert max(first[0].q_value, second[0].q_value) < 0.01
        assert min(first[1].q_value, second[1].q_value) > 0.01
        by_name = {match.target.name: match.p_value for match in second}
        pairs = [(match.p_value, by_name[match.target.name]) for match in first]
        assert np.corrcoef(np.log10(np.array(pairs) + 1e-30).T)[0, 1] > 0.8
