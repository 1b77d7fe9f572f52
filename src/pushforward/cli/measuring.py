"""The command that measures information: info."""

import csv
import dataclasses
from enum import StrEnum
from typing import Annotated, Any

import typer

from pushforward.cli.options import Config, Debug, Json, Quiet, Seed, Table, Threads
from pushforward.cli.show import console, print_json


class Measure(StrEnum):
    """Name the measures."""

    entropy = "entropy"
    total_correlation = "total_correlation"
    dual_total_correlation = "dual_total_correlation"
    o_information = "o_information"
    mutual_information = "mutual_information"
    kl_divergence = "kl_divergence"
    js_divergence = "js_divergence"
    negentropy = "negentropy"


class Units(StrEnum):
    """Name the units."""

    nats = "nats"
    bits = "bits"


_Columns = Annotated[str | None, typer.Option(metavar="A,B", help="Columns; all numbers if none.")]


def info(
    table: Table,
    measure: Annotated[Measure, typer.Option(help="What to measure.")] = Measure.total_correlation,
    columns: _Columns = None,
    x: Annotated[
        str | None, typer.Option(metavar="A,B", help="Mutual information: one group of columns.")
    ] = None,
    y: Annotated[
        str | None, typer.Option(metavar="C", help="The other group; all but x and given if none.")
    ] = None,
    given: Annotated[
        str | None, typer.Option(metavar="D", help="Columns that the two are conditioned on.")
    ] = None,
    other: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Divergences: the second table, Q.")
    ] = None,
    units: Annotated[Units, typer.Option(help="Units of the result.")] = Units.nats,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Measure what columns tell: entropy, what they share, how two tables differ.

    Rows with a missing value in a column that is used are left out, and so are columns of texts
    unless they are asked for by name, which is refused.
    """
    import jax

    from pushforward import information

    pair = measure in (Measure.kl_divergence, Measure.js_divergence)
    groups = measure is Measure.mutual_information
    if pair != (other is not None):
        raise typer.BadParameter("--other goes with divergences, and they with it")
    if groups != (x is not None) or ((y or given) and not groups):
        raise typer.BadParameter("--x (with --y, --given) goes with mutual_information")
    if groups and columns:
        raise typer.BadParameter("--columns: name the groups by --x, --y and --given instead")
    values, names = _numbers(table)
    options = {"key": jax.random.key(seed), "units": str(units)}
    if groups:
        first, third = _listed(x, names, "--x"), _listed(given, names, "--given")
        rest = [name for name in names if name not in (*first, *third)]
        second = _listed(y, names, "--y") or rest
        if not second or len({*first, *second, *third}) < len(first + second + third):
            raise typer.BadParameter(
                "--x, --y and --given: a column in one group each, two or more"
            )
        used = [*first, *second, *third]
        rows, left_out = _complete(values, names, used)
        ends = (0, len(first), len(first) + len(second), len(used))
        parts = [rows[:, a:b] for a, b in zip(ends, ends[1:], strict=False) if b > a]
        found = information.mutual_information(*parts, **options)
    else:
        used = _listed(columns, names, "--columns") or names
        rows, left_out = _complete(values, names, used)
        parts = [rows]
        if other is not None:
            seconds, others = _numbers(other)
            missing = [name for name in used if name not in others]
            if missing:
                raise typer.BadParameter(f"--other: no columns {missing} in {other}")
            second_rows, more = _complete(seconds, others, used)
            parts, left_out = [rows, second_rows], left_out + more
        found = getattr(information, measure)(*parts, **options)
    say = console(quiet)
    if left_out:
        say.print(f"{left_out} rows with missing values left out")
    say.print(str(found))
    if json:
        about = {"table": table, "columns": used, "rows": len(rows), "left_out": left_out}
        print_json({**about, "measure": str(measure), **dataclasses.asdict(found)})


def _numbers(table: str) -> tuple[Any, list[str]]:
    """Return a table's columns of numbers, float64 with NaN where a cell is missing."""
    import numpy as np

    from pushforward.tables import from_frame, read_table

    frame = from_frame(read_table(table))
    names = frame.names or ()
    kept = [j for j, source in enumerate(frame.sources) if source.categories is None]
    if not kept:
        raise typer.BadParameter(f"{table}: no column of numbers")
    return np.asarray(frame.values)[:, kept], [names[j] for j in kept]


def _listed(text: str | None, names: list[str], option: str) -> list[str]:
    """Return the columns that an option names."""
    wanted = next(csv.reader([text], skipinitialspace=True)) if text else []
    wanted = [name.strip() for name in wanted]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise typer.BadParameter(f"{option}: no columns {unknown} of numbers in {', '.join(names)}")
    return list(dict.fromkeys(wanted))


def _complete(values: Any, names: list[str], used: list[str]) -> tuple[Any, int]:
    """Return the rows that have all used columns, and how many have not."""
    import numpy as np

    rows = values[:, [names.index(name) for name in used]]
    whole = ~np.isnan(rows).any(1)
    return rows[whole], int((~whole).sum())
