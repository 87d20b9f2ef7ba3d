"""Training: settings, the loop, its log."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyena_glt.training.pipeline import EnhancedTrainingPipeline as EnhancedTrainingPipeline
    from hyena_glt.training.pretraining import Pretraining as Pretraining
    from hyena_glt.training.settings import PretrainingSettings as PretrainingSettings
    from hyena_glt.training.settings import TrainingSettings as TrainingSettings

_HOME = {
    "EnhancedTrainingPipeline": "hyena_glt.training.pipeline",
    "Pretraining": "hyena_glt.training.pretraining",
    "PretrainingSettings": "hyena_glt.training.settings",
    "TrainingSettings": "hyena_glt.training.settings",
}
__all__ = ["EnhancedTrainingPipeline", "Pretraining", "PretrainingSettings", "TrainingSettings"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
