import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.genome import Genome, Region
from hyena_glt.data.windows import GenomeWindows, scored_windows
from hyena_glt.errors import DataError
from hyena_glt.io.records import SequenceRecord
from hyena_glt.tokenizers import DNATokenizer

TOKENIZER = DNATokenizer(kmer_size=1)


def genome_of(length, seed=0, letters="ACGT"):
    random = np.random.default_rng(seed)
    return Genome([SequenceRecord("chr", "".join(random.choice(list(letters), length)))])


def text_of(item):
    return TOKENIZER.decode(item["input_ids"])


def test_a_window_is_a_function_of_seed_and_number():
    genome = genome_of(500)
    windows = GenomeWindows(genome, genome.contigs(), 32, 100, seed=1)
    again = GenomeWindows(genome, genome.contigs(), 32, 10, seed=1)
    other = GenomeWindows(genome, genome.contigs(), 32, 10, seed=2)
    assert len(windows) == 100
    backwards = [text_of(again[i]) for i in reversed(range(10))][::-1]
    assert [text_of(windows[i]) for i in range(10)] == backwards
    assert [text_of(other[i]) for i in range(10)] != backwards


def test_windows_lie_in_the_regions_on_either_strand_and_start_anywhere():
    genome = genome_of(400)
    regions = [Region("chr", 50, 90), Region("chr", 100, 110), Region("chr", 200, 260)]
    windows = GenomeWindows(genome, regions, 30, 4000, seed=0)
    text = genome.sequence(genome.contigs()[0])
    allowed = {
        text[start : start + 30]: (region, start)
        for region in (regions[0], regions[2])
        for start in range(region.start, region.end - 29)
    }
    seen, turned = {}, 0
    for i in range(len(windows)):
        letters = text_of(windows[i])
        if letters not in allowed:
            letters = reverse_complement(letters)
            turned += 1
        seen[letters] = seen.get(letters, 0) + 1
    assert set(seen) == set(allowed)
    assert len(allowed) == 11 + 31
    # 4000 / 42 = 95 expected of each
    assert min(seen.values()) > 50
    assert max(seen.values()) < 150
    assert 1850 < turned < 2150
    forward = GenomeWindows(genome, regions, 30, 50, both_strands=False)
    assert all(text_of(forward[i]) in allowed for i in range(50))


def test_labels_leave_out_n_and_some_repeats():
    genome = Genome([SequenceRecord("chr", "ACGTNacgtnACGTacgtAC" * 40)])
    item = GenomeWindows(genome, genome.contigs(), 700, 1)[0]
    known = item["input_ids"] != 5
    assert torch.equal(item["labels"] == -100, ~known)
    assert torch.equal(item["labels"][known], item["input_ids"][known])
    for weight, low, high in ((0.0, 0, 0), (0.25, 0.18, 0.32), (1.0, 1, 1)):
        windows = GenomeWindows(
            genome, genome.contigs(), 700, 8, repeat_weight=weight, both_strands=False
        )
        kept = []
        for i in range(len(windows)):
            item = windows[i]
            start = next(s for s in range(101) if (
                genome.sequence(Region("chr", s, s + 700)) == text_of(item)))  # fmt: skip
            repeats = torch.from_numpy(genome.soft_masked(Region("chr", start, start + 700)))
            scored = item["labels"] != -100
            assert scored[~repeats & (item["input_ids"] != 5)].all()
            kept.append(scored[repeats].float().mean())
        assert low <= np.mean(kept) <= high


def test_the_other_strand_takes_its_repeats_along():
    genome = Genome([SequenceRecord("chr", "A" * 20 + "c" * 20)])
    windows = GenomeWindows(genome, genome.contigs(), 40, 20, repeat_weight=0.0)
    strands = set()
    for i in range(20):
        item = windows[i]
        strands.add(text_of(item))
        letters = np.array(list(text_of(item)))
        unmasked = (item["labels"] != -100).numpy()
        assert set(letters[unmasked]) in ({"A"}, {"T"})
    assert strands == {"A" * 20 + "C" * 20, "G" * 20 + "T" * 20}


def test_windows_of_mostly_n_are_drawn_again():
    genome = Genome([SequenceRecord("chr", "N" * 2000 + "ACGT" * 50 + "N" * 100)])
    windows = GenomeWindows(genome, genome.contigs(), 50, 60)
    assert max(text_of(windows[i]).count("N") for i in range(60)) in range(1, 26)
    empty = Genome([SequenceRecord("chr", "N" * 300)])
    with pytest.raises(DataError, match=r"1000 windows of 50 bases .* more than half N"):
        GenomeWindows(empty, empty.contigs(), 50, 1)[0]


def test_positions_are_drawn_from_all_that_fit():
    genome = genome_of(100)
    windows = GenomeWindows(genome, genome.contigs(), 30, 400, max_position=34)
    offsets = [int(windows[i]["position_offset"]) for i in range(400)]
    assert set(offsets) == set(range(5))
    assert "position_offset" not in GenomeWindows(genome, genome.contigs(), 30, 1)[0]


def test_regions_shorter_than_a_window_are_not_enough():
    genome = genome_of(100)
    with pytest.raises(DataError, match="has 100 bases, which is less than one window of 1,024"):
        GenomeWindows(genome, genome.contigs(), 1024, 1)


@given(
    st.lists(st.text("ACGTN", min_size=1, max_size=120), min_size=1, max_size=4),
    st.integers(16, 50),
)
def test_every_base_is_scored_once_with_half_a_window_before_it(contigs, window):
    genome = Genome(SequenceRecord(f"c{i}", text) for i, text in enumerate(contigs))
    for region in genome.contigs():
        text = genome.sequence(region)
        scored = ""
        for item in scored_windows(genome, [region], window):
            ids, labels = item["input_ids"], item["labels"]
            assert len(ids) == min(window, len(text))
            counted = labels != -100
            assert torch.equal(labels[counted], ids[counted])
            if scored and counted.any():
                assert int(counted.int().argmax()) >= window - window // 2
            scored += TOKENIZER.decode(ids[counted])
        assert scored == text[1:].replace("N", "")
