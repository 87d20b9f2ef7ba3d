import pytest

from hyena_glt.biology.codons import STOP_CODONS
from hyena_glt.biology.genetic_codes import genetic_code
from hyena_glt.errors import ConfigError


def test_codes_have_the_stops_and_starts_of_their_tables():
    assert set(genetic_code(1).stops) == set(STOP_CODONS)
    assert genetic_code(1).starts == ("ATG",)
    assert genetic_code(2).stops == ("AGA", "AGG", "TAA", "TAG")
    assert "TGA" not in genetic_code(4).stops
    assert genetic_code(4).starts == genetic_code(11).starts == ("ATG", "GTG", "TTG")
    assert genetic_code(11).bacterial
    assert not genetic_code(12).bacterial


def test_a_code_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"no genetic code 99; NCBI's are 1, 2, 3"):
        genetic_code(99)
