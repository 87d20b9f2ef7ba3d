"""Public sets of sequences, genomes and motifs, by name, with the addresses they are kept at.

The addresses are those that the sources publish.  Where a source publishes checksums, its list is
named and a download is checked against it; where not, the checksum of the first download is kept
beside the file (see :mod:`hyena_glt.data.fetch`).
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hyena_glt.errors import ConfigError

_HUGGING_FACE = "https://huggingface.co/datasets"
_NCBI = "https://ftp.ncbi.nlm.nih.gov/genomes/all"
_UCSC = "https://hgdownload.soe.ucsc.edu/goldenPath"
_JASPAR = "https://jaspar.elixir.no/download/data/2024/CORE"


@dataclass(frozen=True)
class RemoteFile:
    """A file somewhere else.

    Attributes:
        name: What to call it here.
        url: Where it is.
        sha256: Its checksum; None where nobody publishes one.
        md5_list: Address of a list of MD5 checksums, as ``md5sum`` prints them, which holds the
            last part of ``url``; None where there is none.
    """

    name: str
    url: str
    sha256: str | None = None
    md5_list: str | None = None


@dataclass(frozen=True)
class PublicSet:
    """A set that can be fetched by name.

    Attributes:
        name: ``collection/set``.
        description: What is in it.
        source: Where it was published.
        files: Its files.
    """

    name: str
    description: str
    source: str
    files: tuple[RemoteFile, ...]


def find_set(name: str) -> PublicSet:
    """Look a set up.

    Args:
        name: ``collection/set``, or the part behind the stroke where only one set is called so.

    Returns:
        The set.

    Raises:
        ConfigError: If no set, or more than one, is called so; the message gives the nearest.
    """
    if name in PUBLIC_SETS:
        return PUBLIC_SETS[name]
    same = [full for full in PUBLIC_SETS if full.partition("/")[2] == name]
    if len(same) == 1:
        return PUBLIC_SETS[same[0]]
    short = {full.partition("/")[2]: full for full in PUBLIC_SETS}
    near = same or difflib.get_close_matches(name, PUBLIC_SETS, n=3)
    near = near or [short[one] for one in difflib.get_close_matches(name, short, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "--list prints all names"
    raise ConfigError(f"there is no public set {name!r}; {hint}")


def _genomic_benchmark(name: str, description: str) -> PublicSet:
    # Hugging Face keeps a Parquet copy of every data set under this revision.
    base = f"{_HUGGING_FACE}/katarinagresova/Genomic_Benchmarks_{name}/resolve"
    return PublicSet(
        f"genomic_benchmarks/{name}",
        description,
        "Gresova et al. 2023, BMC Genomic Data 24:25",
        tuple(
            RemoteFile(
                f"{part}.parquet", f"{base}/refs%2Fconvert%2Fparquet/default/{part}/0000.parquet"
            )
            for part in ("train", "test")
        ),
    )


def _nucleotide_transformer(name: str) -> PublicSet:
    base = (
        f"{_HUGGING_FACE}/InstaDeepAI/nucleotide_transformer_downstream_tasks_revised/resolve/main"
    )
    return PublicSet(
        f"nucleotide_transformer/{name}",
        "downstream task, revised version",
        "Dalla-Torre et al. 2025, Nature Methods 22:287",
        tuple(
            RemoteFile(f"{part}.parquet", f"{base}/{name}/{part}.parquet")
            for part in ("train", "test")
        ),
    )


def _gue(name: str) -> PublicSet:
    base = f"{_HUGGING_FACE}/leannmlindsey/GUE/resolve/main/GUE/{name}"
    return PublicSet(
        f"gue/{name}",
        "task of the Genome Understanding Evaluation",
        "Zhou et al. 2024, arXiv:2306.15006 (DNABERT-2); copy on Hugging Face",
        tuple(RemoteFile(f"{part}.csv", f"{base}/{part}.csv") for part in ("train", "dev", "test")),
    )


def _jaspar(group: str) -> PublicSet:
    infix = "" if group == "all" else f"{group}_"
    name = f"JASPAR2024_CORE_{infix}non-redundant_pfms_jaspar.txt"
    return PublicSet(
        f"jaspar2024/{group}",
        f"motifs of transcription factors, CORE, non-redundant, {group}",
        "Rauluseviciute et al. 2024, Nucleic Acids Research 52:D174",
        (RemoteFile(name, f"{_JASPAR}/{name}"),),
    )


def _ncbi(name: str, description: str, assembly: str) -> PublicSet:
    """Sequence and annotation of a RefSeq assembly."""
    digits = assembly.partition("_")[2][:9]
    folder = f"{_NCBI}/GCF/{digits[:3]}/{digits[3:6]}/{digits[6:]}/{assembly}"
    return PublicSet(
        f"genome/{name}",
        description,
        f"NCBI RefSeq {assembly}",
        tuple(
            RemoteFile(
                f"{assembly}_genomic.{kind}.gz",
                f"{folder}/{assembly}_genomic.{kind}.gz",
                md5_list=f"{folder}/md5checksums.txt",
            )
            for kind in ("fna", "gff")
        ),
    )


_GENOMIC_BENCHMARKS = {
    "human_nontata_promoters": "human promoters without TATA box or not, 251 bp",
    "human_enhancers_cohn": "human enhancers or not, 500 bp",
    "human_enhancers_ensembl": "human enhancers or not, various lengths",
    "human_ensembl_regulatory": "human enhancers, promoters, open chromatin, various lengths",
    "human_ocr_ensembl": "human open chromatin or not, various lengths",
    "demo_coding_vs_intergenomic_seqs": "human coding sequences or intergenic ones, 200 bp",
    "demo_human_or_worm": "human or worm, 200 bp",
}
_NUCLEOTIDE_TRANSFORMER = (
    "promoter_all", "promoter_tata", "promoter_no_tata", "enhancers", "enhancers_types",
    "splice_sites_all", "splice_sites_acceptors", "splice_sites_donors", "H2AFZ", "H3K27ac",
    "H3K27me3", "H3K36me3", "H3K4me1", "H3K4me2", "H3K4me3", "H3K9ac", "H3K9me3", "H4K20me1",
)  # fmt: skip
_GUE = (
    "emp_H3", "emp_H3K14ac", "emp_H3K36me3", "emp_H3K4me1", "emp_H3K4me2", "emp_H3K4me3",
    "emp_H3K79me3", "emp_H3K9ac", "emp_H4", "emp_H4ac", "human_tf_0", "human_tf_1", "human_tf_2",
    "human_tf_3", "human_tf_4", "mouse_0", "mouse_1", "mouse_2", "mouse_3", "mouse_4",
    "prom_300_all", "prom_300_notata", "prom_300_tata", "prom_core_all", "prom_core_notata",
    "prom_core_tata", "splice_reconstructed", "virus_covid",
)  # fmt: skip
_JASPAR_GROUPS = ("all", "vertebrates", "plants", "insects", "fungi", "nematodes")
_REFSEQ = {
    "phix174": ("bacteriophage phiX174", "GCF_000819615.1_ViralProj14015"),
    "lambda": ("bacteriophage lambda", "GCF_000840245.1_ViralProj14204"),
    "sars_cov_2": ("SARS-CoV-2", "GCF_009858895.2_ASM985889v3"),
    "ecoli_k12": ("Escherichia coli K-12 MG1655", "GCF_000005845.2_ASM584v2"),
    "bacillus_subtilis": ("Bacillus subtilis 168", "GCF_000009045.1_ASM904v1"),
    "yeast": ("Saccharomyces cerevisiae S288C, R64", "GCF_000146045.2_R64"),
    "worm": ("Caenorhabditis elegans, WBcel235", "GCF_000002985.6_WBcel235"),
    "fly": ("Drosophila melanogaster, Release 6", "GCF_000001215.4_Release_6_plus_ISO1_MT"),
    "arabidopsis": ("Arabidopsis thaliana, TAIR10.1", "GCF_000001735.4_TAIR10.1"),
}
_HUMAN = PublicSet(
    "genome/human_hg38",
    "Homo sapiens, GRCh38 with UCSC's names (chr1, ...), soft-masked, about 1 GB",
    "UCSC hg38",
    (
        RemoteFile(
            "hg38.fa.gz",
            f"{_UCSC}/hg38/bigZips/hg38.fa.gz",
            md5_list=f"{_UCSC}/hg38/bigZips/md5sum.txt",
        ),
    ),
)

PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {
        one.name: one
        for one in (
            *(_genomic_benchmark(name, text) for name, text in _GENOMIC_BENCHMARKS.items()),
            *map(_nucleotide_transformer, _NUCLEOTIDE_TRANSFORMER),
            *map(_gue, _GUE),
            *map(_jaspar, _JASPAR_GROUPS),
            *(_ncbi(name, text, assembly) for name, (text, assembly) in _REFSEQ.items()),
            _HUMAN,
        )
    }
)
"""All sets that :func:`find_set` knows, by name."""
