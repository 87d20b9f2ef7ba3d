"""Training: settings, the loop, its log."""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.training.callbacks import Callback as Callback
    from hyena_glt.training.curriculum import CurriculumScheduler as CurriculumScheduler
    from hyena_glt.training.curriculum import get_curriculum_schedule as get_curriculum_schedule
    from hyena_glt.training.monitor import TrainingMonitor as TrainingMonitor
    from hyena_glt.training.multitask import MultiTaskTraining as MultiTaskTraining
    from hyena_glt.training.pipeline import EnhancedTrainingPipeline as EnhancedTrainingPipeline
    from hyena_glt.training.pretraining import Pretraining as Pretraining
    from hyena_glt.training.settings import PretrainingSettings as PretrainingSettings
    from hyena_glt.training.settings import TrainingSettings as TrainingSettings
    from hyena_glt.training.task_batches import TaskData as TaskData
    from hyena_glt.training.task_specific import (
        get_optimal_precision_config as get_optimal_precision_config,
    )

_HOME = {
    "Callback": "hyena_glt.training.callbacks",
    "TrainingMonitor": "hyena_glt.training.monitor",
    "CurriculumScheduler": "hyena_glt.training.curriculum",
    "MultiTaskTraining": "hyena_glt.training.multitask",
    "get_curriculum_schedule": "hyena_glt.training.curriculum",
    "get_optimal_precision_config": "hyena_glt.training.task_specific",
    "EnhancedTrainingPipeline": "hyena_glt.training.pipeline",
    "Pretraining": "hyena_glt.training.pretraining",
    "PretrainingSettings": "hyena_glt.training.settings",
    "TaskData": "hyena_glt.training.task_batches",
    "TrainingSettings": "hyena_glt.training.settings",
}
__all__ = [
    "Callback",
    "CurriculumScheduler",
    "EnhancedTrainingPipeline",
    "MultiTaskTraining",
    "Pretraining",
    "PretrainingSettings",
    "TaskData",
    "TrainingMonitor",
    "TrainingSettings",
    "get_curriculum_schedule",
    "get_optimal_precision_config",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
