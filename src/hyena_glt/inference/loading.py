"""Trained models and their tokenizers, found in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hyena_glt.errors import DataError
from hyena_glt.model import faces
from hyena_glt.model.folder import open_model_folder
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel

LANGUAGE_MODELS: dict[str, type[HyenaGLTPreTrainedModel]] = {
    "HyenaGLTForCausalLM": faces.HyenaGLTForCausalLM,
    "HyenaGLTForMaskedLM": faces.HyenaGLTForMaskedLM,
}
"""Classes of language models, by the name of the architecture."""


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
    model, tokenizer = load_pair(folder, LANGUAGE_MODELS)
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
        DataError: If the folder holds no such model, or not the whole of it; names the file.
    """
    found = open_model_folder(folder)
    face = kinds.get(found.architecture)
    if face is None:
        raise DataError(
            f"holds {found.architecture}, expected one of {', '.join(kinds)}", path=found.path
        )
    return face.from_pretrained(found.path), found.tokenizer()
