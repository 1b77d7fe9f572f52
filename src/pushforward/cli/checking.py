"""Commands that judge: validate, compare."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from pushforward.cli.fitting import chosen_columns, declared_columns
from pushforward.cli.options import Config, Debug, Json, ModelDir, Quiet, Seed, Table, Threads
from pushforward.cli.rows import known_columns
from pushforward.cli.show import check_table, console, print_json, rung_table


def validate(
    model_dir: ModelDir,
    table: Table,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Prove a fitted model on a table: each check passes or fails; exit code 1 if one fails."""
    from pushforward.store import load
    from pushforward.tables import read_table

    estimator = load(model_dir)
    checks = estimator.validate(*known_columns(read_table(table), estimator), seed=seed)
    passed = all(check.passed is not False for check in checks)
    say = console(quiet)
    say.print(check_table([dataclasses.asdict(check) for check in checks]))
    say.print("every check that could be made passed" if passed else "a check failed")
    if json:
        found = [dataclasses.asdict(check) for check in checks]
        print_json({"model": str(model_dir), "passed": passed, "checks": found})
    if not passed:
        raise typer.Exit(1)


def compare(
    table: Table,
    models: Annotated[
        str, typer.Option(help="Models to fit, names that `models` lists: a,b,c.")
    ] = "",
    columns: Annotated[str | None, typer.Option(help="Columns to use: a,b,c.")] = None,
    drop: Annotated[str | None, typer.Option(help="Columns to leave out: a,b,c.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of row weights.")
    ] = None,
    schema: Annotated[Path | None, typer.Option(help="TOML file, as of `fit`.")] = None,
    max_time: Annotated[float, typer.Option(help="Seconds that all fits may take together.")] = (
        120.0
    ),
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Fit several models of a table on one split, and say which explains it best."""
    from pushforward.estimators.checks import checked_weights
    from pushforward.judge.ladder import LADDER, verdict
    from pushforward.judge.ladder import compare as fit_all
    from pushforward.judge.rows import TableRows
    from pushforward.judge.settings import Settings
    from pushforward.tables import from_frame, infer_schema, read_table
    from pushforward.tables.dependence import set_aside_dependent
    from pushforward.tables.frames import split_dates

    data, row_weights = chosen_columns(read_table(table), columns, drop, weights)
    declared = declared_columns(schema)
    frame = split_dates(from_frame(data), declared or ())
    own = checked_weights(row_weights, len(frame.values))
    kinds = infer_schema(frame.values, frame.names or (), own, frame.sources, declared)
    kinds = set_aside_dependent(kinds, frame.values[own > 0], tuple(declared or ()))
    wanted = tuple(name.strip() for name in models.split(",") if name.strip()) or LADDER
    settings = Settings(max_time=max_time, seed=seed, progress=not quiet)
    rungs = fit_all(TableRows(frame.values, own), kinds, settings, wanted)
    say, found = console(quiet), [dataclasses.asdict(rung) for rung in rungs]
    say.print(rung_table(found))
    say.print(verdict(rungs))
    if json:
        print_json({"table": table, "verdict": verdict(rungs), "models": found})
