"""A trained model with its tokenizer, ready to predict.

sequences -> token ids -> batches of similar length -> probabilities, in the order given
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.data.collators import SequenceCollator
from hyena_glt.data.datasets import GenomicDataset
from hyena_glt.data.labels import Task
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.evaluation.evaluator import probabilities
from hyena_glt.inference.loading import load_pair
from hyena_glt.model import faces
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel
from hyena_glt.tasks.losses import MULTI_LABEL, REGRESSION

_FACES: dict[str, type[HyenaGLTPreTrainedModel]] = {
    "HyenaGLTForSequenceClassification": faces.HyenaGLTForSequenceClassification,
    "HyenaGLTForMultiTask": HyenaGLTForMultiTask,
}


# What a model reads of an item.
_READ = ("input_ids", "quality_scores", "modality_ids")


class Predictions(NamedTuple):
    """Predictions for several sequences.

    Attributes:
        names: Prediction in words: the class, the labels above one half joined by ``;``, or the
            value.
        scores: (n, c) probabilities, or (n, t) values for regression.
        labels: Names of the columns of ``scores``.
        task: ``classification``, ``multi_label`` or ``regression``.
    """

    names: list[str]
    scores: NDArray[np.float64]
    labels: list[str]
    task: str


class Predictor:
    """Predict from sequences with a model that ``hyena-glt train`` has saved.

    Args:
        model: A sequence-classification model.
        tokenizer: Its tokenizer.

    Raises:
        ConfigError: If the model's vocabulary is smaller than the tokenizer's.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        if len(tokenizer) > model.config.genomic_vocab_size:
            raise ConfigError(
                f"the tokenizer has {len(tokenizer)} tokens, the model only "
                f"{model.config.genomic_vocab_size}"
            )
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval()
        self.model.to(self.device)
        self.tokenizer = tokenizer
        tasks: dict[str | None, Task] = {REGRESSION: "regression", MULTI_LABEL: "multi_label"}
        self.task: Task = tasks.get(model.config.problem_type, "classification")
        names: Any = model.config.id2label
        self.labels: list[str] = [names[i] for i in range(len(names))]

    @classmethod
    def from_pretrained(cls, folder: str | Path, task: str | None = None) -> "Predictor":
        """Load model and tokenizer from a run's folder.

        Args:
            folder: What ``hyena-glt train --output`` wrote.
            task: Which one of a model of several tasks predicts.

        Raises:
            DataError: If the folder holds no such model.
            ConfigError: If the model has no such task, or several and none is named.
        """
        model, tokenizer = load_pair(folder, _FACES)
        if isinstance(model, HyenaGLTForMultiTask):
            if task is None:
                raise ConfigError(
                    f"{folder}: the model has several tasks; name one with --task: "
                    f"{', '.join(model.tasks)}"
                )
            return cls.of_task(model, tokenizer, task)
        if task is not None:
            raise ConfigError(f"{folder}: the model has one task, which has no name; leave --task")
        return cls(model, tokenizer)

    @classmethod
    def of_task(cls, model: HyenaGLTForMultiTask, tokenizer: Any, task: str) -> "Predictor":
        """Predict with a model of several tasks.

        Args:
            model: The model.
            tokenizer: Its tokenizer.
            task: Which one predicts.

        Raises:
            ConfigError: If there is no such task, or it is about single tokens.
        """
        face = model.eval().for_task(task)
        if not isinstance(face, faces.HyenaGLTForSequenceClassification):
            raise ConfigError(f"task {task} gives every token a class; it has no prediction here")
        own = tokenizer.of(model.tasks[task].molecule) if tokenizer.is_joint else tokenizer
        return cls(face, own)

    def predict(
        self,
        sequences: Sequence[str],
        *,
        modality: str | Sequence[str] | None = None,
        batch_size: int = 64,
        progress: Any = iter,
    ) -> Predictions:
        """Predict every sequence.

        Args:
            sequences: Letters; lower case reads as upper case.
            modality: ``dna``, ``rna`` or ``protein``, of all sequences or of each, for a model of
                several molecules.
            batch_size: Sequences per forward pass.
            progress: Wraps the list of batches, to show a bar.

        Raises:
            DataError: If there is no sequence, or one is too long for the model.
        """
        if not sequences:
            raise DataError("there is no sequence to predict")
        named = {} if modality is None else {"modality": modality}
        encoded = self.tokenizer(list(sequences), return_attention_mask=False, **named)
        columns = {name: encoded[name] for name in _READ if name in encoded}
        items = [
            {name: torch.tensor(values[i]) for name, values in columns.items()}
            for i in range(len(sequences))
        ]
        lengths = [len(item["input_ids"]) for item in items]
        return self._predict(items, lengths, batch_size, progress)

    def predict_dataset(
        self, dataset: GenomicDataset, *, batch_size: int = 64, progress: Any = iter
    ) -> Predictions:
        """Predict every sequence of a data set, with the qualities and molecules it knows of.

        Args:
            dataset: Sequences; labels have no effect.
            batch_size: Sequences per forward pass.
            progress: Wraps the list of batches, to show a bar.

        Raises:
            DataError: If a sequence is too long for the model.
        """
        return self._predict(dataset, dataset.lengths.tolist(), batch_size, progress)

    @torch.no_grad()
    def _predict(
        self, items: Any, lengths: Sequence[int], batch_size: int, progress: Any
    ) -> Predictions:
        longest = max(range(len(lengths)), key=lambda i: lengths[i])
        config = self.model.config
        limit = config.max_position_embeddings
        if lengths[longest] > limit:
            raise DataError(
                f"sequence {longest + 1} has {lengths[longest]} tokens; the model takes at "
                f"most {limit} (max_position_embeddings)"
            )
        read = [name for name in _READ if name != "quality_scores" or config.quality_embedding]
        scores = np.zeros((len(lengths), len(self.labels)))
        collate = SequenceCollator(pad_token_id=self.tokenizer.pad_token_id)
        for rows in progress(list(_batches(lengths, batch_size))):
            chosen = (items[i] for i in rows)
            batch = collate([{k: item[k] for k in read if k in item} for item in chosen])
            logits = self.model(**{k: v.to(self.device) for k, v in batch.items()}).logits
            scores[rows] = probabilities(logits, self.task).double().cpu().numpy()
        return Predictions([self._name(row) for row in scores], scores, self.labels, self.task)

    def _name(self, row: NDArray[np.float64]) -> str:
        if self.task == "regression":
            return ";".join(f"{value:.6g}" for value in row)
        if self.task == "multi_label":
            return ";".join(name for name, p in zip(self.labels, row, strict=True) if p > 0.5)
        return self.labels[int(row.argmax())]


def _batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Numbers of the sequences of each batch; similar lengths go together."""
    order = np.argsort(lengths, kind="stable").tolist()
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
