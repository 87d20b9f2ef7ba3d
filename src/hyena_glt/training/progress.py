"""What a person sees while training runs: a bar with loss and time left, a line per epoch."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class TrainingProgress:
    """A progress bar over all steps.

    Args:
        total: Steps of the whole training.
        enabled: False shows nothing.
    """

    def __init__(self, total: int, *, enabled: bool) -> None:
        self.console = Console(stderr=True, quiet=not enabled)
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (enabled and self.console.is_terminal),
        )
        self.task = self.bar.add_task("training", total=total, figures="")

    def __enter__(self) -> Self:
        """Start the bar."""
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        self.bar.stop()

    def step(self, loss: float, compression: float) -> None:
        """Show one more step.

        Args:
            loss: Its loss.
            compression: Its nucleotides per patch.
        """
        figures = f"loss {loss:.3f}  {compression:.1f} nt/patch"
        self.bar.update(self.task, advance=1, figures=figures)

    def line(self, text: str) -> None:
        """Print a line above the bar.

        Args:
            text: The line.
        """
        self.console.print(text, highlight=False, markup=False)
