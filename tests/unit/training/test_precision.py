import pytest
import torch

from hyena_glt.errors import ConfigError
from hyena_glt.training import precision
from hyena_glt.training.precision import autocast, has_fast_bf16

CPU = torch.device("cpu")


def product_dtype():
    return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("choice", "fast", "dtype"),
    [
        ("fp32", True, torch.float32),
        ("fp32", False, torch.float32),
        ("bf16", True, torch.bfloat16),
        ("bf16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_the_choice_decides_and_auto_asks_the_processor(monkeypatch, choice, fast, dtype):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: fast)
    with autocast(choice, CPU):
        assert product_dtype() == dtype
    assert product_dtype() == torch.float32


def test_weights_stay_single_precision():
    layer = torch.nn.Linear(2, 2)
    with autocast("bf16", CPU):
        layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.dtype == layer.weight.grad.dtype == torch.float32


def test_a_gpu_without_bf16_is_told(monkeypatch):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: False)
    with pytest.raises(ConfigError, match=r"training\.precision=bf16: this GPU has no bf16"):
        autocast("bf16", torch.device("cuda"))


@pytest.mark.parametrize(
    ("avx", "amx", "fast"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_processor_is_fast_with_either_instruction_set(monkeypatch, avx, amx, fast):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert has_fast_bf16(CPU) is fast
    assert has_fast_bf16(torch.device("meta")) is False
