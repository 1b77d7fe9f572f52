"""A table some of whose columns are measured with errors of known sizes."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.keys import generator
from pushforward.core.programs import prepared
from pushforward.densities.measured import Measured
from pushforward.tables.columns import inside_edges
from pushforward.tables.context import Given
from pushforward.tables.density import TableDensity, Values
from pushforward.tables.schema import Schema

_NODES = 64
"""Points of the errors' law in scoring."""


class MeasuredTable(TableDensity):
    r"""The law of true rows, asked about measured ones.

    log p(v | s) = log ∫ p(t) N(v; t, s²) dt,   s the errors' standard deviations.

    `context` is s, a column for each of `measured`, in the columns' units. Without it, rows are
    true ones. Samples with s are measured ones, without it true.

    Parameters
    ----------
    measured : places in the schema of the columns that have errors.

    Cost: `_NODES` density evaluations a row. Source bovy2011extreme
    """

    measured: tuple[int, ...] = eqx.field(static=True, default=())

    @property
    def evidence(self) -> Evidence:
        return Evidence.NUMERICAL

    def log_prob(self, values: Values, context: Given | None = None) -> Float[np.ndarray, " n"]:
        if context is None:
            return TableDensity.log_prob(self, values)
        self.schema.check_cells(values)
        blurred = blurred_density(self.schema, self.density, self.measured, _NODES)
        sizes = standard_errors(self.schema, self.measured, context, len(values))

        call = prepared(Density.log_prob, blurred)
        return self._scored(values, sizes, call, np.zeros((1, self.n_latents)))

    def sample(
        self, key: Array, n: int, context: Given | None = None, *, balanced: bool = False
    ) -> Values:
        value_key, error_key = jax.random.split(key)
        values = TableDensity.sample(self, value_key, n, balanced=balanced)
        if context is None:
            return values
        rng = generator(error_key)
        places = list(self.measured)
        noise = context * rng.standard_normal((n, len(places)))
        atoms = np.isnan(self.schema.standardize(values))[:, _among(self.schema, self.measured)]
        values[:, places] += np.where(atoms, 0.0, noise)
        return values

    def encode(self, context: Given | None, n: int) -> Float[np.ndarray, "n c"]:
        return np.empty((n, 0))


def measured_table(model: TableDensity, measured: tuple[int, ...]) -> MeasuredTable:
    """Return the law of a table's true rows, some of whose columns have errors."""
    return MeasuredTable(model.schema, model.density, model.nodes, model.given, measured)


def blurred_density(
    schema: Schema, density: Density, measured: tuple[int, ...], nodes: int
) -> Measured:
    """Return the law of measured events given their errors, in standard units."""
    places = _among(schema, measured)
    ends = np.stack(inside_edges(schema), 1)[places]
    columns = tuple(len(schema.coded) + place for place in places)
    codes = tuple(schema.presence[place] for place in places)
    pairs = tuple((float(low), float(high)) for low, high in ends)
    return Measured(density, columns, pairs, nodes, codes)


def standard_errors(
    schema: Schema, measured: tuple[int, ...], errors: Given, n: int
) -> Float[np.ndarray, "n measured"]:
    """Return errors in standard units."""
    if errors.shape != (n, len(measured)):
        raise ShapeError(f"errors of shape {errors.shape}", f"({n}, {len(measured)})")
    return errors / np.array([schema.columns[i].scale for i in measured])


def check_measured(schema: Schema, measured: tuple[int, ...]) -> None:
    """Raise unless the columns can have errors: numbers of the line, that others do not make."""
    for i in measured:
        column = schema.columns[i]
        if not column.is_valued or column.circle:
            what = "a circle" if column.circle else column.kind
            raise OptionError(
                f"errors of column {column.name!r}, which is {what}",
                "columns of numbers on the line",
            )


def _among(schema: Schema, measured: tuple[int, ...]) -> list[int]:
    """Return the places of columns among the valued ones."""
    return [schema.valued.index(i) for i in measured]
