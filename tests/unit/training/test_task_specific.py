import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.training import precision
from hyena_glt.training.settings import load_pretraining_settings, load_settings
from hyena_glt.training.task_specific import get_optimal_precision_config, precision_settings

TASKS = [
    "genome_annotation", "variant_effect", "protein_function", "sequence_generation",
    "classification",
]  # fmt: skip
HOPPER, AMPERE, VOLTA = (9, 0), (8, 0), (7, 0)


@pytest.fixture
def gpu(monkeypatch):
    def make(capability):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation: capability >= AMPERE
        )
        return torch.device("cuda")

    return make


def test_where_the_hardware_has_all_it_is_what_the_guide_says(gpu):
    device = gpu(HOPPER)
    assert [get_optimal_precision_config(task, device) for task in TASKS] == [
        {"dtype": torch.float16, "loss_scale": "dynamic", "max_grad_norm": 0.5},
        {"dtype": torch.bfloat16, "loss_scale": 2.0**8, "max_grad_norm": 1.0},
        {"dtype": torch.float8_e4m3fn, "memory_efficient": True},
        {"dtype": torch.bfloat16, "cpu_offload": True},
        {"dtype": torch.bfloat16, "loss_scale": "dynamic", "max_grad_norm": 1.0},
    ]


def test_a_gpu_without_fp8_takes_bf16_and_one_without_that_fp16(gpu):
    assert get_optimal_precision_config("protein_function", gpu(AMPERE)) == {
        "dtype": torch.bfloat16, "memory_efficient": True, "requested_dtype": torch.float8_e4m3fn,
    }  # fmt: skip
    assert get_optimal_precision_config("variant_effect", gpu(VOLTA)) == {
        "dtype": torch.float16, "loss_scale": 256.0, "max_grad_norm": 1.0,
        "requested_dtype": torch.bfloat16,
    }  # fmt: skip


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_takes_bf16_or_fp32(monkeypatch, fast, dtype):
    monkeypatch.setattr(precision, "has_fast_bf16", lambda _: fast)
    config = get_optimal_precision_config("genome_annotation", "cpu")
    assert config == {
        "dtype": dtype, "loss_scale": "dynamic", "max_grad_norm": 0.5,
        "requested_dtype": torch.float16,
    }  # fmt: skip
    assert ("requested_dtype" in get_optimal_precision_config("variant_effect", "cpu")) is not fast


@pytest.mark.parametrize("task", TASKS)
def test_a_configuration_is_the_callers_own(task):
    get_optimal_precision_config(task, "cpu").clear()
    assert get_optimal_precision_config(task, "cpu")


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'genome_anotation'; did you mean genome_annotation\?"):
        get_optimal_precision_config("genome_anotation")
    with pytest.raises(ConfigError, match=r"there is no task 'xyz' \(known: genome_annotation, "):
        get_optimal_precision_config("xyz")


@pytest.mark.parametrize("task", TASKS)
def test_every_configuration_is_one_of_settings(gpu, task):
    config = get_optimal_precision_config(task, gpu(HOPPER))
    flags = precision_settings(config)
    settings = load_settings(flags=flags)
    modes = {"genome_annotation": "fp16", "protein_function": "fp8"}
    assert settings.training.precision == modes.get(task, "bf16")
    assert settings.training.max_grad_norm == config.get("max_grad_norm", 1.0)
    assert settings.training.loss_scale == config.get("loss_scale", "dynamic")
    assert settings.model == (
        {"gradient_checkpointing": True} if task == "protein_function" else {}
    )
    assert HyenaGLTConfig(**settings.model)
    flags = precision_settings(config, "pretraining")
    assert load_pretraining_settings(flags=flags).pretraining.precision == modes.get(task, "bf16")


def test_a_format_that_is_no_mode_is_refused():
    with pytest.raises(ConfigError, match=r"dtype=torch.float64: expected one of torch.float32, "):
        precision_settings({"dtype": torch.float64})
    with pytest.raises(ConfigError, match="dtype=None"):
        precision_settings({})
