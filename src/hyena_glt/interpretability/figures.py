"""Pictures written to files, whole or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING

from hyena_glt.errors import OutputError
from hyena_glt.io.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure.

    Args:
        figure: What to write.
        path: File; its ending decides the format, PNG if there is none.

    Raises:
        OutputError: If the file cannot be written, or its ending names no format.
    """
    kind = path.suffix.lstrip(".").lower() or "png"
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise OutputError(
            f"{path}: pictures cannot be written as .{kind}; the ending may be "
            f"{', '.join(sorted(known))}"
        )
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished, dpi=150, format=kind)
