import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyena_glt.data.collators import (
    CausalLanguageModelCollator,
    MaskedLanguageModelCollator,
    SequenceCollator,
)
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.tokenizers import DNATokenizer


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
