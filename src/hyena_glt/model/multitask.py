"""One model for several tasks: a head for each on one trunk."""

import copy
from typing import Any

from torch import Tensor, nn

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.model.faces import (
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.model.hyena_glt import HyenaGLT
from hyena_glt.model.outputs import HyenaGLTOutput
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel
from hyena_glt.tasks.multitask import (
    PROBLEM_TYPES,
    TaskSpec,
    TaskWeights,
    known_task,
    task_specs,
)

TaskFace = HyenaGLTForSequenceClassification | HyenaGLTForTokenClassification


class HyenaGLTForMultiTask(HyenaGLTPreTrainedModel):
    """Predict for several tasks; a call is about one of them.

    What each task's head does, its strands included, is what the face of that task does, see
    :mod:`~hyena_glt.model.faces`.  In training the gradient of the loss is weighted as
    ``config.task_weighting`` says; the value is the loss of the task.

    Args:
        config: Settings; ``tasks`` by name.

    Raises:
        ConfigError: If a task breaks a rule.

    Example:
        >>> import torch
        >>> task = {"task": "classification", "num_labels": 2}
        >>> tasks = {"tata": task, "gata": {**task, "num_labels": 3}}
        >>> config = HyenaGLTConfig(hidden_size=32, num_layers=2, causal=False, tasks=tasks)
        >>> model = HyenaGLTForMultiTask(config).eval()
        >>> model(torch.tensor([[8, 9, 10, 11]]), task="gata").logits.shape
        torch.Size([1, 3])
    """

    def __init__(self, config: HyenaGLTConfig) -> None:
        super().__init__(config)
        self.tasks = task_specs(config.tasks)
        self.model = HyenaGLT(config)
        self.heads = nn.ModuleDict()
        # Not modules of this one, which has their parts already.
        self._faces: dict[str, TaskFace] = {}
        for name, spec in self.tasks.items():
            face = _face(config, spec, self.model)
            self._faces[name] = face
            parts = ("classifier", "kmer_readout", "token_classifier")
            found = {part: getattr(face, part, None) for part in parts}
            # A name such as "type" is taken in every module; one that ends like this is not.
            self.heads[f"{name}_head"] = nn.ModuleDict(
                {part: module for part, module in found.items() if module is not None}
            )
        self.task_weights = TaskWeights(self.tasks, config.task_weighting)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor | None = None,
        task: str | int | Tensor | None = None,
        **options: Any,
    ) -> HyenaGLTOutput:
        """Predict for one task.

        Args:
            input_ids: (b, l) token ids.
            labels: Labels of this task, in the shape that its face expects.
            task: Its name, or its number in alphabetical order, from 0; may be left out if there is
                one only.
            options: Those of the face.

        Raises:
            ConfigError: If there is no such task, or none is named.
        """
        name = self._named(task)
        output: HyenaGLTOutput = self.for_task(name)(input_ids, labels, **options)
        if output.loss is not None and self.training:
            gradient = self.task_weights(output.loss, name)
            if output.entropy_loss is not None:
                # The entropy head's gradient rides on the loss, but is no task's.
                rest = 1 - self.task_weights.factor(name).detach()
                gradient = gradient + rest * output.entropy_loss
            output.loss = output.loss.detach() + (gradient - gradient.detach())
        elif self.training and output.logits is not None:
            # Of several processes one may have no labels; its gradients are zeros, but all there.
            output.logits = output.logits + 0 * self.task_weights.factor(name)
        return output

    def for_task(self, task: str) -> TaskFace:
        """The model as one of a single task; trunk and head are those of this model.

        Args:
            task: Its name.

        Raises:
            ConfigError: If there is no such task.
        """
        face = self._faces[known_task(task, self.tasks)]
        face.training = self.training
        return face

    def get_input_embeddings(self) -> nn.Embedding:
        """The token embeddings."""
        return self.model.embeddings

    def _named(self, task: str | int | Tensor | None) -> str:
        names = list(self.tasks)
        if task is None:
            if len(names) > 1:
                raise ConfigError(f"task: say which one of {', '.join(names)}")
            return names[0]
        if isinstance(task, str):
            return task
        number = int(task)
        if not 0 <= number < len(names):
            raise ConfigError(f"task must lie in [0, {len(names)}), got {number}")
        return names[number]


def _face(config: HyenaGLTConfig, spec: TaskSpec, trunk: HyenaGLT) -> TaskFace:
    """The face of a task, on a trunk that is there."""
    own = copy.deepcopy(config)
    own.tasks = None
    own.num_labels = spec.num_labels
    if spec.label_names:
        own.id2label = dict(enumerate(spec.label_names))
        own.label2id = {name: number for number, name in enumerate(spec.label_names)}
    own.reverse_complement = spec.reverse_complement
    own.problem_type = PROBLEM_TYPES.get(spec.task)  # type: ignore[assignment]
    own.validate()
    if spec.task == "token_classification":
        return HyenaGLTForTokenClassification(own, trunk)
    return HyenaGLTForSequenceClassification(own, trunk)
