"""Commands that stream rows: score, sample, predict, transform, inverse-transform."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from pushforward.cli.show import console, print_json
from pushforward.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from pushforward.estimators import ConditionalDensityEstimator, DensityEstimator


def score(
    model_dir: ModelDir,
    table: Table,
    output: Out,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Write each row's log_prob (nats, per the table's units) and calibrated p_value."""
    import numpy as np
    import pyarrow as pa

    from pushforward.store import load
    from pushforward.tables import TableWriter, stream_table

    _keep_input(table, output)
    with TableWriter(output, overwrite) as writer:
        estimator = load(model_dir)
        rows, finite, total, squares = 0, 0, 0.0, 0.0
        for piece in stream_table(table):
            with _counted_from(rows):
                log_prob, p_value = estimator.scores_and_p_values(*known_columns(piece, estimator))
            position = np.arange(rows, rows + len(log_prob))
            writer.write(pa.table({"row": position, "log_prob": log_prob, "p_value": p_value}))
            good = log_prob[np.isfinite(log_prob)]
            rows, finite = rows + len(log_prob), finite + len(good)
            total, squares = total + good.sum(), squares + (good**2).sum()
    mean = total / finite if finite else float("nan")
    variance = max(squares / finite - mean**2, 0.0) if finite else float("nan")
    se = (variance / max(finite - 1, 1)) ** 0.5
    lost = f" (without {rows - finite:,} rows of density zero)" if rows > finite else ""
    console(quiet).print(
        f"Scored {rows:,} rows: mean {mean:.4f} ± {se:.4f} nats{lost}. Wrote {output}"
    )
    if json:
        document = {"rows": rows, "mean_log_prob": mean, "se": se, "n_nonfinite": rows - finite}
        print_json({"output": output, **document}, output)


def sample(
    model_dir: ModelDir,
    output: Out,
    n: Annotated[int, typer.Option("-n", min=1, help="Rows to draw (for each row given).")],
    given: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Rows of some columns (all others, where `fit` had --target); the rest is drawn.",
        ),
    ] = None,
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced", help="Spread the rows evenly over the law; they are not independent then."
        ),
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Draw rows that look like the table's; with --given, n for each of its rows."""
    from pushforward.store import load
    from pushforward.tables import TableWriter

    if given is not None:
        _keep_input(given, output)
    with TableWriter(output, overwrite) as writer:
        estimator = load(model_dir)
        if _is_conditional(estimator) and given is None:
            raise typer.BadParameter(f"{model_dir} needs --given TABLE")
        if given is not None and balanced:
            raise typer.BadParameter("--balanced rows are of the whole law: not with --given")
        if given is None:
            drawn = _draws(estimator, n, seed, balanced)
        elif _is_conditional(estimator):
            drawn = _given(estimator, given, n, seed)
        else:
            drawn = _completed(estimator, given, n, seed)
        rows = 0
        for piece in drawn:
            writer.write(piece)
            rows += piece.num_rows
    console(quiet).print(f"Drew {rows:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": rows, "seed": seed}, output)


def _draws(
    estimator: "DensityEstimator", n: int, seed: int, balanced: bool
) -> "Iterator[pa.Table]":
    """Draw a table in pieces."""
    import jax

    from pushforward.tables.frames import to_frame
    from pushforward.tables.reading import ROWS

    keys = jax.random.key(seed)
    for piece, first in enumerate(range(0, n, ROWS)):
        with jax.enable_x64(estimator.float64):
            key = jax.random.fold_in(keys, piece)
            values = estimator.model_.sample(key, min(ROWS, n - first), balanced=balanced)
        yield to_frame(values, estimator.schema_, "pyarrow")


def _given(
    estimator: "ConditionalDensityEstimator", table: str, n: int, seed: int
) -> "Iterator[pa.Table]":
    """Draw n times the target for each row of a table, beside the columns that are given."""
    import jax
    import numpy as np

    from pushforward.judge.predict import draws
    from pushforward.tables import from_frame, stream_table
    from pushforward.tables.frames import to_frame
    from pushforward.tables.reading import ROWS

    first, names = 0, estimator.given_.table_names
    for piece in stream_table(table, columns=names, rows=max(1, ROWS // n)):
        key = jax.random.fold_in(jax.random.key(seed), first)
        with _counted_from(first), jax.enable_x64(estimator.float64):
            context = from_frame(piece, estimator.given_).values
            drawn = draws(estimator.model_, key, context, n)
        target = to_frame(drawn.reshape(piece.num_rows * n, -1), estimator.schema_, "pyarrow")
        rows = np.repeat(np.arange(piece.num_rows), n)
        repeated = piece.take(rows).add_column(0, "row", [first + rows])
        for name in target.column_names:
            repeated = repeated.append_column(name, target.column(name))
        first += piece.num_rows
        yield repeated


def _completed(
    estimator: "DensityEstimator", table: str, n: int, seed: int
) -> "Iterator[pa.Table]":
    """Draw n whole rows for each row of a table of some columns."""
    import numpy as np

    from pushforward.tables import stream_table
    from pushforward.tables.reading import ROWS

    first = 0
    for piece in stream_table(table, rows=max(1, ROWS // n)):
        (known,) = known_columns(piece, estimator)
        if not known.column_names:
            wanted = f"some of {', '.join(estimator.schema_.table_names)}"
            raise typer.BadParameter(f"--given {table} has none of the columns; it needs {wanted}")
        with _counted_from(first):
            drawn = estimator.sample(n, seed + first, given=known)
        rows = np.repeat(np.arange(piece.num_rows), n)
        yield drawn.add_column(0, "row", [first + rows])
        first += piece.num_rows


def impute(
    model_dir: ModelDir,
    table: Table,
    output: Out,
    n: Annotated[int, typer.Option("-n", min=1, help="Completed rows to draw for each row.")] = 1,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Fill missing cells with draws from their law given the row's others."""
    from pushforward.store import load
    from pushforward.tables import TableWriter, stream_table

    _keep_input(table, output)
    with TableWriter(output, overwrite) as writer:
        estimator = _joint(load(model_dir), model_dir)
        rows = 0
        for piece in stream_table(table):
            with _counted_from(rows):
                writer.write(estimator.impute(*known_columns(piece, estimator), n, seed + rows))
            rows += piece.num_rows
    console(quiet).print(f"Completed {rows:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": rows, "draws": n, "seed": seed}, output)


def predict(
    model_dir: ModelDir,
    table: Table,
    output: Out,
    quantiles: Annotated[
        str, typer.Option(help="Probabilities, q,q,…; empty for the mean alone.")
    ] = "0.05,0.5,0.95",
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Write the target's mean and quantiles for each row, where `fit` had --target."""
    import jax
    import numpy as np

    from pushforward.judge.predict import means as means_of
    from pushforward.judge.predict import quantiles as quantiles_of
    from pushforward.store import load
    from pushforward.tables import TableWriter, from_frame, stream_table
    from pushforward.tables.frames import means_table

    _keep_input(table, output)
    try:
        wanted = [float(q) for q in quantiles.split(",") if q.strip()]
    except ValueError as error:
        raise typer.BadParameter(f"--quantiles: {error}") from error
    if not all(0 < q < 1 for q in wanted):
        raise typer.BadParameter(f"--quantiles {quantiles}: probabilities between 0 and 1")
    with TableWriter(output, overwrite) as writer:
        estimator = load(model_dir)
        if not _is_conditional(estimator):
            raise typer.BadParameter(f"{model_dir} was fitted without --target")
        rows = 0
        for piece in stream_table(table, columns=estimator.given_.table_names):
            with _counted_from(rows), jax.enable_x64(estimator.float64):
                context = from_frame(piece, estimator.given_).values
                key, law = jax.random.key(0), estimator.model_
                means = means_of(law, key, context)
                levels = quantiles_of(law, key, context, np.array(wanted)) if wanted else means
            found = means_table(means, estimator.schema_, "pyarrow")
            for j, name in enumerate(estimator.schema_.table_names):
                for k, q in enumerate(wanted):
                    found = found.append_column(f"{name}_q{q:g}", [levels[:, j, k]])
            position = np.arange(rows, rows + piece.num_rows)
            writer.write(found.add_column(0, "row", [position]))
            rows += piece.num_rows
    console(quiet).print(f"Predicted {rows:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": rows, "quantiles": wanted}, output)


def transform(
    model_dir: ModelDir,
    table: Table,
    output: Out,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Write each row's latent: standard normal where the model holds."""
    from pushforward.store import load
    from pushforward.tables import TableWriter, stream_table

    _keep_input(table, output)
    with TableWriter(output, overwrite) as writer:
        estimator = _joint(load(model_dir), model_dir)
        rows = 0
        for piece in stream_table(table):
            with _counted_from(rows):
                writer.write(estimator.transform(*known_columns(piece, estimator)))
            rows += piece.num_rows
    console(quiet).print(f"Transformed {rows:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": rows}, output)


def inverse_transform(
    model_dir: ModelDir,
    table: Table,
    output: Out,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Write the rows of a table of latents (columns z0, z1, …)."""
    from pushforward.store import load
    from pushforward.tables import TableWriter, stream_table

    _keep_input(table, output)
    with TableWriter(output, overwrite) as writer:
        estimator = _joint(load(model_dir), model_dir)
        names = list(estimator.get_feature_names_out())
        rows = 0
        for piece in stream_table(table, columns=names):
            with _counted_from(rows):
                writer.write(estimator.inverse_transform(piece))
            rows += piece.num_rows
    console(quiet).print(f"Transformed {rows:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": rows}, output)


def _joint(estimator: Any, model_dir: Path) -> "DensityEstimator":
    """Return the estimator of a whole row's law; refuse others."""
    from pushforward.estimators import DensityEstimator

    if not isinstance(estimator, DensityEstimator):
        raise typer.BadParameter(
            f"{model_dir} holds a {type(estimator).__name__}, not a law of rows"
        )
    return estimator


def _is_conditional(estimator: "DensityEstimator | ConditionalDensityEstimator") -> bool:
    from pushforward.estimators import ConditionalDensityEstimator

    return isinstance(estimator, ConditionalDensityEstimator)


def _keep_input(table: str, output: str) -> None:
    """Refuse to write over the table that is read."""
    if output != "-" and Path(output).resolve() == Path(table).resolve():
        raise typer.BadParameter(f"{output} is the table that is read: name another file")


def known_columns(
    piece: "pa.Table", estimator: "DensityEstimator | ConditionalDensityEstimator"
) -> "tuple[pa.Table, ...]":
    """Return the columns that the model was fitted on: those given, if any, and those with a law.

    Others (dropped columns, weights) are left out. The order stays, but for those of a law given
    others, where names decide.
    """
    if not _is_conditional(estimator):
        names = table_columns(estimator)
        return (piece.select([name for name in piece.column_names if name in names]),)
    groups = (estimator.model_.given.schema.table_names, estimator.schema_.table_names)  # type: ignore[union-attr]
    return tuple(
        piece.select([name for name in group if name in piece.column_names]) for group in groups
    )


def table_columns(estimator: "DensityEstimator | ConditionalDensityEstimator") -> tuple[str, ...]:
    """Return the columns that a table needs: those given, those with a law, those of errors."""
    if _is_conditional(estimator):
        return (*estimator.given_.table_names, *estimator.schema_.table_names)  # type: ignore[union-attr]
    errors = dict.fromkeys((estimator.errors or {}).values())  # type: ignore[union-attr]
    return (*estimator.schema_.table_names, *errors)


@contextlib.contextmanager
def _counted_from(first: int) -> Iterator[None]:
    """Say where a piece of the table begins when one of its cells is refused."""
    try:
        yield
    except DataError as error:
        if not first:
            raise
        given = f"{error.given}, counting from row {first} of the table"
        raise type(error)(given, error.expected, error.fix) from error
