"""The start of a training from a saved model: its trunk goes on, a new head is put on top.

A checkpoint decides the shape of the model, the tokenizer and the molecule.  What no weight depends
on may differ from it.
"""

import copy
import difflib
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError
from hyena_glt.model.folder import open_model_folder
from hyena_glt.model.hyena_glt import HyenaGLT, trunk_of
from hyena_glt.tokenizers import DNATokenizer, ProteinTokenizer, RNATokenizer
from hyena_glt.training.settings import DataSettings, RunSettings, TrainingSettings
from hyena_glt.training.trained_parts import check_trained_parts

# Where all weights move and the user does not say: what was learned before shall not be lost.
FINE_TUNING_RATE = 3e-4
# No weight depends on these.
_FREE = (
    "dropout", "head_dropout", "kmer_readout", "gradient_checkpointing", "max_position_embeddings",
    "target_compression", "reverse_complement",
)  # fmt: skip
_MOLECULES = {DNATokenizer: "dna", RNATokenizer: "rna", ProteinTokenizer: "protein"}


class StartingPoint:
    """A saved model from which a training starts.

    Args:
        folder: Of a language model, or of a model of another task: what ``hyena-glt pretrain`` or
            ``train`` wrote to ``--output``.

    Raises:
        DataError: If the folder holds no whole model of this package; names the file.
        ConfigError: If its configuration breaks a rule; if its files lack a weight of the trunk,
            hold another one, or one of another shape.

    Attributes:
        folder: The folder.
        architecture: Class of the saved model.
        config: Its configuration, without what belonged to its head.
        tokenizer: Its tokenizer.
        molecule: ``dna``, ``rna``, ``protein``, or ``mixed`` for a joint vocabulary.
    """

    def __init__(self, folder: str | Path) -> None:
        self._files = open_model_folder(folder)
        self.folder = self._files.path
        self.architecture = self._files.architecture
        self.config = _without_head(self._files.config())
        self.tokenizer = self._files.tokenizer()
        self.molecule = _MOLECULES.get(type(self.tokenizer), "mixed")
        self._trunk, info = HyenaGLT.from_pretrained(
            self.folder,
            config=copy.deepcopy(self.config),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # refused with the others
            output_loading_info=True,
        )
        self._left = sorted({name.partition(".")[0] for name in info["unexpected_keys"]})

    @property
    def one_way(self) -> str | None:
        """Why a model that starts here reads one strand only; None if it may read both."""
        if self.config.causal:
            return f"the checkpoint {self.folder} is causal, it reads from left to right"
        if self.config.joint_vocabulary:
            return f"the checkpoint {self.folder} reads several molecules"
        return None

    def config_for(self, changes: dict[str, Any]) -> HyenaGLTConfig:
        """The configuration of a model that starts here.

        Args:
            changes: Fields set by the user.

        Raises:
            ConfigError: If a field is unknown, or contradicts the checkpoint; names it.
        """
        config = copy.deepcopy(self.config)
        known = [field.name for field in fields(HyenaGLTConfig)]
        for name, value in changes.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean model.{near[0]}?" if near else ""
                raise ConfigError(f"there is no setting 'model.{name}'{hint}")
            own = getattr(config, name)
            given = tuple(value) if isinstance(value, list) else value
            if name in _FREE:
                setattr(config, name, given)
            elif given != own:
                raise ConfigError(
                    f"model.{name}={value}: the checkpoint {self.folder} has {own}; leave the "
                    f"setting out (free are {', '.join(_FREE)})"
                )
        config.validate()
        return config

    def decide(self, data: DataSettings) -> None:
        """Take what the checkpoint decides into the settings of the data.

        Args:
            data: Molecule, k-mer size and ambiguity letters are filled in where they are not set.

        Raises:
            ConfigError: If molecule or k-mer size are set and are others.
        """
        given = data.model_fields_set
        if "molecule" in given and data.molecule != self.molecule and self.molecule == "mixed":
            self.tokenizer = self.tokenizer.of(data.molecule)
            self.molecule = data.molecule
        own = {"molecule": self.molecule, "kmer_size": self.tokenizer.kmer_size}
        for name, value in own.items():
            asked = getattr(data, name)
            if name in given and asked != value:
                raise ConfigError(
                    f"data.{name}={asked}: the checkpoint {self.folder} was trained with {value}; "
                    "leave the setting out"
                )
            setattr(data, name, value)
        if "ambiguous" in given and data.ambiguous != self.tokenizer.ambiguous:
            modality = {"modality": self.tokenizer.modality} if self.tokenizer.is_joint else {}
            self.tokenizer = self._files.tokenizer(ambiguous=data.ambiguous, **modality)
        data.ambiguous = self.tokenizer.ambiguous

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Refuse a tokenizer whose tokens mean something else to the checkpoint.

        Args:
            tokenizer: Of the training data.

        Raises:
            ConfigError: Names the difference.
        """
        own = self.tokenizer
        for what, asked, has in (
            ("tokenizer", type(tokenizer).__name__, type(own).__name__),
            ("kmer_size", tokenizer.kmer_size, own.kmer_size),
            ("stride", tokenizer.stride, own.stride),
        ):
            if asked != has:
                raise ConfigError(
                    f"the training data were read with {what}={asked}, the checkpoint "
                    f"{self.folder} with {has}"
                )

    def load_into(self, model: PreTrainedModel) -> str:
        """Put the checkpoint's trunk into a model of any face; its head stays as it is.

        Args:
            model: Made with what :meth:`config_for` returned.

        Returns:
            What was loaded and what is new, in words.
        """
        trunk_of(model).load_state_dict(self._trunk.state_dict())
        count = self._trunk.num_parameters()
        said = f"start: {self.architecture} in {self.folder}: {count:,} weights of its trunk"
        new = {
            name: sum(weight.numel() for weight in part.parameters())
            for name, part in model.named_children()
            if name != model.base_model_prefix
        }
        if new:
            said += "; new: " + ", ".join(f"{name} ({count:,})" for name, count in new.items())
        return said + (f"; left behind: {', '.join(self._left)}" if self._left else "")


def fine_tuned(settings: TrainingSettings) -> TrainingSettings:
    """Settings with the learning rate that suits a checkpoint, where none is set.

    Args:
        settings: Left as they are.
    """
    if settings.freeze != "none" or settings.lora_rank:
        return settings
    if "learning_rate" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"learning_rate": FINE_TUNING_RATE})


def starting_point(settings: RunSettings) -> StartingPoint | None:
    """Open the checkpoint of a run, and take what it decides into the settings.

    Args:
        settings: Of the run; changed so that they alone repeat it.

    Returns:
        None if the run starts from new weights.

    Raises:
        ConfigError: If a setting contradicts the checkpoint, or needs one; names it.
        DataError: If the folder holds no whole model of this package; names the file.
    """
    training = settings.training
    check_trained_parts(training)
    if settings.pretrained is None:
        for name in ("freeze", "lora_rank"):
            if getattr(training, name) != type(training).model_fields[name].default:
                raise ConfigError(
                    f"training.{name}={getattr(training, name)} needs a checkpoint whose weights "
                    "stay: give --from"
                )
        return None
    if "preset" in settings.model_fields_set:
        raise ConfigError(
            f"preset={settings.preset}: the checkpoint {settings.pretrained} decides the size of "
            "the model; leave the preset out"
        )
    if settings.tasks:
        raise ConfigError(
            f"pretrained={settings.pretrained} is for one task; several start from new weights"
        )
    start = StartingPoint(settings.pretrained)
    settings.model.setdefault("quality_embedding", start.config.quality_embedding)
    start.config_for(settings.model)
    if training.freeze != "none" and "target_compression" in settings.model:
        raise ConfigError(
            f"model.target_compression has no effect under training.freeze={training.freeze}: the "
            "checkpoint's patches stay"
        )
    start.decide(settings.data)
    settings.training = fine_tuned(training)
    return start


def _without_head(config: HyenaGLTConfig) -> HyenaGLTConfig:
    """Forget what belongs to a head, in place."""
    config.id2label, config.label2id, config.problem_type = None, None, None
    config.num_labels = 2  # as in a new configuration
    config.tasks, config.attached_heads = None, None
    config.reverse_complement = "none"
    return config
