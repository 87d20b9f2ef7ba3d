"""The ``Trainer`` of Hugging Face, for those who have their training built on it."""

import json

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.collators import CausalLanguageModelCollator, SequenceCollator
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.model import HyenaGLTForCausalLM, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.finetuning import StartingPoint

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "target_compression": 4.0,
}  # fmt: skip


def sequences(count, seed, word="TATAAA"):
    """Of unequal length; every second one holds the word."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        letters = "".join(random.choice(list("ACGT"), int(random.integers(30, 50))))
        if number % 2:
            letters = letters[:10] + word + letters[16:]
        rows.append({"sequence": letters, "labels": number % 2})
    return rows


def trainer_of(model, folder, rows, collator, task, *, steps, **options):
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=16,
        learning_rate=5e-3, logging_steps=1, save_steps=steps, seed=0, use_cpu=True,
        remove_unused_columns=False, disable_tqdm=True, **options,
    )  # fmt: skip
    dataset = GenomicDataset(rows, TOKENIZER, task=task)
    held_out = GenomicDataset(sequences(32, 9), TOKENIZER, task=task)
    return Trainer(
        model=model, args=arguments, data_collator=collator, train_dataset=dataset,
        eval_dataset=held_out, processing_class=TOKENIZER,
        compute_metrics=accuracy if task == "classification" else None,
    )  # fmt: skip


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def assert_loads(kind, folder, model):
    loaded, info = kind.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.cpu()), name
    ids = torch.randint(8, 12, (2, 40))
    model.eval()
    with torch.no_grad():
        assert torch.equal(loaded.eval()(ids).logits, model(ids).logits)


def test_it_trains_a_classifier_whose_checkpoint_loads(tmp_path):
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY, causal=False, num_labels=2)
    model = HyenaGLTForSequenceClassification(config)
    trainer = trainer_of(
        model, tmp_path, sequences(128, 0), SequenceCollator(), "classification", steps=24
    )
    trainer.train()
    seen = losses(trainer)
    assert len(seen) == 24
    assert np.mean(seen[-4:]) < 0.75 * np.mean(seen[:4])
    assert int(model.model.initial_merger.updates) == 24
    metrics = trainer.evaluate()
    assert metrics["eval_accuracy"] > 0.7
    assert_loads(HyenaGLTForSequenceClassification, tmp_path / "checkpoint-24", model)
    assert isinstance(StartingPoint(tmp_path / "checkpoint-24").tokenizer, DNATokenizer)


def test_it_trains_a_language_model_whose_checkpoint_loads(tmp_path):
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY)
    model = HyenaGLTForCausalLM(config)
    rows = [{"sequence": "ACGGT" * 8 + "ACGGT"[:cut]} for cut in range(5)] * 8
    trainer = trainer_of(
        model, tmp_path, rows, CausalLanguageModelCollator(), "language_modeling", steps=40
    )
    trainer.train()
    seen = losses(trainer)
    assert seen[0] == pytest.approx(np.log(4), abs=1.5)
    assert np.mean(seen[-3:]) < 0.7
    assert np.isfinite(trainer.evaluate()["eval_loss"])
    assert_loads(HyenaGLTForCausalLM, tmp_path / "checkpoint-40", model)


def test_it_goes_on_from_its_checkpoint(tmp_path):
    def make():
        torch.manual_seed(0)
        config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **TINY, causal=False, num_labels=2)
        model = HyenaGLTForSequenceClassification(config)
        return trainer_of(
            model, tmp_path, sequences(64, 0), SequenceCollator(), "classification", steps=8,
            save_total_limit=3,
        )  # fmt: skip

    whole = make()
    whole.args.save_steps = whole.state.save_steps = 4
    whole.train()
    expected = {name: value.clone() for name, value in whole.model.state_dict().items()}
    state = json.loads((tmp_path / "checkpoint-4" / "trainer_state.json").read_text())
    assert state["global_step"] == 4
    again = make()
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
