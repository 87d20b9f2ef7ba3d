"""The same few sequences, looked at again and again while a model learns to cut them.

Patch lengths are counted over all probes, in nucleotides; pictures show the first tokens of the
first ones.  Looking costs a forward pass and changes nothing in the model.

Axes::

    r  probe sequences
    m  tokens of a probe, padding included
    w  patches that a token reads on the way back
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.errors import DataError
from hyena_glt.layers.merger import nucleotides_of
from hyena_glt.model.hyena_glt import trunk_of
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.training.step import Batch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What the model reads of a batch; labels are none of it.
_INPUTS = frozenset(
    {"input_ids", "attention_mask", "quality_scores", "modality_ids", "segment_ids",
     "boundary_scores", "patch_starts", "position_offset"}
)  # fmt: skip
_DRAWN_SEQUENCES = 4
_DRAWN_TOKENS = 256
_DARK, _SHADE = "#1f4e79", "#bcd4ea"

Image = NDArray[np.uint8]


class ProbedSequence(NamedTuple):
    """What the model did with one probe of l tokens.

    Attributes:
        patch_index: (l,) number of the patch each token belongs to.
        scores: (l,) score of a patch start.
        token_weights: (l,) weight of each token in the summary of its patch, mean over the heads.
        read_weights: (w, l) weight of each patch that a token reads on the way back, likewise.
        read_offsets: (w,) which patch that is: 0 is the token's own, -1 the one before.
    """

    patch_index: NDArray[np.int64]
    scores: NDArray[np.float32]
    token_weights: NDArray[np.float32]
    read_weights: NDArray[np.float32]
    read_offsets: NDArray[np.int64]


class ProbeView(NamedTuple):
    """What the model did with all probes.

    Attributes:
        compression_ratio: Nucleotides per patch over all probes.
        patch_lengths: Nucleotides in each patch of all probes.
        sequences: The first probes, token by token.
    """

    compression_ratio: float
    patch_lengths: NDArray[np.int64]
    sequences: list[ProbedSequence]


class Probes:
    """A fixed batch of sequences to look at.

    Args:
        batch: ``input_ids`` (r, m) and whatever else the model reads; labels are left out.

    Raises:
        DataError: If there is no sequence in it.
    """

    def __init__(self, batch: Mapping[str, Tensor]) -> None:
        if "input_ids" not in batch or len(batch["input_ids"]) == 0:
            raise DataError("probes: there is no sequence to look at")
        self._inputs: Batch = {
            name: value.detach().clone() for name, value in batch.items() if name in _INPUTS
        }

    @torch.no_grad()
    def look(self, model: PreTrainedModel) -> ProbeView:
        """Let the model cut the probes.

        Args:
            model: Any model of the package; its mode is restored.
        """
        trunk = trunk_of(model)
        device = next(model.parameters()).device
        inputs: dict[str, Any] = {name: value.to(device) for name, value in self._inputs.items()}
        with inference_mode_of(trunk):
            encoding = trunk.encode(**inputs)
        patches = encoding.merging.patches
        tokens = patches.token_mask.flatten()
        nucleotides = nucleotides_of(encoding.input_ids, trunk.config).flatten()[tokens]
        _, owner = torch.unique(patches.flat_index[tokens], return_inverse=True)
        lengths = torch.bincount(owner.cpu(), weights=nucleotides.cpu()).long().numpy()

        rows, width = patches.starts.shape
        token_weights = encoding.token_to_patch.view(rows, width, -1).mean(dim=-1)
        assert encoding.patch_to_token is not None
        read_weights = encoding.patch_to_token.mean(dim=-1)
        targets, _ = trunk.bridge.targets(patches)
        offsets = (targets - patches.index.unsqueeze(-1))[0, 0]
        sequences = []
        for row in range(min(rows, _DRAWN_SEQUENCES)):
            real = patches.token_mask[row].nonzero().flatten()[:_DRAWN_TOKENS]
            sequences.append(
                ProbedSequence(
                    _array(patches.index[row, real]),
                    _array(encoding.merging.scores[row, real].float()),
                    _array(token_weights[row, real].float()),
                    _array(read_weights[row, real].T.float()),
                    _array(offsets),
                )
            )
        ratio = float(lengths.mean()) if len(lengths) else float("nan")
        return ProbeView(ratio, lengths, sequences)


def draw_boundaries(view: ProbeView) -> Image:
    """Draw where the first probes are cut: patches in two shades, the score of a start as a line.

    Args:
        view: What the model did.

    Returns:
        (height, width, 3) colours.
    """
    count = len(view.sequences)
    figure, panels = _figure(count, height=0.55 + 0.75 * count)
    for number, (axes, one) in enumerate(zip(panels, view.sequences, strict=True)):
        _shade_patches(axes, one.patch_index)
        axes.plot(one.scores, color=_DARK, linewidth=0.8)
        axes.set_ylabel(f"probe {number}", fontsize=8)
    panels[0].set_title("patches (shades) and score of a patch start (line)", fontsize=9)
    panels[-1].set_xlabel("position (tokens)", fontsize=8)
    return _pixels(figure)


def draw_attention(view: ProbeView) -> Image:
    """Draw what the bridge attends to in the first probe, averaged over the heads.

    Args:
        view: What the model did.

    Returns:
        (height, width, 3) colours.  Above: the weight of each token in the summary of its patch.
        Below: the weights of the patches that it reads on the way back.
    """
    one = view.sequences[0]
    figure, (there, back) = _figure(2, height=3.0)
    _shade_patches(there, one.patch_index)
    there.plot(one.token_weights, color=_DARK, linewidth=0.8, drawstyle="steps-mid")
    there.set_ylim(0, 1.05)
    there.set_ylabel("weight", fontsize=8)
    there.set_title("bridge of probe 0: tokens to patches, patches to tokens", fontsize=9)
    back.imshow(one.read_weights, aspect="auto", vmin=0, vmax=1, cmap="viridis")
    names = [f"{offset:+d}" if offset else "0" for offset in one.read_offsets]
    back.set_yticks(range(len(names)), names)
    back.set_ylabel("patch read", fontsize=8)
    back.set_xlabel("position (tokens)", fontsize=8)
    return _pixels(figure)


def _figure(rows: int, height: float) -> "tuple[Figure, list[Axes]]":
    # Not pyplot: it would keep the figure and choose a backend for the whole program.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), dpi=80)
    # Margins in inches; an automatic layout would take longer than all the drawing.
    figure.subplots_adjust(0.11, 0.42 / height, 0.98, 1 - 0.28 / height, hspace=0.25)
    panels = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
    for axes in panels:
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
    return figure, panels


def _shade_patches(axes: "Axes", patch_index: NDArray[np.int64]) -> None:
    starts = np.flatnonzero(np.diff(patch_index, prepend=-1))
    ends = np.append(starts[1:], len(patch_index))
    spans = [(start - 0.5, end - start) for start, end in zip(starts, ends, strict=True)][1::2]
    height = axes.get_xaxis_transform()  # 0 to 1, whatever the curve needs
    axes.broken_barh(spans, (0, 1), color=_SHADE, linewidth=0, transform=height)


def _pixels(figure: "Figure") -> Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _array(values: Tensor) -> NDArray[Any]:
    return values.cpu().numpy()
