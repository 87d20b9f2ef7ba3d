import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.collators import (
    CausalLanguageModelCollator,
    MaskedLanguageModelCollator,
    MultiModalCollator,
    SequenceCollator,
)
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.multimodal import GeneSequences, JointExamples
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.tokenizers.genomic import GenomicTokenizer


def test_the_guides_batch():
    batch = SequenceCollator()(
        [{"input_ids": [8, 9, 10], "labels": 1}, {"input_ids": [8], "labels": 0}]
    )
    assert {name: value.tolist() for name, value in batch.items()} == {
        "input_ids": [[8, 9, 10], [8, 0, 0]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "labels": [1, 0],
    }
    assert {value.dtype for value in batch.values()} == {torch.int64}


def test_padding_on_the_left():
    batch = SequenceCollator(padding_side="left", pad_token_id=3)(
        [{"input_ids": [8, 9], "labels": [0, 1]}, {"input_ids": [8], "labels": [1]}]
    )
    assert batch["input_ids"].tolist() == [[8, 9], [3, 8]]
    assert batch["attention_mask"].tolist() == [[1, 1], [0, 1]]
    assert batch["labels"].tolist() == [[0, 1], [-100, 1]]


@given(
    st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=20), min_size=1, max_size=6),
    st.sampled_from(["right", "left"]),
    st.integers(1, 8),
    st.none() | st.integers(1, 12),
)
def test_real_lengths_decide_the_mask(rows, side, multiple, max_length):
    """Not the ids: token 0 inside a sequence is a token."""
    collator = SequenceCollator(
        padding_side=side, pad_to_multiple_of=multiple, max_length=max_length
    )
    batch = collator([{"input_ids": row, "labels": row} for row in rows])
    kept = [row[:max_length] for row in rows]
    width = batch["input_ids"].shape[1]
    longest = max(map(len, kept))
    assert width % multiple == 0
    assert longest <= width < longest + multiple
    for number, row in enumerate(kept):
        real = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
        mask = torch.zeros(width, dtype=torch.long)
        mask[real] = 1
        assert torch.equal(batch["attention_mask"][number], mask)
        assert batch["input_ids"][number][real].tolist() == row
        assert batch["labels"][number][real].tolist() == row
        assert bool((batch["input_ids"][number][mask == 0] == 0).all())
        assert bool((batch["labels"][number][mask == 0] == -100).all())


def test_labels_per_token_are_not_mistaken_for_labels_per_sequence():
    """Three 0/1 values of a sequence of three tokens: floats are labels, whole numbers tokens."""
    per_sequence = SequenceCollator()(
        [{"input_ids": [8] * 3, "labels": torch.tensor([0.0, 1.0, 1.0])}] * 2
    )["labels"]
    assert per_sequence.tolist() == [[0.0, 1.0, 1.0]] * 2
    assert per_sequence.dtype == torch.float32
    per_token = SequenceCollator(pad_to_multiple_of=4)(
        [{"input_ids": [8] * 3, "labels": [0, 1, 1]}]
    )
    assert per_token["labels"].tolist() == [[0, 1, 1, -100]]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([], "^the batch is empty: give at least one sequence$"),
        (
            [{"input_ids": [8], "labels": 1}, {"input_ids": [8]}],
            "^item 1 of the batch has no labels, where others have$",
        ),
        (
            [{"input_ids": [8, 8], "labels": [0, 1]}, {"input_ids": [8], "labels": [0, 1, 1]}],
            r"^labels of shapes \(2,\), \(3,\): expected one shape",
        ),
    ],
)
def test_bad_batches_are_refused(batch, message):
    with pytest.raises(DataError, match=message):
        SequenceCollator()(batch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding_side": "centre"}, "padding_side must be right or left, got 'centre'"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of must be at least 1, got 0"),
        ({"max_length": 0}, "max_length must be at least 1 token or None, got 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SequenceCollator(**options)


@pytest.mark.parametrize(
    ("side", "labels"), [("right", [[8, 0], [9, -100]]), ("left", [[8, 0], [-100, 9]])]
)
def test_a_causal_model_learns_every_real_token(side, labels):
    batch = CausalLanguageModelCollator(padding_side=side)(
        [{"input_ids": [8, 0]}, {"input_ids": [9]}]
    )
    assert batch["labels"].tolist() == labels


@pytest.mark.parametrize("side", ["right", "left"])
def test_masking_hides_letters_in_the_shares_of_bert(side):
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(8, 76, (5000,), generator=generator) for _ in range(8)]
    rows[1] = rows[1][:2000]
    for row in rows:
        row[::10] = 5  # N
        row[1] = 2  # [CLS]
    collator = MaskedLanguageModelCollator(76, 0.2, padding_side=side)
    batch = collator([{"input_ids": row} for row in rows])
    plain = SequenceCollator(padding_side=side)([{"input_ids": row} for row in rows])
    ids, before = batch["input_ids"], plain["input_ids"]
    chosen = batch["labels"] != -100
    assert torch.equal(batch["labels"][chosen], before[chosen])
    assert torch.equal(ids[~chosen], before[~chosen])
    assert not bool(chosen[before < 8].any())
    assert torch.equal(batch["attention_mask"], plain["attention_mask"])
    assert bool((ids[chosen & (ids != 4)] >= 8).all())

    def share(part: torch.Tensor, whole: torch.Tensor) -> float:
        return int(part.sum()) / int(whole.sum())

    assert share(chosen, before >= 8) == pytest.approx(0.2, abs=0.01)
    assert share(ids[chosen] == 4, chosen) == pytest.approx(0.8, abs=0.02)
    assert share(ids[chosen] == before[chosen], chosen) == pytest.approx(0.1, abs=0.02)


def test_masks_change_from_batch_to_batch_and_follow_the_seed():
    batch = [{"input_ids": torch.full((200,), 9)}]

    def labels(seed: int) -> list[list[int]]:
        collator = MaskedLanguageModelCollator(12, seed=seed)
        return [collator(batch)["labels"][0].tolist() for _ in range(2)]

    assert labels(0)[0] != labels(0)[1]
    assert labels(0) == labels(0)
    assert labels(0) != labels(1)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1])
def test_a_mask_probability_is_a_share(probability):
    with pytest.raises(ConfigError, match=rf"must lie in \(0, 1\), got {probability}"):
        MaskedLanguageModelCollator(12, probability)


def test_the_data_set_and_the_collator_fit():
    tokenizer = DNATokenizer(kmer_size=3)
    data = [
        {"sequence": "ACGTT", "labels": [0, 0, 0, 1, 2]},
        {"sequence": "ACG", "labels": [2] * 3},
    ]
    dataset = GenomicDataset(data, tokenizer, task="token_classification")
    batch = SequenceCollator()([dataset[0], dataset[1]])
    assert batch["labels"].tolist() == [[0, 1, 2], [2, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("side", "quality", "modality"),
    [
        ("right", [[30, 2, 40, 0], [7, 0, 0, 0]], [[0, 0, 1, 0], [2, 0, 0, 0]]),
        ("left", [[0, 30, 2, 40], [0, 0, 0, 7]], [[0, 0, 0, 1], [0, 0, 0, 2]]),
    ],
)
def test_quality_and_modality_per_token_are_padded(side, quality, modality):
    collator = SequenceCollator(max_length=3, pad_to_multiple_of=4, padding_side=side)
    long = {
        "input_ids": [8, 9, 12, 13],
        "quality_scores": [30, 2, 40, 40],
        "modality_ids": torch.tensor([0, 0, 1, 1]),
    }
    # A sequence of one kind may say so once, beside a joint one.
    batch = collator([long, {"input_ids": [20], "quality_scores": [7], "modality_ids": 2}])
    assert batch["quality_scores"].tolist() == quality
    assert batch["modality_ids"].tolist() == modality
    assert {value.dtype for value in batch.values()} == {torch.int64}


def test_one_modality_per_sequence_stays_one_per_sequence():
    items = [{"input_ids": [8, 9], "modality_ids": torch.tensor(2)}]
    items.append({"input_ids": [8], "modality_ids": 0})
    assert SequenceCollator()(items)["modality_ids"].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "^item 1 of the batch has no quality_scores, where others have$"),
        (
            {"quality_scores": [3]},
            r"^item 1 of the batch: quality_scores of shape \(1,\) for 2 tokens; expected one per",
        ),
        (
            {"quality_scores": 3},
            r"^item 1 of the batch: quality_scores of shape \(\) for 2 tokens; expected one per",
        ),
    ],
)
def test_qualities_are_one_per_token_or_none_at_all(item, message):
    with pytest.raises(DataError, match=message):
        SequenceCollator()(
            [{"input_ids": [8], "quality_scores": [3]}, {"input_ids": [8, 9], **item}]
        )


def spans_of(chosen):
    """Lengths of the runs of True that end within the row."""
    text = "".join("x" if one else "." for one in chosen.tolist())
    return [len(run) for run in text.split(".")[1:-1] if run]


@pytest.mark.parametrize(("probability", "mean"), [(0.15, 3.0), (0.4, 5.0), (0.15, 1.5)])
def test_spans_have_the_share_and_the_mean_length_that_were_asked_for(probability, mean):
    items = [{"input_ids": torch.full((2000,), 9)} for _ in range(50)]
    batch = MaskedLanguageModelCollator(12, probability, mean_span=mean)(items)
    chosen = batch["labels"] != -100
    assert chosen.float().mean().item() == pytest.approx(probability, abs=0.012)
    # Also at the ends, which a choice of starting points would favour or neglect.
    assert chosen[:, :40].float().mean().item() == pytest.approx(probability, abs=0.06)
    lengths = [length for row in chosen for length in spans_of(row)]
    assert sum(lengths) / len(lengths) == pytest.approx(mean, rel=0.07)
    hidden = batch["input_ids"]
    for row, picked in zip(hidden, chosen, strict=True):
        masked = (row == 4) & picked
        # A span is hidden as a whole or not at all.
        edges = picked[1:] & picked[:-1] & (masked[1:] != masked[:-1])
        assert not bool(edges.any())
    share = int((hidden == 4).sum()) / int(chosen.sum())
    assert share == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("mean", [1, 2.0])
def test_whole_patches_are_chosen(side, mean):
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randint(8, 12, (length,), generator=generator) for length in (403, 600, 57)]
    rows[1][::11] = 5  # N is not chosen, its patch is
    fixed = MaskedLanguageModelCollator(
        12, 0.3, mean_span=mean, align_to_patches=4, padding_side=side
    )
    starts = [torch.arange(len(row)) % 4 == 0 for row in rows]
    known = MaskedLanguageModelCollator(
        12, 0.3, mean_span=mean, align_to_patches="starts", padding_side=side
    )
    one = fixed([{"input_ids": row} for row in rows])
    other = known([{"input_ids": a, "patch_starts": b} for a, b in zip(rows, starts, strict=True)])
    assert all(torch.equal(one[name], other[name]) for name in one)
    seen = set()
    for number, row in enumerate(rows):
        real = one["attention_mask"][number].bool()
        chosen = one["labels"][number][real] != -100
        for patch in range(0, len(row), 4):
            letters = row[patch : patch + 4] >= 8
            picked = chosen[patch : patch + 4][letters]
            assert bool(picked.all()) or not bool(picked.any())
            seen.add(bool(picked.any()))
    assert seen == {True, False}


def test_unequal_patches_are_chosen_whole():
    starts = torch.tensor([1, 0, 1, 1, 0, 0, 0, 1, 0, 1]).bool()
    items = [{"input_ids": torch.full((10,), 9), "patch_starts": starts}] * 400
    batch = MaskedLanguageModelCollator(12, 0.4, align_to_patches="starts")(items)
    chosen = batch["labels"] != -100
    patch = starts.long().cumsum(0) - 1
    for number in range(5):
        picked = chosen[:, patch == number]
        assert torch.equal(picked.all(dim=1), picked.any(dim=1))
        assert picked[:, 0].float().mean().item() == pytest.approx(0.4, abs=0.08)
    with pytest.raises(DataError, match="item 0 of the batch has no patch_starts"):
        MaskedLanguageModelCollator(12, align_to_patches="starts")([{"input_ids": [9]}])


def test_random_letters_are_of_the_same_modality():
    ranges = [(8, 76), (76, 80), (80, 105)]
    ids = torch.cat([torch.randint(*one, (20_000,)) for one in ranges])
    ids[::50] = 5
    collator = MaskedLanguageModelCollator(105, 0.5, letter_ranges=ranges)
    batch = collator([{"input_ids": ids, "modality_ids": 0}])
    hidden, chosen = batch["input_ids"][0], batch["labels"][0] != -100
    assert batch["modality_ids"].tolist() == [0]
    for start, stop in ranges:
        inside = chosen & (ids >= start) & (ids < stop) & (hidden != 4)
        assert bool(((hidden[inside] >= start) & (hidden[inside] < stop)).all())
        changed = hidden[inside & (hidden != ids)]
        assert set(changed.tolist()) == set(range(start, stop))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean_span": 0.5}, "mean_span must be 1, or more than 1 at mask_probability=0.15, got"),
        (
            {"mask_probability": 0.75, "mean_span": 2},
            "mean_span must be 1, or more than 3 at mask_probability=0.75, got 2",
        ),
        ({"align_to_patches": 0}, "align_to_patches must be at least 1 token, got 0"),
        (
            {"align_to_patches": "ends"},
            "align_to_patches must be a number of tokens, 'starts' or None, got 'ends'",
        ),
        (
            {"letter_ranges": [(4, 8)]},
            r"letter_ranges must begin at 8 or later, hold an id and end at 12 at most; got \(4, 8",
        ),
        ({"letter_ranges": [(8, 13)]}, r"and end at 12 at most; got \(8, 13\)"),
    ],
)
def test_bad_ways_to_mask_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        MaskedLanguageModelCollator(12, **options)


def test_dna_rna_and_protein_share_a_batch():
    collator = MultiModalCollator([(8, 12), (12, 16), (16, 41)], padding_side="left")
    joint = {"input_ids": [2, 8, 3, 12, 3, 40], "modality_ids": [-1, 0, 0, 1, 1, 2]}
    batch = collator([{"input_ids": [16, 5, 17], "modality_ids": 2}, joint])
    assert batch["modality_ids"].tolist() == [[0, 0, 0, 2, 2, 2], [-1, 0, 0, 1, 1, 2]]
    assert batch["input_ids"].tolist() == [[0, 0, 0, 16, 5, 17], [2, 8, 3, 12, 3, 40]]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"input_ids": [8]}], "^the items of the batch have no modality_ids$"),
        (
            [{"input_ids": [8], "modality_ids": 3}],
            r"^modality_ids must lie in \[0, 3\), or .*; got 3$",
        ),
        (
            [{"input_ids": [8], "modality_ids": 0}, {"input_ids": [12, 9], "modality_ids": 1}],
            "^item 1 of the batch: token 9 is not one of modality 1; was it made by",
        ),
        (
            [{"input_ids": [8, 12], "modality_ids": [0, -1]}],
            "^item 0 of the batch: token 12 is not one of modality -1; was it made by",
        ),
        (
            [{"input_ids": [8, 12], "modality_ids": [0, 2]}],
            "^item 0 of the batch: token 12 is not one of modality 2; was it made by",
        ),
    ],
)
def test_a_token_of_another_modality_is_found(items, message):
    with pytest.raises(DataError, match=message):
        MultiModalCollator([(8, 12), (12, 16), (16, 41)])(items)


@pytest.mark.parametrize("side", ["right", "left"])
def test_genes_and_lone_molecules_share_a_batch_as_the_joint_tokenizer_makes_them(side):
    tokenizer = GenomicTokenizer()
    gene = GeneSequences("g", "ATGAAATAA", "AUGAAAUAA", "MK")
    lone = GenomicDataset(
        [
            {"sequence": "ACGTN", "modality": "dna"},
            {"sequence": "ACGU", "modality": "rna"},
            {"sequence": "MKVW", "modality": "protein"},
        ],
        tokenizer,
    )
    items = [JointExamples([gene], tokenizer)[0], *(lone[i] for i in range(3))]
    batch = MultiModalCollator(tokenizer.letter_ranges, padding_side=side)(items)
    real = batch["attention_mask"].bool()
    shown = [
        tokenizer.decode(row[mask]) for row, mask in zip(batch["input_ids"], real, strict=True)
    ]
    assert shown == ["ATGAAATAA[SEP]AUGAAAUAA[SEP]MK", "ACGTN", "ACGU", "MKVW"]
    said = batch["modality_ids"]
    letters = batch["input_ids"] >= 8
    seen = torch.from_numpy(tokenizer.modality_of(batch["input_ids"]))
    assert torch.equal(said[letters], seen[letters])
    masked = MaskedLanguageModelCollator(
        len(tokenizer), 0.5, letter_ranges=tokenizer.letter_ranges, padding_side=side
    )(items)
    assert torch.equal(masked["modality_ids"], said)
    hidden = torch.from_numpy(tokenizer.modality_of(masked["input_ids"]))
    still = masked["input_ids"] >= 8
    assert torch.equal(hidden[still], said[still])
