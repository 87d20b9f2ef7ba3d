import copy

import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.layers.linear import Linear
from hyena_glt.model.faces import HyenaGLTForCausalLM, HyenaGLTForSequenceClassification
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training import precision
from hyena_glt.training.optimization import make_optimizer
from hyena_glt.training.precision import (
    Arithmetic,
    choose,
    convert_to_fp8,
    has_fast,
    has_fast_bf16,
    has_fp8,
)
from hyena_glt.training.settings import PretrainingSettings, TrainingSettings, load_settings
from hyena_glt.training.step import state_of, training_step

CPU = torch.device("cpu")
GPU = torch.device("cuda")
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "local_hidden_size": 32, "dropout": 0.0,
}  # fmt: skip


def product_dtype():
    return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def tiny_model(face=HyenaGLTForCausalLM, **options):
    torch.manual_seed(0)
    config = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=1), **TINY, **options)
    return face(config).train()


def batch():
    ids = torch.tensor([[8, 9, 10, 11] * 6, [8, 8, 11, 11] * 6])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}


def losses(arithmetic, settings, steps=12):
    model = tiny_model()
    arithmetic.prepare(model)
    optimizer = make_optimizer(model, settings)
    figures = [
        training_step(
            model, batch(), optimizer, arithmetic, step=step, total=steps, settings=settings
        )
        for step in range(steps)
    ]
    return torch.tensor([step.loss for step in figures]), model


@pytest.fixture
def forced(monkeypatch):
    """fp16 on the CPU, which is refused for its speed alone."""
    monkeypatch.setattr(precision, "refusal", lambda *_: None)

    def make(**options):
        settings = TrainingSettings(precision="fp16", learning_rate=3e-3, **options)
        return Arithmetic(settings, CPU), settings

    return make


@pytest.mark.parametrize(
    ("asked", "fast", "dtype"),
    [
        ("fp32", True, torch.float32),
        ("fp32", False, torch.float32),
        ("bf16", True, torch.bfloat16),
        ("bf16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_the_choice_decides_and_auto_asks_the_processor(monkeypatch, asked, fast, dtype):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: fast)
    arithmetic = Arithmetic(TrainingSettings(precision=asked), CPU)
    with arithmetic.autocast():
        assert product_dtype() == dtype
    assert product_dtype() == torch.float32
    assert arithmetic.note is None
    assert arithmetic.scaler is None


def test_weights_and_gradients_stay_single_precision():
    arithmetic = Arithmetic(TrainingSettings(precision="bf16"), CPU)
    model = tiny_model()
    with arithmetic.autocast():
        loss = model(**batch()).loss
    arithmetic.backward(loss)
    assert loss.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}


def test_bf16_trains_as_fp32_does():
    settings = [TrainingSettings(precision=mode, learning_rate=3e-3) for mode in ("fp32", "bf16")]
    exact, rounded = (losses(Arithmetic(one, CPU), one)[0] for one in settings)
    assert exact[-1] < 0.8 * exact[0]
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("fp16", "a CPU multiplies fp16 more than 20 times as slowly as fp32"),
        ("fp8", "this CPU has no fp8; NVIDIA GPUs since Ada and Hopper do"),
    ],
)
@pytest.mark.parametrize("kind", [TrainingSettings, PretrainingSettings])
@pytest.mark.parametrize(("fast", "instead"), [(True, "bf16"), (False, "fp32")])
def test_what_a_cpu_lacks_is_refused_or_replaced(monkeypatch, kind, mode, reason, fast, instead):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: fast)
    with pytest.raises(ConfigError) as caught:
        Arithmetic(kind(precision=mode), CPU)
    name = kind.section
    assert str(caught.value) == (
        f"{name}.precision={mode}: {reason}; use {instead}, or set "
        f"{name}.precision_fallback=true to have it chosen"
    )
    arithmetic = Arithmetic(kind(precision=mode, precision_fallback=True), CPU)
    assert arithmetic.mode == arithmetic.describe() == instead
    assert arithmetic.note == f"precision: {instead} in place of {mode} ({reason})"


def test_a_gpu_without_bf16_is_told(monkeypatch):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: False)
    with pytest.raises(ConfigError, match=r"training\.precision=bf16: this GPU has no bf16; use f"):
        choose(TrainingSettings(precision="bf16"), GPU)
    asked = TrainingSettings(precision="bf16", precision_fallback=True)
    assert choose(asked, GPU).mode == "fp32"


@pytest.mark.parametrize(
    ("capability", "found"), [((8, 0), False), ((8, 6), False), ((8, 9), True), ((9, 0), True)]
)
def test_fp8_is_a_matter_of_the_gpus_generation(monkeypatch, capability, found):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert has_fp8(GPU) is found
    assert has_fast("fp8", GPU) is found
    assert has_fp8(CPU) is False


def test_fp8_needs_torchao(monkeypatch):
    monkeypatch.setattr(precision, "has_fp8", lambda _: True)
    monkeypatch.setattr(precision, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'hyena-glt\[fp8\]'"):
        choose(TrainingSettings(precision="fp8"), GPU)
    monkeypatch.setattr(precision, "find_spec", lambda _: object())
    assert choose(TrainingSettings(precision="fp8"), GPU) == ("fp8", None)


@pytest.mark.parametrize(
    ("avx", "amx", "fast"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_processor_is_fast_with_either_instruction_set(monkeypatch, avx, amx, fast):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert has_fast_bf16(CPU) is fast
    assert has_fast_bf16(torch.device("meta")) is False


def test_fp16_scales_the_loss_and_trains_as_fp32_does(forced):
    arithmetic, settings = forced()
    assert arithmetic.describe() == "fp16, loss scaled by 65536"
    with arithmetic.autocast():
        assert product_dtype() == torch.float16
    plain = TrainingSettings(precision="fp32", learning_rate=3e-3)
    exact, _ = losses(Arithmetic(plain, CPU), plain, steps=6)
    rounded, model = losses(arithmetic, settings, steps=6)
    assert not torch.equal(exact, rounded)
    # An overflow at the first scales leaves the weights alone for a step.
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_the_scale_is_out_of_the_gradients_before_they_are_clipped(forced):
    norms = []
    for scale in (1.0, 2.0**10):
        arithmetic, settings = forced(loss_scale=scale)
        weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        optimizer = torch.optim.SGD([weight], lr=1.0)
        arithmetic.backward(weight.square().sum())
        norms.append(float(arithmetic.clip(optimizer, [weight], settings.max_grad_norm)))
        arithmetic.step(optimizer)
        torch.testing.assert_close(weight.detach(), torch.tensor([2.4, 3.2]))
    assert norms == pytest.approx([10, 10])


def test_an_overflow_leaves_the_weights_alone_and_lowers_the_scale(forced):
    arithmetic, settings = forced(loss_scale=2.0**10)
    model = tiny_model()
    optimizer = make_optimizer(model, settings)
    before = state_of(model)
    arithmetic.backward(model(**batch()).loss)
    model.model.final_norm.weight.grad[0] = float("inf")
    norm = arithmetic.clip(optimizer, model.parameters(), 1.0)
    arithmetic.step(optimizer)
    assert not torch.isfinite(norm)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert arithmetic.scaler.get_scale() == 2.0**9
    training_step(model, batch(), optimizer, arithmetic, step=0, total=9, settings=settings)
    assert not torch.equal(model.model.final_norm.weight, before["model.final_norm.weight"])


def test_the_scale_grows_again_only_if_it_is_dynamic(forced, monkeypatch):
    monkeypatch.setattr(precision, "_GROWTH_INTERVAL", 1)
    for asked, expected in (("dynamic", 2.0**17), (256.0, 256.0)):
        arithmetic, _ = forced(loss_scale=asked)
        weight = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        arithmetic.backward(weight.sum())
        arithmetic.clip(optimizer, [weight], 1.0)
        arithmetic.step(optimizer)
        assert arithmetic.scaler.get_scale() == expected


def test_the_scale_can_be_saved(forced):
    arithmetic, _ = forced(loss_scale=8.0)
    again, _ = forced()
    again.scaler.load_state_dict(arithmetic.scaler.state_dict())
    assert again.describe() == "fp16, loss scaled by 8"


def test_settings_are_read():
    read = load_settings(
        None, ["training.precision=fp16", "training.loss_scale=256", "training.max_grad_norm=0.5"]
    ).training
    assert (read.precision, read.loss_scale, read.max_grad_norm) == ("fp16", 256.0, 0.5)
    assert read.precision_fallback is False
    assert load_settings(None, ["training.loss_scale=dynamic"]).training.loss_scale == "dynamic"


def fitting(model):
    return [name for name, module in model.named_modules() if precision._fits_fp8(module, name)]


def test_fp8_is_for_products_of_fitting_size():
    names = fitting(tiny_model())
    assert "model.layers.0.mlp.up" in names
    assert "model.layers.0.mlp.down" in names
    assert "model.local_encoder.0.operator.project_in" in names
    assert not [name for name in names if "merger" in name or "waves" in name]
    odd = tiny_model()
    odd.model.layers[0].mlp.down = Linear(40, 32)
    assert "model.layers.0.mlp.down" not in fitting(odd)
    heads = tiny_model(HyenaGLTForSequenceClassification, causal=False, num_labels=16)
    assert not [name for name in fitting(heads) if "classifier" in name]


@pytest.fixture
def torchao():
    # It warns while it is imported.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torchao.float8", reason="torchao is not installed (extra fp8)")
        yield


def test_fp8_is_for_training_alone(torchao):
    model = tiny_model()
    plain = copy.deepcopy(model)
    names = convert_to_fp8(model, emulate=True)
    assert names == fitting(plain)
    assert list(model.state_dict()) == list(plain.state_dict())
    assert not fitting(model)
    difference = model(**batch()).loss - plain(**batch()).loss
    assert 0 < float(difference.abs()) < 0.05
    plain.load_state_dict(model.state_dict())  # with the merger's running threshold
    with torch.no_grad():
        exact = plain.eval()(**batch()).logits
        torch.testing.assert_close(model.eval()(**batch()).logits, exact)


def test_fp8_trains_as_fp32_does(torchao, monkeypatch):
    settings = TrainingSettings(precision="fp32", learning_rate=3e-3)
    exact, _ = losses(Arithmetic(settings, CPU), settings)
    arithmetic = Arithmetic(settings, CPU)
    monkeypatch.setattr(arithmetic, "prepare", lambda model: convert_to_fp8(model, emulate=True))
    rounded, model = losses(arithmetic, settings)
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0)
    again = copy.deepcopy(model).eval()
    with torch.no_grad():
        assert torch.equal(again(**batch()).logits, model.eval()(**batch()).logits)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["bf16", "fp16", "fp8"])
def test_every_mode_trains_on_the_gpu(mode):
    if mode == "fp8":
        pytest.importorskip("torchao.float8", reason="torchao is not installed (extra fp8)")
    settings = TrainingSettings(precision=mode, learning_rate=3e-3)
    if precision.refusal(mode, GPU) is not None:
        pytest.skip(f"this GPU lacks {mode}")
    arithmetic = Arithmetic(settings, GPU)
    model = tiny_model().to(GPU)
    arithmetic.prepare(model)
    optimizer = make_optimizer(model, settings)
    inputs = {name: value.to(GPU) for name, value in batch().items()}
    figures = [
        training_step(model, inputs, optimizer, arithmetic, step=step, total=12, settings=settings)
        for step in range(12)
    ]
    assert figures[-1].loss < 0.9 * figures[0].loss
