"""Commands that stream rows: score, sample, transform, inverse-transform."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

    from pushforward.estimators import DensityEstimator


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
                log_prob, p_value = estimator.scores_and_p_values(_known(piece, estimator))
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
    n: Annotated[int, typer.Option("-n", min=1, help="Rows to draw.")],
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    threads: Threads = None,
    config: Config = None,
    debug: Debug = False,
) -> None:
    """Draw rows that look like the table's."""
    import jax

    from pushforward.store import load
    from pushforward.tables import TableWriter
    from pushforward.tables.frames import to_frame
    from pushforward.tables.reading import ROWS

    with TableWriter(output, overwrite) as writer:
        estimator = load(model_dir)
        keys = jax.random.key(seed)
        for piece, first in enumerate(range(0, n, ROWS)):
            key = jax.random.fold_in(keys, piece)
            with jax.enable_x64(estimator.float64):
                values = estimator.model_.sample(key, min(ROWS, n - first))
            writer.write(to_frame(values, estimator.schema_, "pyarrow"))
    console(quiet).print(f"Drew {n:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": n, "seed": seed}, output)


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
        estimator = load(model_dir)
        rows = 0
        for piece in stream_table(table):
            with _counted_from(rows):
                writer.write(estimator.transform(_known(piece, estimator)))
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
        estimator = load(model_dir)
        names = list(estimator.get_feature_names_out())
        rows = 0
        for piece in stream_table(table, columns=names):
            with _counted_from(rows):
                writer.write(estimator.inverse_transform(piece))
            rows += piece.num_rows
    console(quiet).print(f"Transformed {rows:,} rows. Wrote {output}")
    if json:
        print_json({"output": output, "rows": rows}, output)


def _keep_input(table: str, output: str) -> None:
    """Refuse to write over the table that is read."""
    if output != "-" and Path(output).resolve() == Path(table).resolve():
        raise typer.BadParameter(f"{output} is the table that is read: name another file")


def _known(piece: "pa.Table", estimator: "DensityEstimator") -> "pa.Table":
    """Leave out what the model was not fitted on (dropped columns, weights); the order stays."""
    names = estimator.schema_.names
    return piece.select([name for name in piece.column_names if name in names])


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
