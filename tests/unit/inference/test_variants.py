import numpy as np
import pytest
import torch

from hyena_glt.biology.intervals import Variant
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.inference.scoring import iter_log_likelihoods
from hyena_glt.inference.variants import VariantScorer
from hyena_glt.model import HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer

WINDOW = 40


def letters(length, seed=0, alphabet="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(alphabet), length))


GENOME = letters(300) + "CACACACACACA" + letters(200, 1)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "genome.fa"
    other = reverse_complement(GENOME)
    path.write_text(f">chr1\n{GENOME}\n>other\n{other}\n>short\n{GENOME[:25]}\n")
    return path


@pytest.fixture(scope="module")
def masked(build, tokenizer):
    return build(tokenizer, causal=False)


@pytest.fixture(scope="module")
def classify():
    def make(tokenizer, **fields):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            config = HyenaGLTConfig.for_tokenizer(
                tokenizer, hidden_size=32, num_layers=2, num_attention_heads=4, causal=False,
                filter_size=32, max_position_embeddings=128, **fields,
            )  # fmt: skip
            return HyenaGLTForSequenceClassification(config).eval()

    return make


def changed(at, length, alternative, contig="chr1"):
    return Variant(contig, at, GENOME[at : at + length], (alternative,))


def flip(letter):
    return "ACGT"[("ACGT".index(letter) + 1) % 4]


VARIANTS = [
    changed(100, 1, flip(GENOME[100])),
    changed(101, 3, "".join(map(flip, GENOME[101:104]))),
    changed(120, 1, GENOME[120] + "GATTA"),
    changed(140, 4, GENOME[140]),
    changed(160, 5, "GC"),
    changed(2, 1, flip(GENOME[2])),
    changed(len(GENOME) - 1, 1, flip(GENOME[-1])),
    changed(len(GENOME) - 3, 2, GENOME[len(GENOME) - 3]),
    changed(0, 1, flip(GENOME[0])),
]


def on_the_other_strand(variant):
    at = len(GENOME) - variant.position - len(variant.reference)
    alleles = tuple(map(reverse_complement, variant.alternatives))
    return Variant("other", at, reverse_complement(variant.reference), alleles)


def values(scorer, variants):
    scores = list(scorer.score(variants))
    assert [score.reason for score in scores] == [""] * len(scores)
    return np.array([score.values for score in scores])


def test_a_causal_model_compares_whole_windows(model, tokenizer, fasta):
    """The reference adds up every token of either window, those before the variant too."""

    def whole(text):
        ids = torch.tensor(tokenizer.encode(text))
        return float(np.concatenate(list(iter_log_likelihoods(model, ids))).sum())

    at = 100
    variant = changed(at, 1, flip(GENOME[at]))
    start = at - WINDOW // 2
    reference = GENOME[start : start + WINDOW]
    mutant = GENOME[start:at] + flip(GENOME[at]) + GENOME[at + 1 : start + WINDOW]
    forward = whole(mutant) - whole(reference)
    scorer = VariantScorer(model, tokenizer, fasta, window=WINDOW, strand="forward")
    assert values(scorer, [variant])[0, 0] == pytest.approx(forward, abs=1e-4)
    # The other strand reads the base in the middle too, with an odd number of bases.
    odd = WINDOW - 1
    start = at - odd // 2
    reference, mutant = (
        reverse_complement(GENOME[start:at] + base + GENOME[at + 1 : start + odd])
        for base in (GENOME[at], flip(GENOME[at]))
    )
    backward = whole(mutant) - whole(reference)
    scorer = VariantScorer(model, tokenizer, fasta, window=odd, strand="reverse")
    assert values(scorer, [variant])[0, 0] == pytest.approx(backward, abs=1e-4)
    forward = values(
        VariantScorer(model, tokenizer, fasta, window=odd, strand="forward"), [variant]
    )[0, 0]
    both = VariantScorer(model, tokenizer, fasta, window=odd)
    assert both.strands == ("+", "-")
    assert values(both, [variant])[0, 0] == pytest.approx((forward + backward) / 2, abs=1e-4)


def test_a_masked_model_is_asked_for_hidden_letters(masked, tokenizer, fasta):
    at, length = 101, 3
    variant = VARIANTS[1]
    start = at + length // 2 - WINDOW // 2
    window = GENOME[start : start + WINDOW]
    ids = torch.tensor([tokenizer.encode(window)])
    hidden = slice(at - start, at - start + length)
    ids[0, hidden] = 4
    with torch.no_grad():
        chances = masked(ids).logits[0, hidden].log_softmax(dim=-1)
    expected = sum(
        float(chances[i, 8 + "ACGT".index(new)] - chances[i, 8 + "ACGT".index(old)])
        for i, (old, new) in enumerate(zip(variant.reference, variant.alternatives[0], strict=True))
    )
    scorer = VariantScorer(masked, tokenizer, fasta, window=WINDOW, strand="forward")
    assert values(scorer, [variant])[0, 0] == pytest.approx(expected, abs=1e-4)
    # Reference and every alternative share one forward pass.
    calls = []
    handle = masked.register_forward_pre_hook(lambda *_: calls.append(1))
    alleles = tuple(sorted(set("ACGT") - {GENOME[at]}))
    scorer = VariantScorer(masked, tokenizer, fasta, window=WINDOW, strand="forward", batch_size=1)
    assert len(list(scorer.score([Variant("chr1", at, GENOME[at], alleles)]))) == 3
    handle.remove()
    assert len(calls) == 1


@pytest.mark.parametrize("kind", ["causal", "masked", "head"])
def test_scores_do_not_depend_on_strand_batch_or_place(
    kind, model, masked, classify, tokenizer, fasta
):
    network = {"causal": model, "masked": masked, "head": classify(tokenizer)}[kind]

    def scored(variants, **settings):
        scorer = VariantScorer(network, tokenizer, fasta, window=WINDOW, strand="both", **settings)
        return values(scorer, variants)

    found = scored(VARIANTS)
    assert np.abs(found).min() > 1e-7
    mirrored = scored([on_the_other_strand(variant) for variant in VARIANTS])
    np.testing.assert_allclose(mirrored, found, atol=2e-5)
    np.testing.assert_allclose(scored(VARIANTS, batch_size=1), found, atol=2e-5)
    alone = np.concatenate([scored([variant]) for variant in VARIANTS])
    np.testing.assert_allclose(alone, found, atol=2e-5)


def test_an_indel_in_a_repeat_scores_the_same_however_it_is_written(model, tokenizer, fasta):
    scorer = VariantScorer(model, tokenizer, fasta, window=WINDOW)
    ways = [changed(at, 3, GENOME[at]) for at in (301, 303, 305)]
    ways.append(changed(300, 12, GENOME[300:310]))
    found = values(scorer, ways)[:, 0]
    np.testing.assert_allclose(found, found[0], atol=1e-6)


def test_kmers_and_unknown_bases(build, fasta, tmp_path):
    tokenizer = DNATokenizer(kmer_size=3)
    network = build(tokenizer)
    scorer = VariantScorer(network, tokenizer, fasta, window=41, strand="forward")
    assert scorer.window == 39
    variant = changed(100, 1, flip(GENOME[100]))
    # Base 19 of 39 lies in the seventh k-mer.
    start = 100 - 19
    sums = []
    for base in (GENOME[100], variant.alternatives[0]):
        window = GENOME[start:100] + base + GENOME[101 : start + 39]
        ids = torch.tensor(tokenizer.encode(window))
        sums.append(np.concatenate(list(iter_log_likelihoods(network, ids)))[6:].sum())
    assert values(scorer, [variant])[0, 0] == pytest.approx(sums[1] - sums[0], abs=1e-4)
    # An N behind the variant is context, and counts nothing by itself.
    path = tmp_path / "n.fa"
    path.write_text(f">chr1\n{GENOME[:110]}nnnnnR{GENOME[116:]}\n")
    assert np.isfinite(values(VariantScorer(network, tokenizer, path, window=39), [variant])).all()


@pytest.mark.parametrize("causal", [True, False])
def test_beside_a_gap_a_window_of_kmers_is_no_longer_than_the_model_takes(
    build, fasta, tmp_path, causal
):
    """A k-mer that holds N is read base by base, so that the usual window is too many tokens."""
    tokenizer = DNATokenizer(kmer_size=3)
    network = build(tokenizer, causal=causal, max_position_embeddings=40)
    path = tmp_path / "gap.fa"
    path.write_text(f">chr1\n{GENOME[:110]}{'N' * 60}{GENOME[170:]}\n")
    near, far = (changed(at, 1, flip(GENOME[at])) for at in (100, 300))
    found = values(VariantScorer(network, tokenizer, path), [near, far])
    shorter = values(VariantScorer(network, tokenizer, path, window=39), [near])
    assert found[0] == pytest.approx(shorter[0], abs=1e-6)
    whole = values(VariantScorer(network, tokenizer, fasta), [far])
    assert found[1] == pytest.approx(whole[0], abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"num_labels": 2}, ["HGLT_DLOGIT", "HGLT_DPROB"]),
        ({"num_labels": 1, "problem_type": "regression"}, ["HGLT_DELTA"]),
        (
            {"id2label": {0: "a b", 1: "c", 2: "d"}, "label2id": {"a b": 0, "c": 1, "d": 2}},
            [f"HGLT_{kind}_{name}" for kind in ("DLOGIT", "DPROB") for name in ("a_b", "c", "d")],
        ),
        (
            {"num_labels": 2, "problem_type": "multi_label_classification"},
            [f"HGLT_{k}_LABEL_{n}" for k in ("DLOGIT", "DPROB") for n in (0, 1)],
        ),
    ],
)  # fmt: skip
def test_heads_give_differences_of_what_they_predict(fields, names, classify, tokenizer, fasta):
    network = classify(tokenizer, **fields)
    scorer = VariantScorer(network, tokenizer, fasta, window=WINDOW, embeddings=True)
    assert [column.name for column in scorer.columns] == names
    assert scorer.strands == ("+",)
    at = 100
    start = at - WINDOW // 2
    outputs = []
    for base in (GENOME[at], flip(GENOME[at])):
        ids = tokenizer.encode(GENOME[start:at] + base + GENOME[at + 1 : start + WINDOW])
        with torch.no_grad():
            outputs.append(network(torch.tensor([ids])))
    reference, alternative = (output.logits[0].double() for output in outputs)
    kind = fields.get("problem_type")
    if kind == "regression":
        expected = alternative - reference
    elif kind is None:
        old, new = reference.softmax(dim=0), alternative.softmax(dim=0)
        keep = slice(1 if len(old) == 2 else 0, None)
        expected = torch.cat([(new.logit() - old.logit())[keep], (new - old)[keep]])
    else:
        expected = torch.cat([alternative - reference, alternative.sigmoid() - reference.sigmoid()])
    score = next(scorer.score([VARIANTS[0]]))
    np.testing.assert_allclose(score.values, expected.numpy(), atol=1e-6)
    means = [output.last_hidden_state[0].double().mean(dim=0) for output in outputs]
    assert score.embedding is not None
    np.testing.assert_allclose(score.embedding, (means[1] - means[0]).numpy(), atol=1e-6)
    assert np.abs(score.embedding).max() > 1e-4


def test_embeddings_of_a_masked_model_have_seen_the_allele(masked, tokenizer, fasta):
    scorer = VariantScorer(
        masked, tokenizer, fasta, window=WINDOW, strand="forward", embeddings=True
    )
    score = next(scorer.score([VARIANTS[0]]))
    start = 100 - WINDOW // 2
    window = GENOME[start : start + WINDOW]
    mutant = window[: WINDOW // 2] + flip(GENOME[100]) + window[WINDOW // 2 + 1 :]
    with torch.no_grad():
        old, new = (
            masked(torch.tensor([tokenizer.encode(text)])).last_hidden_state[0].mean(dim=0)
            for text in (window, mutant)
        )
    np.testing.assert_allclose(score.embedding, (new - old).numpy(), atol=1e-6)


def test_a_model_that_averages_strands_reads_one(classify, tokenizer, fasta):
    network = classify(tokenizer, num_labels=2, reverse_complement="average")
    assert VariantScorer(network, tokenizer, fasta, window=WINDOW).strands == ("+",)
    with pytest.raises(ConfigError, match="cannot read the reverse one alone"):
        VariantScorer(network, tokenizer, fasta, window=WINDOW, strand="reverse")


def test_what_cannot_be_scored_says_why_and_nothing_is_dropped(model, tokenizer, fasta):
    base = GENOME[50]
    good = flip(base)
    wrong = flip(base)
    variants = [
        Variant("chr9", 50, "A", ("C",)),
        Variant("chr1", 50, wrong, (base, good)),
        Variant("chr1", len(GENOME) - 1, GENOME[-1] + "A", ("C",)),
        Variant("chr1", 10**9, "A", ("C",)),
        Variant("chr1", 50, base, ()),
        Variant(
            "chr1", 50, base.lower(), (good.lower(), "<DEL>", "*", f"{base}[chr1:9[", "N", base)
        ),
        Variant("chr1", 50, base, (base + "A" * 30,)),
        Variant("short", 24, GENOME[24], (GENOME[24] + "A",)),
    ]
    scores = list(VariantScorer(model, tokenizer, fasta, window=WINDOW).score(variants, block=3))
    assert [(score.alternative, score.reason) for score in scores] == [
        ("C", "contig_not_in_fasta"),
        (base, "ref_mismatch"),
        (good, "ref_mismatch"),
        ("C", "beyond_contig_end"),
        ("C", "beyond_contig_end"),
        (".", "no_alternative"),
        (good.lower(), ""),
        ("<DEL>", "symbolic_allele"),
        ("*", "spanning_deletion"),
        (f"{base}[chr1:9[", "breakend"),
        ("N", "ambiguous_allele"),
        (base, "same_as_ref"),
        (base + "A" * 30, "allele_too_long"),
        (GENOME[24] + "A", "allele_too_long"),
    ]
    assert [score.values is None for score in scores] == [bool(score.reason) for score in scores]
    assert list(VariantScorer(model, tokenizer, fasta, window=WINDOW).score([])) == []


def test_settings_that_make_no_sense_are_refused(model, build, tokenizer, fasta):
    with pytest.raises(ConfigError, match="window must be 2 to 128 bases for this model, got 129"):
        VariantScorer(model, tokenizer, fasta, window=129)
    with pytest.raises(ConfigError, match="strand must be auto, both, forward or reverse"):
        VariantScorer(model, tokenizer, fasta, strand="+")
    with pytest.raises(ConfigError, match="contig naming must be as-is or auto"):
        VariantScorer(model, tokenizer, fasta, contig_naming="chr")
    with pytest.raises(ConfigError, match="batch_size must be at least 1"):
        VariantScorer(model, tokenizer, fasta, batch_size=0)
    overlapping = DNATokenizer(kmer_size=3, stride=1)
    with pytest.raises(ConfigError, match="tokens that do not overlap"):
        VariantScorer(build(overlapping), overlapping, fasta)
    protein = ProteinTokenizer(kmer_size=1)
    with pytest.raises(ConfigError, match="models of DNA, not of protein"):
        VariantScorer(build(protein), protein, fasta)
