import csv
import gzip

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.annotator import FeatureCaller, GenomeAnnotator
from hyena_glt.inference.tables import base_table
from hyena_glt.model import HyenaGLTForTokenClassification
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer

NAMES = ["other", "CDS+", "CDS-"]


def model_of(tokenizer, **options):
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(
        tokenizer, hidden_size=32, num_layers=1, num_attention_heads=4, causal=False,
        num_labels=3, max_position_embeddings=64, **options,
    )  # fmt: skip
    config.id2label = dict(enumerate(NAMES))
    return HyenaGLTForTokenClassification(config).eval()


@pytest.fixture(scope="module")
def annotator():
    tokenizer = DNATokenizer(kmer_size=1)
    return GenomeAnnotator(model_of(tokenizer, reverse_complement="average"), tokenizer)


def whole(annotator, codes, **options):
    parts = list(annotator.iter_probabilities(np.asarray(codes, dtype=np.uint8), **options))
    position = 0
    for start, part in parts:
        assert start == position
        position += len(part)
    return np.concatenate([part for _, part in parts])


@pytest.mark.parametrize("length", [1, 3, 63, 64, 65, 97, 500])
def test_every_base_of_a_contig_of_any_length_gets_probabilities_once(annotator, length):
    codes = np.random.default_rng(length).integers(0, 5, length)
    found = whole(annotator, codes, batch_size=3)
    assert found.shape == (length, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(whole(annotator, codes, batch_size=1), found, atol=1e-4)


def test_a_short_contig_is_one_forward_pass(annotator):
    codes = np.random.default_rng(0).integers(0, 4, 50)
    ids = torch.from_numpy(codes[None] + 8)
    with torch.no_grad():
        expected = annotator.model(input_ids=ids).logits[0].softmax(dim=-1).numpy()
    np.testing.assert_allclose(whole(annotator, codes), expected, atol=1e-5)


def test_the_other_strand_has_the_mirrored_classes(annotator):
    codes = np.random.default_rng(1).integers(0, 4, 60)
    there, back = whole(annotator, codes), whole(annotator, 3 - codes[::-1])
    np.testing.assert_allclose(back[::-1][:, [0, 2, 1]], there, atol=1e-5)


def test_both_strands_are_averaged_where_the_model_does_not_do_so():
    tokenizer = DNATokenizer(kmer_size=1)
    plain = GenomeAnnotator(model_of(tokenizer), tokenizer)
    assert plain.stranded
    codes = np.random.default_rng(2).integers(0, 4, 150)
    there, back = whole(plain, codes), whole(plain, 3 - codes[::-1])
    turned = back[::-1][:, [0, 2, 1]]
    assert np.abs(turned - there).max() > 1e-3
    # Windows of 64 bases lie elsewhere in a turned contig; the first is one of both.
    found = whole(plain, codes[:64], both_strands=True)
    single = whole(plain, codes[:64]), whole(plain, 3 - codes[:64][::-1])[::-1][:, [0, 2, 1]]
    np.testing.assert_allclose(found, sum(single) / 2, atol=1e-6)
    other = GenomeAnnotator(model_of(tokenizer), tokenizer)
    other.labels = ["other", "exon", "gene"]
    assert not other.stranded
    np.testing.assert_array_equal(whole(other, codes, both_strands=True), there)


def test_a_contig_is_read_piece_by_piece(annotator):
    class Watched:
        def __init__(self, codes):
            self.codes, self.longest = codes, 0

        def __len__(self):
            return len(self.codes)

        def __getitem__(self, place):
            self.longest = max(self.longest, place.stop - place.start)
            return self.codes[place]

    codes = np.random.default_rng(3).integers(0, 5, 700).astype(np.uint8)
    watched = Watched(codes)
    parts = [part for _, part in annotator.iter_probabilities(watched, batch_size=2)]
    assert watched.longest <= 64 + 32
    np.testing.assert_allclose(np.concatenate(parts), whole(annotator, codes), atol=1e-4)


def test_models_of_something_else_are_refused(tmp_path):
    tokenizer = ProteinTokenizer(kmer_size=1)
    with pytest.raises(ConfigError, match="single-nucleotide"):
        GenomeAnnotator(model_of(tokenizer), tokenizer)
    with pytest.raises(DataError, match=r"config\.json"):
        GenomeAnnotator.from_pretrained(tmp_path)


def probabilities(classes):
    return (np.eye(3)[np.array(classes, dtype=int)] * 0.6 + 0.1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=12), st.integers(1, 20))
def test_features_are_the_runs_of_a_class(runs, block):
    classes = [number for number, length in runs for _ in range(length)]
    caller = FeatureCaller("chr", NAMES, start=100, shortest=3)
    found = []
    for start in range(0, len(classes), block):
        found += caller.add(probabilities(classes[start : start + block]))
    found += caller.finish()
    expected, at = [], 0
    while at < len(classes):
        end = at
        while end < len(classes) and classes[end] == classes[at]:
            end += 1
        if classes[at] and end - at >= 3:
            expected.append((100 + at, 100 + end, "CDS", NAMES[classes[at]][-1], 0.7))
        at = end
    assert [(f.start, f.end, f.kind, f.strand, f.score) for f in found] == expected
    assert [f.attributes["ID"] for f in found] == [f"CDS_{n + 1}" for n in range(len(found))]


def test_bases_are_written_with_what_is_known(tmp_path):
    path = tmp_path / "bases.tsv.gz"
    with base_table(path, NAMES) as table:
        table.add("chr\t1", 7, probabilities([1, 0]), np.array([2, -100]))
        table.add("chr", 0, probabilities([2]))
    with gzip.open(path, "rt", newline="") as handle:
        rows = list(csv.reader(handle, delimiter="\t"))
    assert rows == [
        ["contig", "position", "label", "prediction", "p_other", "p_CDS+", "p_CDS-"],
        ["chr\t1", "7", "CDS-", "CDS+", "0.1000", "0.7000", "0.1000"],
        ["chr\t1", "8", "", "other", "0.7000", "0.1000", "0.1000"],
        ["chr", "0", "", "CDS-", "0.1000", "0.1000", "0.7000"],
    ]
