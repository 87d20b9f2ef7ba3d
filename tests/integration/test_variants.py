"""Variants as a user scores them: by the program, with models that were trained."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from hyena_glt.biology.intervals import Variant
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.simulation.classification import GATA_SITE, simulate_classification
from hyena_glt.evaluation.metrics import compute_metrics
from hyena_glt.inference.variant_files import unfinished_folder
from hyena_glt.inference.variants import BLOCK, VariantScorer
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer

SMALL = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "filter_size": 32,
    "local_hidden_size": 32, "max_position_embeddings": 128,
}  # fmt: skip
LENGTH = 60


def trained(sequences, labels):
    """A small classifier of sequences."""
    torch.manual_seed(0)
    tokenizer = DNATokenizer(kmer_size=1)
    config = HyenaGLTConfig.for_tokenizer(tokenizer, **SMALL, causal=False, num_labels=2)
    model = HyenaGLTForSequenceClassification(config).train()
    ids = torch.tensor([tokenizer.encode(sequence) for sequence in sequences])
    truth = torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(8):
        for some in torch.randperm(len(ids)).split(32):
            model(ids[some], labels=truth[some]).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval(), tokenizer


def effects(model, tokenizer, sequences, fasta, random):
    """Minus the change of the log odds, of variants inside motifs and of matched ones outside."""
    variants, inside = [], []
    for sequence in sequences:
        letters = sequence.sequence
        (site,) = sequence.features
        outside = [at for at in range(len(letters)) if not site.start <= at < site.stop]
        for at in range(site.start, site.stop):
            base = letters[at]
            alternative = random.choice([other for other in "ACGT" if other != base])
            twins = [other for other in outside if letters[other] == base]
            for place in (at, int(random.choice(twins))):
                variants.append(Variant(sequence.id, place, base, (alternative,)))
                inside.append(place == at)
    fasta.write_text("".join(f">{one.id}\n{one.sequence}\n" for one in sequences))
    scorer = VariantScorer(model, tokenizer, fasta, window=LENGTH, batch_size=64)
    losses = np.array([-score.values[0] for score in scorer.score(variants)])
    chances = 1 / (1 + np.exp(-losses))
    return compute_metrics(
        "single_label", np.array(inside, int), np.stack([1 - chances, chances], axis=1)
    )["auroc"]


@pytest.mark.slow
def test_variants_in_planted_motifs_score_above_matched_ones(tmp_path):
    torch.set_num_threads(1)
    data = list(simulate_classification(860, length=LENGTH, motifs=[GATA_SITE], seed=4))
    letters = [one.sequence for one in data[60:]]
    labels = [int(one.label == "positive") for one in data[60:]]
    carriers = [one for one in data[:60] if one.label == "positive"]
    random = np.random.default_rng(0)
    found = effects(*trained(letters, labels), carriers, tmp_path / "x.fa", random)
    assert found >= 0.95
    # Labels that mean nothing teach nothing.
    shuffled = random.permutation(labels)
    found = effects(*trained(letters, shuffled), carriers, tmp_path / "y.fa", random)
    assert 0.35 < found < 0.65


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model of random weights, a genome and variants on it."""
    folder = tmp_path_factory.mktemp("variants")
    torch.manual_seed(0)
    tokenizer = DNATokenizer(kmer_size=1)
    HyenaGLTForCausalLM(HyenaGLTConfig.for_tokenizer(tokenizer, **SMALL)).save_pretrained(
        folder / "model"
    )
    tokenizer.save_pretrained(folder / "model")
    genome = "".join(np.random.default_rng(0).choice(list("ACGT"), 3000))
    (folder / "genome.fa").write_text(f">chr1\n{genome}\n")
    with (folder / "in.vcf").open("w") as handle:
        handle.write("##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for at in range(4 * BLOCK):
            base = genome[at]
            handle.write(f"1\t{at + 1}\t.\t{base}\t{reverse_complement(base)}\t.\t.\tX={at}\n")
    return folder


def command(files, output, *more):
    return [
        sys.executable, "-m", "hyena_glt", "variants", "--model", str(files / "model"),
        "--fasta", str(files / "genome.fa"), "--output", str(output), "--window", "24", *more,
    ]  # fmt: skip


def run(words, **settings):
    return subprocess.run(
        words, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}, **settings,
    )  # fmt: skip


def test_what_sigkill_leaves_is_enough(files, tmp_path):
    """Standard input, killed in the middle, and gone on with from the copy that was kept."""
    output = tmp_path / "out.tsv"
    words = command(files, output, "--vcf", "-", "--contig-naming", "auto", "--batch-size", "8")
    journal = unfinished_folder(output) / "journal.json"
    with (files / "in.vcf").open() as handle:
        started = subprocess.Popen(
            words, stdin=handle, stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not journal.exists() and time.monotonic() < deadline:
            assert started.poll() is None
            time.sleep(0.002)
        started.send_signal(signal.SIGKILL)
        assert started.wait() == -signal.SIGKILL
    assert not output.exists()
    done = run([*words, "--resume"], stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "were done already" in done.stderr
    with output.open(newline="") as handle:
        found = list(csv.DictReader(handle, delimiter="\t"))
    assert [int(one["record"]) for one in found] == list(range(1, 4 * BLOCK + 1))
    assert [one["INFO"] for one in found] == [f"X={at}" for at in range(4 * BLOCK)]
    assert all(one["HGLT_UNSCORED"] == "." for one in found)
    assert len({one["HGLT_LLR"] for one in found}) > BLOCK


def test_the_program_offers_the_names_and_refuses_in_one_line(files, tmp_path):
    output = tmp_path / "out.vcf.gz"
    vcf = ("--vcf", str(files / "in.vcf"))
    done = run(command(files, output, *vcf))
    assert done.returncode == 0, done.stderr
    assert "(1 is chr1): --contig-naming auto finds them" in done.stderr
    assert f"not scored: the FASTA file has no such contig │ {4 * BLOCK:,} │" in done.stderr
    assert (tmp_path / "out.vcf.gz.tbi").exists()
    refused = run(command(files, tmp_path / "new.vcf", *vcf, "--strict"))
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert f"{4 * BLOCK:,} contig_not_in_fasta" in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"out.vcf.gz", "out.vcf.gz.tbi"}
