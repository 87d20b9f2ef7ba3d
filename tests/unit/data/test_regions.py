import gzip
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyena_glt.biology.intervals import Feature, Interval, Variant
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.regions import iter_interval_records, variant_windows
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.io.bed import iter_bed
from hyena_glt.io.fasta import iter_fasta
from hyena_glt.io.gff import iter_gff
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.io.records import SequenceRecord
from hyena_glt.io.vcf import iter_vcf


def genome_of(tmp_path, **contigs):
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in contigs.items()))
    return IndexedFasta(path)


def unpacked(source, tmp_path):
    path = tmp_path / "genome.fa"
    with gzip.open(source) as packed:
        path.write_bytes(packed.read())
    return IndexedFasta(path)


def test_intervals_are_read_on_their_strand(tmp_path):
    genome = genome_of(tmp_path, c="AACCGGTTAC", d="acgtn")
    intervals = [
        Interval("c", 0, 3),
        Interval("c", 1, 4, "-", "peak 1"),
        Interval("d", 0, 5, "-", "peak2"),
        Feature("c", 2, 4, "gene", "+", attributes={"ID": "g1"}),
        Feature("c", 2, 4, "exon", "-"),
    ]
    assert list(iter_interval_records(intervals, genome)) == [
        SequenceRecord("c:0-3", "AAC", "c:0-3"),
        SequenceRecord("c:1-4(-)", "GGT", "c:1-4(-)"),
        SequenceRecord("peak2", "nacgt", "d:0-5(-)"),
        SequenceRecord("g1", "CC", "c:2-4(+)"),
        SequenceRecord("c:2-4(-)", "GG", "c:2-4(-)"),
    ]
    flanked = list(iter_interval_records(intervals[:2], genome, flank=2))
    assert [(one.sequence, one.description) for one in flanked] == [
        ("AACCG", "c:0-5"),
        ("CCGGTT", "c:0-6(-)"),
    ]
    with pytest.raises(ConfigError, match="flank must be at least 0"):
        list(iter_interval_records(intervals, genome, flank=-1))


@pytest.mark.parametrize(
    ("interval", "message"),
    [
        (Interval("c", 0, 11), r"genome\.fa: c:0-11 .* does not lie within the contig"),
        (Interval("c", 4, 4), "c:4-4 is empty"),
        (Interval("x", 0, 1), "no contig 'x'"),
    ],
)
def test_intervals_out_of_place_are_refused(tmp_path, interval, message):
    genome = genome_of(tmp_path, c="AACCGGTTAC")
    for flank in (0, 3):
        with pytest.raises(DataError, match=message):
            list(iter_interval_records([interval], genome, flank=flank))


def test_letters_without_a_partner_are_told_with_their_place(tmp_path):
    genome = genome_of(tmp_path, c="AAC-GG")
    with pytest.raises(AlphabetError, match=r"genome\.fa: c:2-5\(-\): 1 foreign letter"):
        list(iter_interval_records([Interval("c", 2, 5, "-")], genome))


def window_of(genome, variant, window):
    (found,) = variant_windows([variant], genome, window)
    return found.reference, found.alternative, found.offset


def test_windows_of_variants(tmp_path):
    genome = genome_of(tmp_path, c="AACCGGTTACGTACGTTTGA")
    assert window_of(genome, Variant("c", 10, "G", ("T",)), 5) == ("ACGTA", "ACTTA", 2)
    # An insertion pushes letters out on the right, a deletion draws letters in.
    assert window_of(genome, Variant("c", 10, "G", ("GCC",)), 7) == ("ACGTACG", "ACGCCTA", 2)
    assert window_of(genome, Variant("c", 9, "CGT", ("C",)), 7) == ("TACGTAC", "TACACGT", 2)
    # At the ends of the contig.
    assert window_of(genome, Variant("c", 0, "A", ("G",)), 5) == ("AACCG", "GACCG", 0)
    assert window_of(genome, Variant("c", 19, "a", ("G",)), 5) == ("TTTGA", "TTTGG", 4)
    assert window_of(genome, Variant("c", 18, "GA", ("G",)), 5) == ("TTTGA", "TTTG", 3)
    assert window_of(genome, Variant("c", 18, "G", ("GCCC",)), 5) == ("TGA", "TGCCC", 1)
    assert window_of(genome, Variant("c", 3, "C", ("T",)), 99) == (
        "AACCGGTTACGTACGTTTGA",
        "AACTGGTTACGTACGTTTGA",
        3,
    )


def test_alleles_without_letters_are_left_out(tmp_path):
    genome = genome_of(tmp_path, c="AACCGGTTAC")
    variant = Variant("c", 3, "C", ("<DEL>", "T", "*", "CA", "C[c:9["), "rs1")
    windows = list(variant_windows([variant, Variant("c", 1, "G", ("<INS>",))], genome, 4))
    assert [(one.allele, one.alternative) for one in windows] == [("T", "CTGG"), ("CA", "CCAG")]
    assert {one.reference for one in windows} == {"CCGG"}
    assert all(one.variant is variant for one in windows)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (
            Variant("c", 3, "G", ("T",), "rs1"),
            r"genome\.fa: variant c:4 G>T \(rs1\): REF is G, but the genome holds C there",
        ),
        (Variant("c", 9, "CA", ("C",)), "variant c:10 CA>C does not lie within c, which has 10"),
        (Variant("c", 99, "C", ("T",)), "variant c:100 C>T does not lie within c"),
        (Variant("chrc", 0, "A", ("T",)), r"no contig 'chrc' \(did you mean 'c'\?\)"),
        (
            Variant("c", 0, "A", ("A" * 30,)),
            r"variant c:1 A>A{17}\.\.\. \(30 bases\): an allele of 30 bases does not fit",
        ),
        (Variant("n", 0, "A", ("T",)), "REF is A, but the genome holds N there"),
    ],
)
def test_variants_that_do_not_fit_are_refused(tmp_path, variant, message):
    genome = genome_of(tmp_path, c="AACCGGTTAC", n="NR")
    with pytest.raises(DataError, match=message):
        list(variant_windows([variant], genome, 8))
    with pytest.raises(ConfigError, match="window must be at least 1"):
        list(variant_windows([variant], genome, 0))
    # R of the genome stands for A or G, and VCF writes one of them.
    assert window_of(genome, Variant("n", 1, "G", ("T",)), 2) == ("NR", "NT", 1)


@given(
    st.text("ACGT", min_size=1, max_size=30),
    st.data(),
    st.integers(1, 40),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_putting_the_reference_back_gives_the_genome(tmp_path, letters, data, window):
    (tmp_path / "genome.fa.fai").unlink(missing_ok=True)
    genome = genome_of(tmp_path, c=letters)
    at = data.draw(st.integers(0, len(letters) - 1))
    removed = data.draw(st.integers(1, min(window, len(letters) - at)))
    allele = data.draw(st.text("ACGT", min_size=1, max_size=window))
    variant = Variant("c", at, letters[at : at + removed], (allele,))
    reference, alternative, offset = window_of(genome, variant, window)
    start = at - offset
    assert 0 <= start <= at
    assert allele in alternative[offset:]
    assert max(len(reference), len(alternative)) == min(
        window, max(len(letters), len(letters) + len(allele) - removed)
    )
    assert reference == letters[start : start + window]
    changed = letters[:at] + allele + letters[at + removed :]
    assert alternative == changed[start : start + window]


def test_every_reference_allele_of_1000_genomes_agrees(shared_data, tmp_path):
    folder = shared_data / "genomes/human"
    genome = unpacked(folder / "hs37_chr20_1000000-2000000.fa.gz", tmp_path)
    variants = list(iter_vcf(folder / "hs37_chr20_1000000-2000000.1kgp3.vcf.gz"))
    longest = max(len(allele) for one in variants for allele in (one.reference, *one.alternatives))
    windows = list(variant_windows(variants, genome, max(64, 2 * longest)))
    assert len({(one.variant.position, one.variant.reference) for one in windows}) > 28_900
    for one in windows:
        end = one.offset + len(one.variant.reference)
        assert one.reference[one.offset : end] == one.variant.reference
        assert one.alternative[one.offset :].startswith(one.allele)
    shifted = [Variant("z", one.position + 7, one.reference, ("A",)) for one in variants]
    with pytest.raises(DataError, match=r"variant z:\d+ .*: REF is .*, but the genome holds"):
        list(variant_windows(shifted, genome, 64))


def test_genes_of_yeast_start_with_atg(shared_data, tmp_path):
    folder = shared_data / "genomes/yeast_R64-1-1"
    genome = unpacked(folder / "Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz", tmp_path)
    coding = defaultdict(list)
    for feature in iter_gff(folder / "Saccharomyces_cerevisiae.R64-1-1.96.gtf.gz"):
        if feature.kind == "CDS":
            coding[feature.attributes["protein_id"]].append(feature)
    good = 0
    for exons in coding.values():
        exons.sort(key=lambda one: one.start, reverse=exons[0].strand == "-")
        letters = "".join(one.sequence for one in iter_interval_records(exons, genome))
        good += letters.startswith("ATG") and len(letters) % 3 == 0
    assert (good, len(coding)) == (6590, 6600)
    names = {f"chr{name}" if name != "Mito" else "chrM": name for name in genome.contigs}
    transcripts = [
        Interval(names[one.contig], one.start, one.end, one.strand, one.name)
        for one in iter_bed(folder / "Scer_polIItranscripts-adjustedTSS.bed.gz")
    ]
    records = list(iter_interval_records(transcripts, genome))
    assert len(records) == 6445
    assert all(
        len(r.sequence) == t.end - t.start for r, t in zip(records, transcripts, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "good", "count"), [("A.thaliana", 18_141, 19_124), ("C.elegans", 8_631, 9_313)]
)
def test_introns_are_gt_ag(shared_data, tmp_path, name, good, count):
    folder = shared_data / "genomes/model_organisms_1pct"
    genome = unpacked(folder / f"{name}.fa.gz", tmp_path)
    introns = [one for one in iter_gff(folder / f"{name}.gff.gz") if one.kind == "intron"]
    spliced = [
        one.sequence.upper().startswith("GT") and one.sequence.upper().endswith("AG")
        for one in iter_interval_records(introns, genome)
    ]
    assert (sum(spliced), len(spliced)) == (good, count)


def test_human_introns_between_exons(shared_data, tmp_path):
    folder = shared_data / "genomes/human"
    genome = unpacked(folder / "GRCh38_chr21_24985581-26000306.fa.gz", tmp_path)
    (contig,) = genome.contigs
    offset = 24_985_580
    exons = defaultdict(list)
    for one in iter_gff(folder / "GRCh38_chr21_24985581-26000306.gff3.gz"):
        if one.kind == "exon":
            exons[one.attributes["Parent"]].append(one)
    introns = [
        Interval(contig, left.end - offset, right.start - offset, left.strand)
        for parts in exons.values()
        for left, right in pairwise(sorted(parts, key=lambda one: one.start))
        if left.end >= offset and right.start - offset <= genome.contigs[contig]
    ]
    records = list(iter_interval_records(introns, genome))
    spliced = sum(one.sequence[:2] + one.sequence[-2:] == "GTAG" for one in records)
    assert (spliced, len(records)) == (237, 241)


def test_genes_of_e_coli(shared_data, tmp_path):
    from Bio.Seq import Seq

    folder = shared_data / "genomes/ecoli_k12_mg1655"
    genome = unpacked(folder / "GCF_000005845.2_ASM584v2_genomic.fna.gz", tmp_path)
    coding = [
        one
        for one in iter_gff(folder / "GCF_000005845.2_ASM584v2_genomic.gff.gz")
        if one.kind == "CDS"
    ]
    sequences = [record.sequence for record in iter_interval_records(coding, genome)]
    starts = {"ATG", "GTG", "TTG", "CTG", "ATT", "ATC", "ATA"}
    stops = {"TAA", "TAG", "TGA"}
    assert len(sequences) == 4337
    assert sum(one[:3] in starts and one[-3:] in stops for one in sequences) == 4299
    parts = defaultdict(str)
    for feature, sequence in zip(coding, sequences, strict=True):
        if "protein_id" in feature.attributes:
            parts[feature.attributes["protein_id"]] += sequence
    proteins = {
        record.id: record.sequence
        for record in iter_fasta(folder / "GCF_000005845.2_ASM584v2_protein.faa.gz")
    }
    translated = {
        name: "M" + str(Seq(letters).translate(table=11))[1:-1] for name, letters in parts.items()
    }
    differing = [name for name, protein in proteins.items() if translated[name] != protein]
    # Selenocysteine: the dehydrogenases fdnG, fdoG and fdhF read TGA as U.
    assert differing == ["NP_415991.1", "NP_418330.1", "NP_418503.1"]
    assert len(proteins) == 4298
    backwards = next(one for one in coding if one.strand == "-")
    (record,) = iter_interval_records([backwards], genome)
    plain = genome.fetch(backwards.contig, backwards.start, backwards.end)
    assert record.sequence == reverse_complement(plain) == str(Seq(plain).reverse_complement())
