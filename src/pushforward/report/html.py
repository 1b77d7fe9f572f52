"""The page: one self-contained HTML file, drawn from the findings alone."""

import os
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pushforward.core.errors import OutputError
from pushforward.report import figures
from pushforward.tables.writing import check_output


def page(found: dict[str, Any]) -> str:
    """Return the findings as HTML: no scripts, no network, figures inside."""
    environment = Environment(
        loader=PackageLoader("pushforward.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    card = found["card"]
    return environment.get_template("page.html").render(
        found=found,
        card=card,
        figures={
            "baselines": figures.against_baselines(card),
            "curve": figures.training_curve(card),
            "marginals": figures.marginals(found["marginals"]),
            "pairs": figures.pairs(found["pairs"]),
            "latents": figures.latents(found["latents"], found["calibration"]["normal_quantiles"]),
            "calibration": figures.calibration(found["calibration"]),
        },
        colours={"real": figures.REAL, "sampled": figures.SAMPLED},
    )


def write_page(found: dict[str, Any], path: str | Path, overwrite: bool = False) -> None:
    """Write the page under a temporary name, then rename it.

    Raises
    ------
    OutputError : the file exists, or the place cannot be written.
    """
    check_output(path, overwrite)
    text = page(found)
    target = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise OutputError(
            f"{path}: {error.strerror or error}", "a writable place with room"
        ) from error


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return str(value)
