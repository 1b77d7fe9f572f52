"""What commands print: data and JSON to stdout, messages to stderr."""

import json
import math
import sys
from typing import Any

from rich.console import Console
from rich.table import Table


def console(quiet: bool) -> Console:
    """Return the console for messages: standard error."""
    return Console(stderr=True, quiet=quiet, highlight=False)


def print_json(document: dict[str, Any], output: str | None = None) -> None:
    """Print one JSON object: to stderr where the data went to stdout. No NaN: null instead."""
    stream = sys.stderr if output == "-" else sys.stdout
    stream.write(json.dumps(_finite(document), allow_nan=False) + "\n")
    stream.flush()


def fit_summary(card: dict[str, Any], columns: list[dict[str, Any]]) -> list[Table]:
    """Return the tables that tell how a fit went."""
    kinds = Table("column", "kind", "resolution", "transform", "why", title="Columns")
    for column in columns:
        kinds.add_row(
            column["name"],
            column["kind"],
            f"{column['resolution']:g}" if column["resolution"] else "",
            column["transform"],
            column["reason"],
        )
    held = Table(
        "model", "nats per row", "s.e.", "evidence", title=f"On {card['holdout_kind']} rows"
    )
    held.add_row(
        card["model"], f"{card['holdout_nats']:.3f}", f"{card['holdout_se']:.3f}", card["evidence"]
    )
    for name, nats in card["baselines"].items():
        error = card["baseline_se"].get(name)
        shown = (
            ("failed", "", "")
            if nats is None
            else (f"{nats:.3f}", f"{error:.3f}", card["evidence"])
        )
        held.add_row(f"baseline: {name}", *shown)
    return [kinds, held]


def check_table(checks: list[dict[str, Any]]) -> Table:
    """Return the table of a model's checks."""
    table = Table("check", "", "what was found", title="Checks")
    marks = {True: "passed", False: "[bold red]FAILED[/]", None: "not decided"}
    for check in checks:
        table.add_row(check["name"], marks[check["passed"]], check["said"])
    return table


def rung_table(rungs: list[dict[str, Any]]) -> Table:
    """Return the table of a comparison, the best model first."""
    table = Table("model", "nats per row", "s.e.", "evidence", "C2ST", "PIT p", "seconds")
    for rung in rungs:
        numbers = [
            "" if rung[key] is None else f"{rung[key]:{form}}"
            for key, form in (("c2st", ".2f"), ("pit", ".2g"), ("seconds", ".0f"))
        ]
        if rung["nats"] is None:
            table.add_row(rung["name"], "–", "", rung["said"], *numbers)
            continue
        table.add_row(
            rung["name"], f"{rung['nats']:.3f}", f"{rung['se']:.3f}", rung["evidence"], *numbers
        )
    return table


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
