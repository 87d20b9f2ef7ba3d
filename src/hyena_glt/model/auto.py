"""Registration with the ``Auto`` classes of Hugging Face."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.model.faces import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.model.hyena_glt import HyenaGLT


def register_auto_classes() -> None:
    """Make ``AutoConfig`` and ``AutoModel...`` know the models of this package."""
    AutoConfig.register(HyenaGLTConfig.model_type, HyenaGLTConfig, exist_ok=True)
    pairs = (
        (AutoModel, HyenaGLT),
        (AutoModelForCausalLM, HyenaGLTForCausalLM),
        (AutoModelForMaskedLM, HyenaGLTForMaskedLM),
        (AutoModelForSequenceClassification, HyenaGLTForSequenceClassification),
        (AutoModelForTokenClassification, HyenaGLTForTokenClassification),
    )
    for auto, model in pairs:
        auto.register(HyenaGLTConfig, model, exist_ok=True)
