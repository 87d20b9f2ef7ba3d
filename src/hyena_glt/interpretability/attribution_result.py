"""Worth of every base for one output of a model: what all attributions return."""

from typing import Any, Literal, NamedTuple

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import ConfigError
from hyena_glt.model.inputs import modalities_of

Boundaries = Literal["remerged", "frozen"]


class Attribution(NamedTuple):
    """Worth of every base for one output.

    Attributes:
        scores: (l,) worth of each base as it is, in units of the output; what it means exactly
            depends on the method, see :func:`~hyena_glt.interpretability.attribution.attribute`.
        effects: (l, letters) change of the prediction if the base becomes the letter, measured or
            estimated; 0 for the letter it is.
        prediction: The output for the sequence as it is.
        baseline: Mean output for the sequences it was compared with; None where there are none.
        delta: Sum of the scores minus (prediction - baseline): 0 where the attribution is
            complete; None where there is nothing to add up to.
    """

    scores: Tensor
    effects: Tensor
    prediction: float
    baseline: float | None = None
    delta: float | None = None

    @property
    def contributions(self) -> Tensor:
        """(l, letters) worth of every letter against the mean letter: effects that add up to 0.

        What motif discovery calls hypothetical contributions.  Gradients with respect to one-hot
        letters have a part that no sequence can show (all letters at once); here it is gone.

        Source: Majdandzic et al. 2023, Genome Biology 24:109.
        """
        return self.effects - self.effects.mean(dim=1, keepdim=True)


class Alphabet(NamedTuple):
    """The letters that may stand in a sequence.

    Attributes:
        first: Token id of the first.
        size: How many there are.
    """

    first: int
    size: int


def alphabet_of(ids: Tensor, config: Any) -> Alphabet:
    """Letters that may stand in sequences.

    Args:
        ids: (n, l) token ids.
        config: The model's configuration.

    Raises:
        ConfigError: If tokens are k-mers, the sequences are of several molecules, or the model has
            several tasks.
    """
    if config.tasks is not None:
        raise ConfigError(
            "attribution explains one task at a time; give model.for_task(name), one of "
            f"{', '.join(config.tasks)}"
        )
    if config.kmer_size != 1:
        raise ConfigError(
            f"attribution works on single-letter tokens; kmer_size is {config.kmer_size}"
        )
    molecules = [0]
    if config.joint_vocabulary:
        known = modalities_of(ids)
        molecules = known[known >= 0].unique().tolist()
    if len(molecules) != 1:
        raise ConfigError(
            f"attribution works on one molecule at a time; there are {len(molecules)}"
        )
    return Alphabet(*config.alphabets[molecules[0]])


def predict(model: PreTrainedModel, ids: Tensor, output: int) -> Tensor:
    """One output of a model for every sequence.

    Args:
        model: A sequence-classification model, in the mode it is to be asked in.
        ids: (n, l) token ids.
        output: Column of the logits.

    Returns:
        (n,) values.

    Raises:
        ConfigError: If the model gives no row of logits per sequence, or has no such column.
    """
    return column_of(model(ids).logits, output)


def column_of(logits: Tensor, output: int) -> Tensor:
    """One column of the logits of sequences.

    Args:
        logits: (n, outputs).
        output: Which column.

    Raises:
        ConfigError: If the logits have another shape, or there is no such column.
    """
    if logits.dim() != 2:
        raise ConfigError(
            "attribution explains predictions for whole sequences, logits of shape (sequences, "
            f"outputs); this model's have shape {tuple(logits.shape)}"
        )
    if not 0 <= output < logits.shape[1]:
        raise ConfigError(f"output must be in [0, {logits.shape[1]}), got {output}")
    return logits[:, output].float()


def substitution_scores(effects: Tensor, own: Tensor) -> Tensor:
    """Worth of each base as it is: what is lost on average if it becomes another letter.

    Args:
        effects: (l, letters), 0 for the letter the base is.
        own: (l, letters), True for the letter the base is.
    """
    return -effects.sum(dim=1) / (~own).sum(dim=1).clamp(min=1)
