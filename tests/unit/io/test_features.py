import gzip
from collections import Counter

import pytest
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.labelled_genome import label_genome
from hyena_glt.errors import DataError
from hyena_glt.io.features import iter_features
from hyena_glt.io.gff import iter_gff, write_gff3


def genbank(path, features, contig="chr.1", length=90):
    record = SeqRecord(Seq("ACG" * (length // 3)), contig, contig.split(".")[0])
    record.annotations["molecule_type"] = "DNA"
    strands = {"+": 1, "-": -1}
    record.features = [
        SeqFeature(SimpleLocation(start, end, strands[strand]), kind)
        for kind, start, end, strand in features
    ]
    with gzip.open(path, "wt") as handle:
        handle.write(record.format("genbank"))
    return path


FEATURES = [("gene", 3, 33, "+"), ("CDS", 3, 30, "+"), ("CDS", 45, 90, "-")]


@pytest.mark.parametrize("name", ["x.gb.gz", "x.gbk.gz", "X.GBFF.gz", "x.genbank.gz"])
def test_a_file_in_genbank_format_says_what_gff3_says(tmp_path, name):
    found = list(iter_features(genbank(tmp_path / name, FEATURES)))
    assert [(one.kind, one.start, one.end, one.strand) for one in found] == FEATURES
    write_gff3(tmp_path / "x.gff3", found)
    assert list(iter_features(tmp_path / "x.gff3")) == list(iter_gff(tmp_path / "x.gff3"))


def test_one_file_has_the_genome_and_its_features(tmp_path):
    path = genbank(tmp_path / "x.gb.gz", FEATURES)
    genome = Genome.read([path])
    assert genome.contigs() == [Region("chr.1", 0, 90)]
    assert genome.sequence(Region("chr.1", 3, 9)) == "ACGACG"
    labelled = label_genome(genome, iter_features(path), ["CDS"], "separate")
    assert labelled.names == ["other", "CDS+", "CDS-"]


def test_faults_are_those_of_the_format(tmp_path):
    path = tmp_path / "x.gb"
    path.write_text("chr\tme\tCDS\t1\t9\t.\t+\t0\t\n")
    with pytest.raises(DataError, match=r"x\.gb"):
        list(iter_features(path))


def test_both_files_of_a_genome_have_the_same_coding_sequences(shared_data):
    folder = shared_data / "genomes" / "ecoli_k12_mg1655"
    coding = [
        Counter(
            (one.contig, one.start, one.end, one.strand, one.phase)
            for one in iter_features(folder / f"GCF_000005845.2_ASM584v2_genomic.{kind}.gz")
            if one.kind == "CDS"
        )
        for kind in ("gff", "gbff")
    ]
    assert coding[0] == coding[1]
    assert len(coding[0]) > 4000
