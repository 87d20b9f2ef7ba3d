import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.codons import GENETIC_CODE, START_CODONS, STOP_CODONS, translate
from hyena_glt.errors import AlphabetError

# Human insulin, mRNA NM_000207, from the start codon on.
INSULIN_CDS = (
    "ATGGCCCTGTGGATGCGCCTCCTGCCCCTGCTGGCGCTGCTGGCCCTCTGGGGACCTGACCCAGCCGCAGCC"
    "TTTGTGAACCAACACCTGTGCGGCTCACACCTGGTGGAAGCTCTCTACCTAGTGTGCGGGGAACGAGGC"
)
INSULIN = "MALWMRLLPLLALLALWGPDPAAAFVNQHLCGSHLVEALYLVCGERG"


def test_a_known_protein():
    assert translate(INSULIN_CDS) == INSULIN
    assert translate(INSULIN_CDS.lower().replace("t", "u")) == INSULIN


def test_start_and_stop_codons():
    assert set(STOP_CODONS) == {"TAA", "TAG", "TGA"}
    assert START_CODONS[0] == "ATG"
    assert len(GENETIC_CODE) == 64


@pytest.mark.parametrize(
    ("codons", "protein"),
    [
        ("", ""),
        ("AT", ""),
        ("ATGA", "M"),
        ("TAATGG", "*W"),
        ("GCN", "A"),
        ("TAR", "*"),
        ("NNN", "X"),
        ("MGR", "R"),
        ("AAN", "X"),
        ("RAY", "X"),
    ],
)
def test_edges_and_ambiguity(codons, protein):
    assert translate(codons) == protein


@given(st.text("ACGTUacgtuNRY", max_size=30), st.text("ACGT", max_size=30))
def test_translation_goes_codon_by_codon(first, second):
    in_frame = first[: len(first) // 3 * 3]
    assert translate(in_frame + second) == translate(in_frame) + translate(second)


def test_foreign_letters_are_refused():
    with pytest.raises(AlphabetError, match="'-' at position 3"):
        translate("ATG-CC")
