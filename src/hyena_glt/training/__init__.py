"""Training: settings, the loop, its log."""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOME)
