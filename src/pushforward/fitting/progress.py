"""Progress on standard error, on a terminal only."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class EpochBar:
    """Show epochs and losses while a fit runs; silent unless asked for and on a terminal."""

    def __init__(self, total: int, enabled: bool):
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[losses]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not (enabled and console.is_terminal),
        )
        self._task = self._bar.add_task("fit", total=total, losses="compiling")

    def __enter__(self) -> "EpochBar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, epoch: int, train: float, validation: float) -> None:
        """Move the bar to an epoch and show its losses (nats per row)."""
        self._bar.update(
            self._task,
            completed=epoch,
            losses=f"train {train:.3f}, validation {validation:.3f} nats",
        )
