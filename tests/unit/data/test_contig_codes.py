import gzip
import sys

import pytest

from hyena_glt.data.contig_codes import ContigCodes, random_access
from hyena_glt.data.genome import Genome, Region
from hyena_glt.errors import AlphabetError, DataError

TEXT = ">one first\nACGTN\nacgtR\nAC\n>two\nGGG\n"


@pytest.mark.parametrize("packed", [False, True])
def test_pieces_are_those_of_the_genome_in_memory(tmp_path, packed):
    path = tmp_path / ("g.fa.gz" if packed else "g.fa")
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    genome = Genome.read([path])
    with random_access(path) as fasta:
        assert fasta.contigs == {"one": 12, "two": 3}
        region = Region("one", 2, 11)
        codes, expected = ContigCodes(fasta, region), genome.codes(region)
        assert len(codes) == 9
        assert [codes[a:b].tolist() for a in range(10) for b in range(12)] == [
            expected[a:b].tolist() for a in range(10) for b in range(12)
        ]


def test_faults_name_the_file_that_was_given(tmp_path, monkeypatch):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">one\nACG\nACGTT\nAC\n"))
    with pytest.raises(DataError, match=r"g\.fa\.gz") as told, random_access(path):
        pass
    assert str(told.value).startswith(str(path))
    empty = tmp_path / "empty.fa"
    empty.touch()
    with pytest.raises(DataError, match="is empty"), random_access(empty):
        pass
    protein = tmp_path / "p.fa"
    protein.write_text(">one\nMKLV\n")
    with random_access(protein) as fasta, pytest.raises(AlphabetError, match="one:0-4"):
        ContigCodes(fasta, Region("one", 0, 4))[0:4]
    with (tmp_path / "in.fa").open("w+") as handle:
        handle.write(TEXT)
        handle.seek(0)
        monkeypatch.setattr(sys, "stdin", handle)
        with random_access("-") as fasta:
            assert fasta.contigs == {"one": 12, "two": 3}
