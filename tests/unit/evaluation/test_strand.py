import numpy as np
import pytest

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.errors import DataError
from hyena_glt.evaluation.strand import OTHER_STRAND, POSITIONS, choose_strand
from hyena_glt.io.fasta import read_labelled_fasta
from hyena_glt.io.tables import read_labelled_table

WORDS = {"TGACTCATT": 1.0, "GGGCGGAAC": -0.5}


def sample(n, *, turned, seed, varying=False):
    """Sequences with words; the words' strand is random, or always the one given."""
    rng = np.random.default_rng(seed)
    sequences, present = [], rng.random((n, len(WORDS))) < 0.5
    for row in present:
        letters = list("".join(rng.choice(list("ACGT"), 80 + varying * int(rng.integers(20)))))
        for place, (word, there) in enumerate(zip(WORDS, row, strict=True)):
            at = 10 + 30 * place + int(rng.integers(20))
            turn = turned and rng.random() < 0.5
            if there:
                letters[at : at + 9] = reverse_complement(word) if turn else word
            else:  # the other strand's word means nothing where the strand counts
                letters[at : at + 9] = "ACGTTGCAT" if turned else reverse_complement(word)
        sequences.append("".join(letters))
    return sequences, present


def labels_of(task, present):
    if task == "single_label":
        return present[:, 0].astype(int)
    if task == "multi_label":
        return present.astype(int)
    return present @ np.array(list(WORDS.values()))


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize(("turned", "strand"), [(True, "both"), (False, "forward")])
def test_planted_words_on_one_strand_or_on_both(task, varying, turned, strand):
    (train, truth), (held_out, held_out_truth) = (
        sample(n, turned=turned, seed=seed, varying=varying) for seed, n in ((0, 1500), (1, 400))
    )
    decision = choose_strand(
        (train, labels_of(task, truth)), (held_out, labels_of(task, held_out_truth)), task=task
    )
    assert decision.strand == strand, decision.reason
    assert (POSITIONS in decision.scores) != varying
    assert f"{decision.scores[OTHER_STRAND]:.3f}" in decision.reason


def test_labels_without_any_signal_belong_to_both_strands():
    rng = np.random.default_rng(0)
    train, held_out = (
        (sample(n, turned=True, seed=n)[0], rng.integers(2, size=n)) for n in (300, 200)
    )
    assert choose_strand(train, held_out).strand == "both"
    constant = np.zeros(300, dtype=int)
    assert choose_strand((train[0], constant), held_out).strand == "both"


def test_too_few_sequences_to_tell_are_no_proof_that_the_strand_does_not_matter():
    train, held_out = (
        (sequences, labels_of("single_label", present))
        for sequences, present in (sample(n, turned=False, seed=n) for n in (300, 20))
    )
    held_out[1][::4] ^= 1  # some labels are wrong
    decision = choose_strand(train, held_out)
    assert decision.strand == "both"
    assert decision.reason.startswith("it is not sure that the strand matters: validation MCC ")
    assert decision.reason.endswith("too close to the first for 20 sequences")


def test_the_decision_is_repeatable():
    train, held_out = (
        (sequences, labels_of("single_label", present))
        for sequences, present in (sample(n, turned=False, seed=n) for n in (300, 200))
    )
    assert choose_strand(train, held_out) == choose_strand(train, held_out)


def test_faults_are_named():
    good = (["ACGT", "ACGG"], [0, 1])
    with pytest.raises(DataError, match=r"2 sequences, labels of shape \(1,\)"):
        choose_strand((["ACGT", "ACGG"], [0]), good)
    with pytest.raises(DataError, match="'multi_label' do not fit"):
        choose_strand(good, good, task="multi_label")
    with pytest.raises(DataError, match="two sequences needed"):
        choose_strand(good, (["ACGT"], [0]))


def numbered(records):
    return [record.sequence for record in records], np.array([record.label for record in records])


@pytest.mark.parametrize(
    ("task", "strand"), [("mouse_2", "both"), ("tf_2", "both"), ("prom_core_tata", "forward")]
)
def test_published_tables(shared_data, task, strand):
    folder = shared_data / "classification" / "gue" / task
    train, held_out = (
        numbered(read_labelled_table(folder / f"{part}.csv.gz")) for part in ("train", "dev")
    )
    assert choose_strand(train, held_out).strand == strand


def test_published_bacterial_promoters(shared_data):
    folder = shared_data / "classification" / "cnnprom"
    files = {"promoter": folder / "Ecoli_prom.fa.gz", "other": folder / "Ecoli_non_prom.fa.gz"}
    sequences, labels = numbered(read_labelled_fasta(files))
    order = np.random.default_rng(0).permutation(len(labels))
    parts = [([sequences[i] for i in rows], labels[rows]) for rows in (order[600:], order[:600])]
    assert choose_strand(*parts).strand == "forward"
