"""The list of public sets: names that are found, addresses that are whole."""

from urllib.parse import urlsplit

import pytest

from hyena_glt.data.public_sets import PUBLIC_SETS, find_set
from hyena_glt.errors import ConfigError


@pytest.mark.parametrize("one", PUBLIC_SETS.values(), ids=lambda one: one.name)
def test_every_set_is_complete(one):
    assert one.description
    assert one.source
    names = [file.name for file in one.files]
    assert len(set(names)) == len(names) > 0
    for file in one.files:
        for url in (file.url, file.md5_list or file.url):
            parts = urlsplit(url)
            assert (parts.scheme, bool(parts.hostname), parts.query) == ("https", True, "")
            assert "//" not in parts.path
            assert " " not in url
        assert "/" not in file.name


def test_no_address_occurs_twice():
    addresses = [file.url for one in PUBLIC_SETS.values() for file in one.files]
    assert len(set(addresses)) == len(addresses)


def test_refseq_folders_follow_the_accession():
    assert find_set("genome/ecoli_k12").files[0].url == (
        "https://ftp.ncbi.nlm.nih.gov/genomes/all/GCF/000/005/845/GCF_000005845.2_ASM584v2/"
        "GCF_000005845.2_ASM584v2_genomic.fna.gz"
    )


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("human_nontata_promoters", "genomic_benchmarks/human_nontata_promoters"),
        ("H3K27ac", "nucleotide_transformer/H3K27ac"),
        ("all", "jaspar2024/all"),
    ],
)
def test_short_names_do_where_only_one_set_has_them(short, name):
    assert find_set(short) is PUBLIC_SETS[name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("human_nontata_promotors", "did you mean genomic_benchmarks/human_nontata_promoters"),
        ("gue/prom_core", "did you mean gue/prom_core"),
        ("zzz", "--list prints all names"),
    ],
)
def test_unknown_names_get_a_hint(name, words):
    with pytest.raises(ConfigError, match=words):
        find_set(name)
