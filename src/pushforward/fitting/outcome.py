"""What learning returns: the model, how it went and why it stopped."""

import dataclasses
import html
from typing import Any


@dataclasses.dataclass(frozen=True)
class Fit:
    """Hold a fitted model, its history and the reason it stopped.

    Parameters
    ----------
    model : the model with the best validation loss seen (the last one without validation).
    history : lists per epoch: epoch, train, validation (loss, nats), skipped (steps so far).
    stopped_by : "patience", "max_epochs", "max_steps", "max_time" or "interrupt".
    """

    model: Any
    history: dict[str, list]
    stopped_by: str

    def __repr__(self) -> str:
        return f"Fit({self._summary()})"

    def _repr_html_(self) -> str:
        return f"<p><b>Fit</b> {html.escape(self._summary())}</p>"

    def __rich__(self) -> str:
        return f"[bold]Fit[/bold] {self._summary()}"

    def _summary(self) -> str:
        losses = self.history["validation"] or self.history["train"]
        best = f", best loss {min(losses):.4f} nats" if losses else ""
        return f"{len(self.history['epoch'])} epochs, stopped by {self.stopped_by}{best}"
