"""Trained models and their tokenizers, found in a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hyena_glt.errors import DataError
from hyena_glt.model import faces
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel
from hyena_glt.tokenizers import (
    DNATokenizer,
    GenomicTokenizer,
    ProteinTokenizer,
    RNATokenizer,
)

_LANGUAGE_MODELS: dict[str, type[HyenaGLTPreTrainedModel]] = {
    "HyenaGLTForCausalLM": faces.HyenaGLTForCausalLM,
    "HyenaGLTForMaskedLM": faces.HyenaGLTForMaskedLM,
}
_TOKENIZERS = {
    kind.__name__: kind for kind in (DNATokenizer, RNATokenizer, ProteinTokenizer, GenomicTokenizer)
}


def load_language_model(
    folder: str | Path, device: str | None = None
) -> tuple[HyenaGLTPreTrainedModel, Any]:
    """Load a language model for inference, and its tokenizer.

    Args:
        folder: What ``hyena-glt pretrain --output`` wrote, or ``save_pretrained`` of both.
        device: Where to put the model; None: the GPU if there is one, else the CPU.

    Returns:
        ``HyenaGLTForCausalLM`` or ``HyenaGLTForMaskedLM``, and the tokenizer.

    Raises:
        DataError: If the folder holds no language model.
    """
    model, tokenizer = load_pair(folder, _LANGUAGE_MODELS)
    place: Any = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model.to(place)
    return model.eval(), tokenizer


def load_pair(
    folder: str | Path, kinds: Mapping[str, type[HyenaGLTPreTrainedModel]]
) -> tuple[HyenaGLTPreTrainedModel, Any]:
    """Load a model and its tokenizer.

    Args:
        folder: What ``save_pretrained`` of both has written.
        kinds: Class to load, by the name of the architecture; others are refused.

    Raises:
        DataError: If the folder holds no such model.
    """
    folder = Path(folder)
    architecture = _read(folder / "config.json").get("architectures") or ["none"]
    face = kinds.get(architecture[0])
    if face is None:
        raise DataError(f"holds {architecture[0]}, expected one of {', '.join(kinds)}", path=folder)
    kind = _read(folder / "tokenizer_config.json").get("tokenizer_class", "none")
    if kind not in _TOKENIZERS:
        raise DataError(f"holds the tokenizer {kind}, which is not ours", path=folder)
    return face.from_pretrained(folder), _TOKENIZERS[kind].from_pretrained(folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise DataError(
            f"there is no {path.name} in it; expected the --output folder of a training",
            path=path.parent,
        ) from None
    except ValueError:
        raise DataError("is not valid JSON", path=path) from None
    if not isinstance(tree, dict):
        raise DataError("must hold a JSON object", path=path)
    return tree
