"""Commands that make something of a whole table: fit, report."""

import contextlib
import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from pushforward.cli.options import (
    Config,
    Debug,
    Json,
    ModelDir,
    Out,
    Overwrite,
    Quiet,
    Seed,
    Table,
    Threads,
)
from pushforward.cli.rows import table_columns
from pushforward.cli.show import console, fit_summary, print_json


def fit(
    table: Table,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL_DIR", help="Directory to make.")
    ],
    model: Annotated[str, typer.Option(help="auto, or a name that `models` lists.")] = "auto",
    columns: Annotated[
        str | None, typer.Option(help='Columns to use: a,b,c ("a,b",c for a name with a comma).')
    ] = None,
    drop: Annotated[
        str | None, typer.Option(help="Columns to leave out, written likewise.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of row weights.")
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with a \\[column] table of kind, resolution, low, high, atoms, period."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS", help="Fit these columns' law given the others, written likewise."
        ),
    ] = None,
    error_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X=X_ERR", help="X_ERR holds the standard deviations of X's errors; repeatable."
        ),
    ] = None,
    missing: Annotated[
        str,
        typer.Option(
            help="Missing cells: model them, marginalize (integrate them out), or reject."
        ),
    ] = "model",
    group: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Rows with one value here stay together in a split."),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Rows that choose and report: random, or ordered (the last).")
    ] = "random",
    validation: Annotated[float, typer.Option(help="Share of rows that choose.")] = 0.1,
    holdout: Annotated[float, typer.Option(help="Share of rows that only report.")] = 0.1,
    max_time: Annotated[
        float | None, typer.Option(help="Seconds that the fit may take, about.")
    ] = None,
    max_epochs: Annotated[int | None, typer.Option(help="Epochs to learn for at most.")] = None,
    nodes: Annotated[int, typer.Option(help="Quadrature nodes in a recorded value's cell.")] = 1,
    float64: Annotated[bool, typer.Option("--float64", help="Double precision.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed fit of this table stopped.")
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Fit a density to a table and write it to a directory."""
    from pushforward import native
    from pushforward.estimators import ConditionalDensityEstimator, DensityEstimator
    from pushforward.store.files import check_free
    from pushforward.tables import read_table

    say = console(quiet)
    check_free(output, overwrite)
    data = read_table(table)
    groups = data.column(_listed(group, "--group", data.column_names)[0]) if group else None
    data, row_weights = chosen_columns(data, columns, drop, weights, group)
    targets = _listed(target, "--target", data.column_names)
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    if not resume:
        _remove(checkpoint)
    checkpoint.mkdir(exist_ok=True)
    what = f": {', '.join(targets)} given the others" if targets else ""
    say.print(f"Fitting {data.num_rows:,} rows of {data.num_columns} columns from {table}{what}")
    if not native.is_there():
        say.print("No native code (see the documentation on speed): slower")
    errors = _pairs(error_column or [])
    if errors and targets:
        raise typer.BadParameter("--error-column is for a law without --target")
    face = ConditionalDensityEstimator if targets else DensityEstimator
    estimator = face(
        model,
        **({"errors": errors} if errors else {}),
        schema=declared_columns(schema),
        missing=missing,
        validation=validation,
        holdout=holdout,
        split=split,
        max_epochs=max_epochs,
        max_time=max_time,
        nodes=nodes,
        float64=float64,
        random_state=seed,
        progress=not quiet,
        checkpoint=str(checkpoint),
    )
    try:
        if isinstance(estimator, ConditionalDensityEstimator):
            estimator.fit(data.drop_columns(targets), data.select(targets), row_weights, groups)
        else:
            estimator.fit(data, sample_weight=row_weights, groups=groups)
    except KeyboardInterrupt:
        say.print(f"No model written; --resume goes on from {checkpoint}")
        raise
    except Exception:
        _remove(checkpoint)
        raise
    estimator.set_params(checkpoint=None, progress=False)
    card = estimator.card_
    estimator.save(output, overwrite=overwrite)
    _remove(checkpoint)
    for part in fit_summary(card, estimator.schema_.to_json()["columns"]):
        say.print(part)
    say.print(
        f"{card['model']}, {card['n_parameters']:,} parameters, {card['epochs']} epochs "
        f"(stopped by {card['stopped_by']}), {card['seconds']:.0f} s. Wrote {output}"
    )
    if json:
        print_json({"output": str(output), **card})


def report(
    model_dir: ModelDir,
    table: Table,
    output: Out,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Write a page that shows how well a model describes a table."""
    from pushforward.report import findings, write_page
    from pushforward.store import load
    from pushforward.tables import read_table
    from pushforward.tables.writing import check_output

    if output == "-":
        raise typer.BadParameter("a report is a page: name a file, -o report.html")
    check_output(output, overwrite)
    estimator = load(model_dir)
    data = read_table(table, columns=table_columns(estimator))
    found = findings(estimator, data, seed=seed)
    write_page(found, output, overwrite=overwrite)
    say = console(quiet)
    for line in found["summary"]:
        say.print(line)
    say.print(f"Wrote {output}")
    if json:
        print_json({"output": str(output), **found})


def _remove(checkpoint: Path) -> None:
    """Remove a fit's own files, and the folder if nothing else is in it."""
    for file in checkpoint.glob("*.safetensors*"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        checkpoint.rmdir()


def chosen_columns(
    data: Any,
    columns: str | None,
    drop: str | None,
    weights: str | None,
    group: str | None = None,
) -> Any:
    """Return the table's chosen columns, without those of weights and groups, and its weights."""
    names = list(data.column_names)
    kept = _listed(columns, "--columns", names) or names
    apart = (("--drop", drop), ("--weights", weights), ("--group", group))
    gone = {name for option, text in apart for name in _listed(text, option, names)}
    row_weights = data.column(weights).to_numpy() if weights else None
    return data.select([name for name in kept if name not in gone]), row_weights


def _listed(text: str | None, option: str, names: list[str]) -> list[str]:
    """Return the columns that an option names."""
    wanted = next(csv.reader([text], skipinitialspace=True)) if text else []
    wanted = [name.strip() for name in wanted]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise typer.BadParameter(f"{option}: no columns {unknown} among {', '.join(names)}")
    return list(dict.fromkeys(wanted))


def _pairs(said: list[str]) -> dict[str, str]:
    """Read X=X_ERR."""
    found = {}
    for pair in said:
        name, _, errors = pair.partition("=")
        if not name or not errors:
            raise typer.BadParameter(f"--error-column {pair}: write X=X_ERR")
        found[name] = errors
    return found


def declared_columns(path: Path | None) -> dict[str, Any] | None:
    """Read a schema file: a table per column."""
    import tomllib

    if path is None:
        return None
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--schema") from error
