import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, TrainingError
from hyena_glt.layers.block import HyenaGLTBlock, LocalLayer
from hyena_glt.model import (
    HyenaGLTForCausalLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training import trained_parts as module
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.trained_parts import plain, trained_parts

TOKENIZER = DNATokenizer(kmer_size=1)
CONFIG = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "target_compression": 4.0, "dropout": 0.2,
}  # fmt: skip
FREEZE = TrainingSettings(freeze="backbone", num_epochs=2)
LORA = TrainingSettings(lora_rank=4, num_epochs=2)


def make(kind=HyenaGLTForSequenceClassification, **fields):
    config = HyenaGLTConfig.for_tokenizer(TOKENIZER, **{"causal": False, **CONFIG, **fields})
    model = kind(config).train()
    model(torch.randint(8, 12, (4, 60)))  # the merger has followed some data
    return model


def loaders():
    random = np.random.default_rng(0)
    rows = [
        {"sequence": "".join(random.choice(list("ACGT"), 40)), "labels": number % 2}
        for number in range(48)
    ]
    return create_genomic_dataloaders(rows[:32], rows[32:], TOKENIZER, 16)


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def train(model, settings, **options):
    trainer = EnhancedTrainingPipeline(model.config, settings, model=model, progress=False)
    parts = loaders()
    trainer.train(parts["train"], parts["val"], **options)
    return trainer


def test_a_frozen_trunk_does_not_move_and_the_head_does():
    model = make()
    before, head = state(model.model), state(model.classifier)
    assert int(before["initial_merger.updates"]) == 1
    trainer = train(model, FREEZE)
    assert moved(before, state(model.model)) == set()
    assert {"hidden.weight", "out.weight", "norm.weight"} <= moved(head, state(model.classifier))
    assert model.kmer_readout.weight.abs().max() > 0
    assert all(weight.requires_grad for weight in model.parameters())
    notes = [event.get("message", "") for event in trainer.log.events]
    note = next(note for note in notes if "the head alone" in note)
    count = model.num_parameters() - model.model.num_parameters()
    assert f"{count:,} weights" in note


def test_a_frozen_trunk_drops_nothing_and_keeps_no_graph():
    model = make(head_dropout=0.0, kmer_readout=False)
    ids = torch.randint(8, 12, (2, 50))
    with trained_parts(model, FREEZE):
        model.train()
        assert model.classifier.training
        assert not any(part.training for part in model.model.modules())
        one, other = model(ids), model(ids, labels=torch.tensor([0, 1]))
        assert torch.equal(one.logits, other.logits)
        assert one.last_hidden_state.grad_fn is None
        other.loss.backward()
    assert model.classifier.out.weight.grad is not None
    assert all(weight.grad is None for weight in model.model.parameters())
    model.train()
    assert model.model.layers[0].training


@pytest.mark.parametrize(
    "kind", [HyenaGLTForSequenceClassification, HyenaGLTForTokenClassification]
)
def test_additions_alone_move_beside_the_head(kind):
    model = make(kind)
    before = state(model)
    linear = {
        f"{place}.{name}"
        for place, block in model.named_modules()
        if isinstance(block, HyenaGLTBlock | LocalLayer)
        for name, layer in block.named_modules()
        if isinstance(layer, nn.Linear)
    }
    with trained_parts(model, LORA):
        assert model(torch.randint(8, 12, (2, 50))).logits.requires_grad
        trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
        additions = {name for name in trained if ".lora_" in name}
        heads = {name for name, _ in model.named_parameters() if not name.startswith("model.")}
        assert trained == additions | heads
        layers = {name.partition(".lora_")[0] for name in additions}
        assert layers == linear
        optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2)
        labels = torch.zeros(2, 50, dtype=torch.long)
        if kind is HyenaGLTForSequenceClassification:
            labels = torch.tensor([0, 1])
        for _ in range(2):
            model(torch.randint(8, 12, (2, 50)), labels=labels).loss.backward()
            optimizer.step()
        now = state(model)
        same = {name: now[name.replace(".weight", ".base_layer.weight")]
                if name not in now else now[name] for name in before}  # fmt: skip
        changed = moved(before, same)
        buffers = {name for name, _ in model.named_buffers()}
        assert {name for name in changed if name.startswith("model.")} <= buffers
        assert any("lora_B" in name and now[name].abs().max() > 0 for name in now)
    assert state(model).keys() == before.keys()
    after = moved(before, state(model))
    assert "model.layers.0.mlp.up.weight" in after
    assert "model.embeddings.weight" not in after
    assert all(weight.requires_grad for weight in model.parameters())


def test_merged_weights_predict_what_the_additions_did(tmp_path):
    model = make().eval()
    ids, mask = torch.randint(8, 12, (3, 80)), torch.ones(3, 80, dtype=torch.long)
    mask[1, 50:] = 0
    with torch.no_grad():
        first = model(ids, attention_mask=mask).logits
        with trained_parts(model, LORA):
            assert torch.equal(model(ids, attention_mask=mask).logits, first)
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.2)
            expected = model(ids, attention_mask=mask).logits
            plain(model).save_pretrained(tmp_path)
            assert torch.equal(model(ids, attention_mask=mask).logits, expected)
        merged = model(ids, attention_mask=mask).logits
        loaded = HyenaGLTForSequenceClassification.from_pretrained(tmp_path).eval()
        assert torch.equal(loaded(ids, attention_mask=mask).logits, merged)
    assert (expected - first).abs().max() > 1e-2
    assert torch.allclose(merged, expected, atol=1e-5)
    assert plain(model) is model


def test_the_pipeline_saves_and_leaves_plain_models(tmp_path):
    model = make()
    before = state(model.model)
    trainer = train(model, LORA, checkpoint=tmp_path)
    assert {"layers.0.mlp.up.weight", "local_decoder.0.operator.project_in.weight"} <= moved(
        before, state(model.model)
    )
    loaded = HyenaGLTForSequenceClassification.from_pretrained(tmp_path)
    assert moved(state(trainer.model), state(loaded)) == set()


def test_the_same_seed_gives_the_same_additions():
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make()
        torch.rand(len(runs))
        train(model, LORA)
        runs.append(state(model))
    assert moved(*runs) == set()


@pytest.mark.parametrize("settings", [FREEZE, LORA], ids=["freeze", "lora"])
def test_a_run_that_is_interrupted_goes_on_as_if_it_had_not(tmp_path, settings):
    class DiedError(Exception):
        pass

    class Interrupt:
        def on_step(self, step, figures):
            if step == 3:
                raise DiedError

        def __getattr__(self, name):
            return lambda *_, **__: None

    def run(*callbacks):
        torch.manual_seed(3)
        model = make()
        trainer = EnhancedTrainingPipeline(
            model.config, settings, model=model, progress=False, callbacks=callbacks
        )
        parts = loaders()
        trainer.train(parts["train"], parts["val"], checkpoints=tmp_path / str(len(callbacks)))
        return state(model)

    whole = run()
    with pytest.raises(DiedError):
        run(Interrupt())
    (tmp_path / "0").rename(tmp_path / "finished")
    (tmp_path / "1").rename(tmp_path / "0")
    assert [path.name for path in (tmp_path / "0").iterdir()]
    assert moved(whole, run()) == set()


def test_a_training_that_fails_leaves_a_plain_model():
    model = make()
    names = state(model).keys()
    with torch.no_grad():
        model.classifier.out.weight.fill_(float("nan"))
    with pytest.raises(TrainingError):
        train(model, LORA)
    assert state(model).keys() == names


def test_what_cannot_be_had_is_refused(monkeypatch):
    model = make()
    both = TrainingSettings(freeze="backbone", lora_rank=2)
    with pytest.raises(ConfigError, match=r"lora_rank=2 and training\.freeze=backbone: give one"):
        train(model, both)
    language = make(HyenaGLTForCausalLM, causal=True)
    with (
        pytest.raises(ConfigError, match="freeze=backbone leaves nothing to train"),
        trained_parts(language, FREEZE),
    ):
        pass
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"lora_rank=4: needs peft, .*hyena-glt\[lora\]"):
        train(model, LORA)
    assert importlib.util.find_spec("peft") is not None
