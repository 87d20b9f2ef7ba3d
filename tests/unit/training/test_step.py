import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import TrainingError
from hyena_glt.model.faces import HyenaGLTForCausalLM, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training.optimization import learning_rate, make_optimizer
from hyena_glt.training.precision import Arithmetic
from hyena_glt.training.settings import PretrainingSettings, TrainingSettings
from hyena_glt.training.step import calibrated, seeded, state_of, training_step

TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "dropout": 0.0, "target_compression": 4.0,
}  # fmt: skip


@pytest.fixture
def model():
    config = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=1), **TINY)
    return HyenaGLTForCausalLM(config).train()


def batch():
    ids = torch.tensor([[8, 9, 10, 11] * 12] * 4)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}


def test_steps_lower_the_loss_and_follow_the_schedule(model):
    settings = TrainingSettings(learning_rate=3e-3)
    optimizer = make_optimizer(model, settings)
    arithmetic = Arithmetic(settings, model.device)
    figures = [
        training_step(model, batch(), optimizer, arithmetic, step=step, total=12, settings=settings)
        for step in range(12)
    ]
    assert figures[-1].loss < 0.8 * figures[0].loss
    expected = [learning_rate(step, 12, settings) for step in range(12)]
    assert [step.learning_rate for step in figures] == expected
    assert all(step.grad_norm > 0 and step.compression_ratio >= 1 for step in figures)


@pytest.mark.parametrize("settings", [TrainingSettings(), PretrainingSettings()])
def test_a_loss_that_is_no_number_names_step_and_setting(model, settings):
    before = state_of(model)
    with torch.no_grad():
        model.model.final_norm.weight.fill_(float("nan"))
    arithmetic = Arithmetic(settings, model.device)
    wanted = rf"step 7: the loss is nan; lower {settings.section}\.learning_rate \(now 0\.001\)"
    with pytest.raises(TrainingError, match=wanted):
        training_step(
            model, batch(), make_optimizer(model, settings), arithmetic, step=6, total=9,
            settings=settings,
        )  # fmt: skip
    weight = "model.embeddings.weight"
    assert torch.equal(model.state_dict()[weight], before[weight])


def of_different_lengths():
    """Rows of 20 to 48 tokens: a mean over rows is not one over tokens."""
    ids = torch.randint(8, 12, (7, 48), generator=torch.Generator().manual_seed(2))
    mask = torch.arange(48) < torch.tensor([[48, 20, 31, 44, 25, 48, 22]]).T
    ids = ids.masked_fill(~mask, 0)
    labels = ids.masked_fill(~mask, -100)
    return {"input_ids": ids, "attention_mask": mask.long(), "labels": labels}


@pytest.mark.parametrize("task", ["clm", "classification"])
def test_the_gradient_of_parts_is_that_of_the_whole(task):
    options = {**TINY, "head_dropout": 0.0, "boundary_scorer": "entropy_pattern"}
    config = HyenaGLTConfig.for_tokenizer(
        DNATokenizer(kmer_size=1), **options, causal=task == "clm"
    )
    face = HyenaGLTForCausalLM if task == "clm" else HyenaGLTForSequenceClassification
    inputs = of_different_lengths()
    if task == "classification":
        inputs["labels"] = torch.arange(7) % 2
    gradients = []
    for parts in (1, 3):
        torch.manual_seed(0)
        model = face(config).train()
        # Threshold and patches are those of step 2: in step 1 each part would find its own.
        model.model.initial_merger.updates.fill_(1)
        settings = TrainingSettings(
            gradient_accumulation=parts, max_grad_norm=1e9, precision="fp32"
        )
        figures = training_step(
            model, inputs, make_optimizer(model, settings), Arithmetic(settings, model.device),
            step=0, total=10, settings=settings,
        )  # fmt: skip
        assert figures.tokens == 238
        gradients.append({name: p.grad for name, p in model.named_parameters()} | {
            "loss": torch.tensor(figures.loss), "ratio": torch.tensor(figures.compression_ratio),
        })  # fmt: skip
    whole, parts = gradients
    assert whole["model.initial_merger.entropy_head.weight"].abs().max() > 0
    for name, value in whole.items():
        assert torch.allclose(parts[name], value, rtol=1e-3, atol=1e-6), name


def test_calibration_holds_the_target_and_is_undone(model):
    random = torch.randint(8, 12, (8, 400), generator=torch.Generator().manual_seed(1))
    batches = [{"input_ids": random, "attention_mask": torch.ones_like(random)}]
    threshold = model.model.initial_merger.threshold
    threshold.fill_(123.0)
    with calibrated(model, batches), torch.no_grad():
        assert float(threshold) != 123
        ratio = float(model.eval()(random).compression_ratio)
    assert ratio == pytest.approx(4, rel=0.1)
    assert float(threshold) == 123


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with seeded(1):
        inside = torch.rand(1)
    with seeded(1):
        assert torch.equal(torch.rand(1), inside)
    assert torch.equal(torch.rand(1), expected)
