"""One model for DNA, RNA and protein: it learns all three at once, and one from another."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from hyena_glt.biology.codons import GENETIC_CODE, translate
from hyena_glt.config import MODALITIES, HyenaGLTConfig
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.multimodal import GeneSequences, JointExamples
from hyena_glt.io.records import LabelledRecord
from hyena_glt.model import HyenaGLTForMaskedLM, HyenaGLTForSequenceClassification
from hyena_glt.tasks.losses import IGNORED
from hyena_glt.tokenizers import GenomicTokenizer

TOKENIZER = GenomicTokenizer()
LETTERS = {"dna": "ACGT", "rna": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}
# The same letters mean "yes" in DNA and "no" in RNA: only a model that tells them apart gets both.
MOTIFS = {"dna": "GACGCACC", "rna": "GACGCACC", "protein": "WCHKW"}
TINY: dict[str, Any] = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "causal": False,
    "target_compression": 4.0, "max_position_embeddings": 128, "dropout": 0.0,
}  # fmt: skip


def planted(count, seed):
    """Sequences of every molecule, half of them with its motif."""
    rng = np.random.default_rng(seed)
    records = []
    for modality in MODALITIES:
        for number in range(count):
            letters = rng.choice(list(LETTERS[modality]), size=rng.integers(24, 36)).tolist()
            has_motif = number % 2 == 0
            if has_motif:
                start = rng.integers(0, len(letters) - 8)
                letters[start : start + len(MOTIFS[modality])] = MOTIFS[modality]
            positive = has_motif != (modality == "rna")
            records.append(
                LabelledRecord(
                    f"{modality}_{number}", "".join(letters), str(int(positive)), modality=modality
                )
            )
    return GenomicDataset(records, TOKENIZER, None)


def test_one_model_learns_three_molecules_from_mixed_batches():
    train, test = planted(300, seed=1), planted(60, seed=2)
    torch.manual_seed(0)
    model = HyenaGLTForSequenceClassification(
        HyenaGLTConfig.for_tokenizer(TOKENIZER, num_labels=2, **TINY)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=9)
    collate = SequenceCollator()
    loader = DataLoader(
        train, batch_size=50, shuffle=True, collate_fn=collate,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    mixed = 0
    for _ in range(9):
        for batch in loader:
            mixed += len(set(batch["modality_ids"].tolist())) == 3
            loss = model.train()(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    assert mixed == 9 * len(loader)
    with torch.no_grad():
        batch = collate([test[i] for i in range(len(test))])
        right = model.eval()(**batch).logits.argmax(dim=1) == batch["labels"]
    for number, modality in enumerate(MODALITIES):
        accuracy = float(right[batch["modality_ids"] == number].float().mean())
        assert accuracy > 0.9, modality


CODONS = [codon for codon, letter in sorted(GENETIC_CODE.items()) if letter != "*"][::5]


def genes(count, seed, length=12):
    """Genes of few codons each: whoever reads the DNA knows what the protein is made of."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        few = rng.choice(CODONS, size=2, replace=False)
        dna = "".join(rng.choice(few, size=length))
        yield GeneSequences(str(number), dna, dna.replace("T", "U"), translate(dna))


def guessing(items, *, visible):
    """Batches whose proteins are hidden, and their DNA too where it is not to be seen."""
    batch = SequenceCollator()(items)
    is_protein = (batch["modality_ids"] == 2) & (batch["input_ids"] >= 8)
    hidden = is_protein if visible else batch["input_ids"] >= 8
    batch["labels"] = batch["input_ids"].masked_fill(~is_protein, IGNORED)
    batch["input_ids"] = batch["input_ids"].masked_fill(hidden, TOKENIZER.mask_token_id)
    return batch


def test_a_protein_is_predicted_better_where_its_dna_is_visible():
    train = JointExamples(genes(1500, seed=1), TOKENIZER, ("dna", "protein"))
    test = JointExamples(genes(100, seed=2), TOKENIZER, ("dna", "protein"))
    torch.manual_seed(0)
    model = HyenaGLTForMaskedLM(HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = np.random.default_rng(3)
    for step in range(160):
        items = [train[int(i)] for i in rng.choice(len(train), size=32)]
        loss = model.train()(**guessing(items, visible=step % 4 != 0)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    items = [test[i] for i in range(len(test))]
    with torch.no_grad():
        seen = float(model(**guessing(items, visible=True)).loss)
        unseen = float(model(**guessing(items, visible=False)).loss)
    assert seen < unseen - 0.5, (seen, unseen)


def table(path, count, seed):
    """Sequences of every molecule as a table; what is long is positive."""
    rng = np.random.default_rng(seed)
    rows = ["id\tmolecule\tsequence\tlabel"]
    for modality in MODALITIES:
        for number in range(count):
            positive = number % 2 == 0
            letters = rng.choice(list(LETTERS[modality]), size=30 if positive else 12)
            rows.append(f"{modality}_{number}\t{modality}\t{''.join(letters)}\t{int(positive)}")
    path.write_text("\n".join(rows) + "\n")
    return path


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "hyena_glt", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )


def test_the_command_line_trains_evaluates_and_predicts(tmp_path):
    train, test = table(tmp_path / "train.tsv", 40, 1), table(tmp_path / "test.tsv", 10, 2)
    folder = tmp_path / "run"
    small = ("--set", "model.hidden_size=32", "--set", "model.num_attention_heads=4",
             "--set", "model.filter_size=32", "--set", "model.local_hidden_size=32")  # fmt: skip
    shown = run(
        "train", "--train", train, "--test", test, "--molecule", "mixed", "--epochs", 2,
        "--output", folder, *small,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "by molecule" in shown.stderr
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["by_modality"]) == ["dna", "rna", "protein"]
    assert metrics["baseline"]["by_modality"].keys() == metrics["by_modality"].keys()
    mean = np.mean([part["accuracy"] for part in metrics["by_modality"].values()])
    assert np.isclose(mean, metrics["test"]["accuracy"])

    scored = tmp_path / "scored.json"
    assert (
        "protein" in run("evaluate", "--model", folder, "--test", test, "--output", scored).stdout
    )
    assert json.loads(scored.read_text())["by_modality"] == metrics["by_modality"]
    predicted = run("predict", "--model", folder, "--input", test).stdout.splitlines()[1:]
    truth = [line.split("\t")[3] for line in test.read_text().splitlines()[1:]]
    found = [line.split("\t")[1] for line in predicted]
    right = np.mean([one == other for one, other in zip(found, truth, strict=True)])
    assert np.isclose(right, metrics["test"]["accuracy"])


def test_the_command_line_refuses_what_does_not_say_its_molecule(tmp_path):
    for text, message in (
        ("id\tsequence\tlabel\nwhat\tACGT\t1\n", "what: it is not said which molecule this is"),
        ("id\tsequence\tmodality\tlabel\nodd\tMLE\tdna\t1\n", "odd: 2 foreign letters"),
    ):
        path = tmp_path / "train.tsv"
        path.write_text(text)
        refused = run(
            "train", "--train", path, "--molecule", "mixed", "--output", tmp_path / "never"
        )
        assert refused.returncode == 2
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not (tmp_path / "never").exists()
