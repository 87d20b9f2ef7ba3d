"""The genetic codes of NCBI: which codons may begin a gene, and which end one."""

from functools import lru_cache
from typing import NamedTuple

from hyena_glt.errors import ConfigError

_BACTERIAL = frozenset({4, 11, 25})


class GeneticCode(NamedTuple):
    """What reading frames are searched with.

    Attributes:
        number: Of NCBI's table.
        starts: Codons that a gene may begin with, the commonest first.
        stops: Codons that end one.
        bacterial: Genes of this code are found by their ribosome as those of bacteria are: at a
            Shine-Dalgarno sequence.
    """

    number: int
    starts: tuple[str, ...]
    stops: tuple[str, ...]
    bacterial: bool


@lru_cache
def genetic_code(number: int) -> GeneticCode:
    """Look up a genetic code.

    Of the start codons that NCBI's tables list, most are very rare.  What is searched for is ATG,
    GTG and TTG in bacteria, archaea and plastids (codes 4, 11, 25), and ATG elsewhere.

    Args:
        number: Of NCBI's table: 1 standard, 4 Mycoplasma, 11 bacteria, archaea and plastids, ...

    Raises:
        ConfigError: If there is no such table; lists those there are.

    Source:
        https://www.ncbi.nlm.nih.gov/Taxonomy/Utils/wprintgc.cgi, through Biopython.

    Example:
        >>> genetic_code(11).starts, genetic_code(4).stops
        (('ATG', 'GTG', 'TTG'), ('TAA', 'TAG'))
    """
    from Bio.Data.CodonTable import unambiguous_dna_by_id

    table = unambiguous_dna_by_id.get(number)
    if table is None:
        known = ", ".join(map(str, sorted(unambiguous_dna_by_id)))
        raise ConfigError(f"there is no genetic code {number}; NCBI's are {known}")
    bacterial = number in _BACTERIAL
    starts = ("ATG", "GTG", "TTG") if bacterial else ("ATG",)
    return GeneticCode(number, starts, tuple(sorted(table.stop_codons)), bacterial)
