"""What a person sees while training runs: a bar with figures and time left, a line per epoch."""

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from hyena_glt.training.throughput import Throughput

_WIDE = 100  # columns of a terminal that has room for all
_FIGURES = 94  # of them, for all but the bar


class _Figures(ProgressColumn):
    """The figures of the last step, the only column that is cut where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        """Draw them."""
        return Text(task.fields["figures"], no_wrap=True, overflow="ellipsis")


class TrainingProgress:
    """A progress bar over all steps.

    Args:
        total: Steps of the whole training.
        enabled: False shows nothing.
    """

    def __init__(self, total: int, *, enabled: bool) -> None:
        self.console = Console(stderr=True, quiet=not enabled)
        whole = Column(no_wrap=True)
        wide = self.console.width >= _WIDE
        self.bar = Progress(
            *([TextColumn("[bold]{task.description}", table_column=whole)] if wide else []),
            BarColumn(min(40, max(4, self.console.width - _FIGURES)), table_column=whole),
            MofNCompleteColumn(table_column=whole),
            _Figures(),
            *([TimeElapsedColumn(table_column=whole)] if wide else []),
            TimeRemainingColumn(table_column=whole),
            console=self.console,
            transient=True,
            disable=not (enabled and self.console.is_terminal),
        )
        self.task = self.bar.add_task("training", total=total, figures="")
        self._throughput = Throughput()
        self._metric = ""

    def __enter__(self) -> Self:
        """Start the bar."""
        self.bar.start()
        self._throughput.go_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        self.bar.stop()

    def step(self, loss: float, compression: float, tokens: int = 0) -> None:
        """Show one more step.

        Args:
            loss: Its loss.
            compression: Its nucleotides per patch.
            tokens: In its batch, without padding; 0 shows no speed.
        """
        parts = [f"loss {loss:.3f}", self._metric]
        speed = self._throughput.step(tokens)
        if math.isfinite(speed):
            parts.append(f"{speed:,.0f} tokens/s")
        parts.append(f"{compression:.1f} nt/patch")
        self.bar.update(self.task, advance=1, figures="  ".join(filter(None, parts)))

    def metric(self, name: str, value: float) -> None:
        """Show a figure of the last evaluation beside those of the steps from here on.

        Args:
            name: What it is.
            value: On the validation data.
        """
        self._metric = f"{name} {value:.3f}"
        self._throughput.go_on()  # the evaluation was no training

    def line(self, text: str) -> None:
        """Print a line above the bar; in a file it stays one line, for programs that search it.

        Args:
            text: The line.
        """
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
