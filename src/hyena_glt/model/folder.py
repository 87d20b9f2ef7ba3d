"""The folder of a saved model: what it holds, and whether all of it is there."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.io.atomic import atomic_files
from hyena_glt.tokenizers import (
    DNATokenizer,
    GenomicTokenizer,
    ProteinTokenizer,
    RNATokenizer,
)

_TOKENIZERS = {
    kind.__name__: kind for kind in (DNATokenizer, RNATokenizer, ProteinTokenizer, GenomicTokenizer)
}
_WEIGHTS = "model.safetensors"
_INDEX = f"{_WEIGHTS}.index.json"


class ModelFolder(NamedTuple):
    """What ``save_pretrained`` of a model and its tokenizer has written.

    Attributes:
        path: The folder.
        architecture: Name of the model's class.
        tokenizer_class: Class of the tokenizer.
    """

    path: Path
    architecture: str
    tokenizer_class: Any

    def config(self) -> HyenaGLTConfig:
        """Read the configuration of the model.

        Raises:
            ConfigError: If a field breaks a rule; names the file.
        """
        try:
            return HyenaGLTConfig.from_pretrained(self.path)
        except ConfigError as error:
            raise ConfigError(f"{self.path / 'config.json'}: {error}") from None

    def tokenizer(self, **settings: Any) -> Any:
        """Load the tokenizer.

        Args:
            settings: Those of the tokenizer that differ from what was saved.
        """
        return self.tokenizer_class.from_pretrained(self.path, **settings)


def open_model_folder(folder: str | Path) -> ModelFolder:
    """See whether a folder holds a whole model of this package; nothing large is read.

    Args:
        folder: What ``save_pretrained`` of a model and its tokenizer has written.

    Raises:
        DataError: If a file is missing, damaged or cut short, or the model or the tokenizer is not
            one of this package; names the file.
    """
    folder = Path(folder)
    config = _read(folder / "config.json")
    kind = config.get("model_type", "none")
    if kind != HyenaGLTConfig.model_type:
        raise DataError(
            f"holds a model of the type {kind}, expected {HyenaGLTConfig.model_type}",
            path=folder / "config.json",
        )
    name = _read(folder / "tokenizer_config.json").get("tokenizer_class", "none")
    if name not in _TOKENIZERS:
        raise DataError(f"holds the tokenizer {name}, which is not ours", path=folder)
    _check_weights(folder)
    architecture = (config.get("architectures") or ["none"])[0]
    return ModelFolder(folder, architecture, _TOKENIZERS[name])


def save_model(folder: str | Path, model: Any, tokenizer: Any = None) -> None:
    """Save a model, and its tokenizer; what the folder held stays until all of it is written.

    Args:
        folder: Where; made if needed.
        model: Any model of the package.
        tokenizer: Of the model; None saves the model alone.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_files(folder) as unfinished:
        try:
            for part in (model, tokenizer):
                if part is not None:
                    part.save_pretrained(unfinished)
        except SafetensorError as error:  # how it says that a disk is full
            raise OutputError(f"{folder}: the model cannot be written ({error})") from error


def _check_weights(folder: Path) -> None:
    """See that every file of weights is there in its full length; its header tells that."""
    names = {_WEIGHTS}
    if (folder / _INDEX).exists():
        names = set(_read(folder / _INDEX).get("weight_map", {}).values())
    for name in sorted(names):
        path = folder / name
        if not path.is_file():
            raise _missing(path)
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise DataError(f"is damaged or cut short ({error})", path=path) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise _missing(path) from None
    except ValueError:
        raise DataError("is not valid JSON", path=path) from None
    if not isinstance(tree, dict):
        raise DataError("must hold a JSON object", path=path)
    return tree


def _missing(path: Path) -> DataError:
    return DataError(
        f"there is no {path.name} in it; expected the --output folder of a finished training",
        path=path.parent,
    )
