"""The model and its Hugging Face faces; read :mod:`hyena_glt.model.hyena_glt` first."""

from hyena_glt.model.auto import register_auto_classes
from hyena_glt.model.cache import HyenaGLTCache
from hyena_glt.model.faces import (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.model.hyena_glt import HyenaGLT
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.model.outputs import HyenaGLTOutput

register_auto_classes()

__all__ = [
    "HyenaGLT",
    "HyenaGLTCache",
    "HyenaGLTForCausalLM",
    "HyenaGLTForMaskedLM",
    "HyenaGLTForMultiTask",
    "HyenaGLTForSequenceClassification",
    "HyenaGLTForTokenClassification",
    "HyenaGLTOutput",
]
