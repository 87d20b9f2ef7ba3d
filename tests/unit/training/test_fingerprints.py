import numpy as np
import pytest

from hyena_glt.biology.intervals import Feature
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.genome import Genome
from hyena_glt.data.labelled_genome import LabelledTiles, LabelledWindows, label_genome
from hyena_glt.io.records import SequenceRecord
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.fingerprints import fingerprint, genome_fingerprint

TOKENIZER = DNATokenizer(kmer_size=1)
ROWS = [
    {"id": f"s{number}", "sequence": "ACGT" * (number + 1), "labels": number % 2}
    for number in range(5)
]


def changed(place, name, value):
    return [{**row, name: value} if n == place else row for n, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:4], ROWS[::-1], changed(0, "id", "t"), changed(4, "id", "t"), changed(2, "labels", 1),
        changed(2, "sequence", "ACG"), changed(0, "sequence", "TTTT"),
        changed(2, "sequence", "A" * 12),
    ],
)  # fmt: skip
def test_other_data_have_another_one(rows):
    assert fingerprint(GenomicDataset(rows, TOKENIZER)) != fingerprint(
        GenomicDataset(ROWS, TOKENIZER)
    )


def test_the_same_data_have_the_same_one():
    first = GenomicDataset(ROWS, TOKENIZER)
    first.set_epoch(3)
    assert fingerprint(first) == fingerprint(GenomicDataset(ROWS, TOKENIZER))
    assert fingerprint(first).startswith("5 sequences (")


def test_genomes_and_their_labels():
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 300))
    genome = Genome([SequenceRecord("chr", letters)])
    assert genome_fingerprint(genome) != genome_fingerprint(
        Genome([SequenceRecord("chr", "A" + letters[1:-1] + "G")])
    )

    def labelled(end):
        return label_genome(genome, [Feature("chr", 30, end, "CDS", "+")], ["CDS"])

    found = {
        fingerprint(kind(labelled(end), genome.contigs(), 50))
        for kind in (LabelledWindows, LabelledTiles)
        for end in (60, 90)
    }
    assert len(found) == 2
    assert all("of 300 bases in 1 contigs" in text for text in found)


def test_labels_of_tokens_count():
    first, other = (
        GenomicDataset(
            [{"sequence": "ACGT", "labels": [0, 1, *end]}] * 3, TOKENIZER,
            task="token_classification",
        )
        for end in ([0, 1], [1, 0])
    )  # fmt: skip
    assert fingerprint(first) != fingerprint(other)
