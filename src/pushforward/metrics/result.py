"""What a metric returns."""

import dataclasses
import html


@dataclasses.dataclass(frozen=True)
class Result:
    """Hold a metric's value.

    Parameters
    ----------
    name, value : what was measured, and the number.
    std_error : its standard error, or none where it has none.
    p_value : the chance of a value as extreme if nothing were wrong, or none.
    said : in a sentence what the value means.
    """

    name: str
    value: float
    std_error: float | None = None
    p_value: float | None = None
    said: str = ""

    def __str__(self) -> str:
        error = "" if self.std_error is None else f" ± {self.std_error:.2g}"
        p = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        return f"{self.name} {self.value:.4g}{error}{p}: {self.said}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"
