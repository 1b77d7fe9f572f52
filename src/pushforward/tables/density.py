"""A density over a table's own columns, in its own units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, weakest
from pushforward.core.keys import generator
from pushforward.core.lattice import lattice
from pushforward.core.programs import Program, prepared
from pushforward.densities.mixed import Mixed
from pushforward.densities.pushforward import Pushforward
from pushforward.tables.balanced import one_of_each
from pushforward.tables.blocks import (
    BLOCK,
    block_by_block,
    in_blocks,
    in_parts,
)
from pushforward.tables.cells import Cell, has_known_cells, log_cell_mean
from pushforward.tables.columns import inside_edges
from pushforward.tables.context import ContextColumns, Given
from pushforward.tables.schema import Schema

BALANCED, POOL, MOST_DRAWS = 1024, 32_768, 256
"""Balanced rows at a time, draws that they are picked from, and most of these for one row."""

Values = Float[np.ndarray, "n columns"]


class TableDensity(eqx.Module):
    r"""Evaluate and sample a table's rows, in nats per the table's own units.

    log p(v) = log p_u(u) − Σ log scale,   u = (v − centre)/scale.

    Where columns are recorded on a grid, the log of the mean density over the recorded cell
    C(v) = v ± resolution/2: exact where only one column has a density, by its distribution
    function (`tables.cells`); elsewhere by a fixed quadrature,  log (1/K) Σ_k p(v + δ_k). K = 1
    is the midpoint, v itself.

    Parameters
    ----------
    schema : the columns.
    density : a density over events: the codes of the coded columns, then the standardized values
        of the valued ones (`Schema`); a `Mixed` where there are codes.
    nodes : K, nodes of the quadrature over the cell of all gridded columns jointly.
    given : the columns that the law is conditioned on, or none. Methods then take as `context`
        the rows of those columns, one per row or one for all.

    Cost O(nodes) density evaluations a row. Source theis2016note
    """

    schema: Schema = eqx.field(static=True)
    density: Density
    nodes: int = eqx.field(static=True, default=1)
    given: ContextColumns | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.nodes < 1:
            raise OptionError(f"nodes={self.nodes}", "at least 1")
        if self.density.dim != self.schema.dim:
            raise ShapeError(
                f"a density of dim {self.density.dim}",
                f"dim {self.schema.dim}, the codes and values of the columns that vary",
            )
        wanted = 0 if self.given is None else self.given.dim
        if self.density.context_dim != wanted:
            raise ShapeError(
                f"a density of context_dim {self.density.context_dim}",
                f"{wanted}, the numbers of the columns that are given",
            )

    @property
    def dim(self) -> int:
        return self.density.dim

    @property
    def evidence(self) -> Evidence:
        by_nodes = self.schema.is_discretized and self._cell() is None
        return weakest(Evidence.NUMERICAL if by_nodes else Evidence.EXACT, self.density.evidence)

    def log_prob(self, values: Values, context: Given | None = None) -> Float[np.ndarray, " n"]:
        """Return log p of full rows in nats; −inf where a row breaks `Schema.keep_rules`.

        Raises
        ------
        DataError : a value is off its column's grid (named by column and row).
        """
        self.schema.check_cells(values)
        numbers, cell, offsets = self.encode(context, len(values)), self._cell(), self._offsets()
        if cell is not None:
            call = prepared(log_cell_mean, (self.density, cell))
            offsets = np.zeros((1, self.n_latents))
        else:
            call = prepared(Density.log_prob, self.density)
        return self._scored(values, numbers, call, offsets)

    def _scored(
        self, values: Values, numbers: np.ndarray, call: Program, offsets: np.ndarray
    ) -> Float[np.ndarray, " n"]:
        """Return the log of the mean of a compiled density over offsets, in the table's units."""

        def of(part: slice) -> np.ndarray:
            u = self.schema.standardize(values[part])
            events = event_rows(self.schema, values[part], u)
            out = self._mean(call, events, numbers[part], offsets) - self.schema.log_scale(u)
            out[~self.schema.keep_rules(values[part])] = -np.inf
            return out

        return in_parts(of, len(values))

    def _mean(
        self, call: Program, events: np.ndarray, numbers: np.ndarray, offsets: np.ndarray
    ) -> np.ndarray:
        total = np.full(len(events), -np.inf)
        for offset in offsets:
            moved = events.copy()
            moved[:, len(self.schema.coded) :] += offset
            scores = block_by_block(call, moved, numbers)
            with np.errstate(invalid="ignore"):  # what is NaN stays NaN
                total = np.logaddexp(total, scores)
        return total - np.log(len(offsets))

    def _cell(self) -> Cell | None:
        """Return the cell of the only value, where values are recorded and its law is known."""
        widths = self.schema.cells()
        if len(widths) != 1 or not widths[0] or not has_known_cells(self.density):
            return None
        low, high = inside_edges(self.schema)
        ends = (widths / 2, low, high)
        return Cell(*(jnp.asarray(end[0], float) for end in ends))

    def log_scale(self, values: Values) -> Float[np.ndarray, " n"]:
        """Return what log p gains in standard units: Σ log scale over the values of each row."""
        return self.schema.log_scale(self.schema.standardize(values))

    def sample(
        self, key: Array, n: int, context: Given | None = None, *, balanced: bool = False
    ) -> Values:
        """Draw full rows: gridded columns on their grid, codes and constants put back.

        With `balanced` each row has the law, but together they stand for it more evenly than
        independent rows do: each is picked from a cell of many draws (`one_of_each`). Cost: that
        of 32 draws a row, of up to `MOST_DRAWS` where n is small.

        Raises
        ------
        OptionError : balanced rows of a conditional law.
        """
        if balanced and self.given is not None:
            raise OptionError("balanced rows of a conditional law", "a law of whole rows")
        if balanced:
            starts = range(0, n, BALANCED)
            parts = [self._even(jax.random.fold_in(key, i), min(BALANCED, n - i)) for i in starts]
            events = np.concatenate([np.empty((0, self.dim)), *parts])
        else:
            events = self._events(key, self.encode(context, n))
        codes, u = np.split(events, [len(self.schema.coded)], axis=1)
        return self.schema.restore(u, codes)

    def _events(self, key: Array, numbers: np.ndarray) -> Float[np.ndarray, "n dim"]:
        """Draw independent events, one for each row of the context's numbers."""
        n, dtype = len(numbers), jnp.result_type(float)
        blocks, call = [], prepared(_sample, self.density)
        for i, first in enumerate(range(0, n, BLOCK)):
            block = numbers[first : first + BLOCK]
            padded = np.concatenate([block, np.zeros((BLOCK - len(block), numbers.shape[1]))])
            given = [jnp.asarray(padded, dtype)] if self.density.context_dim else []
            drawn = call(jax.random.fold_in(key, i), *given)
            blocks.append(np.asarray(drawn, np.float64))
        return np.concatenate([np.empty((0, self.dim)), *blocks])[:n]

    def _even(self, key: Array, n: int) -> Float[np.ndarray, "n dim"]:
        """Draw events that together stand for the law evenly."""
        pool = self._events(key, np.empty((n * min(POOL // n, MOST_DRAWS), 0)))
        codes, u = np.split(pool, [len(self.schema.coded)], axis=1)
        rng = generator(key)
        return pool[one_of_each(codes, u, n, rng)]

    def encode(self, context: Given | None, n: int) -> Float[np.ndarray, "n c"]:
        """Return what nets see of n rows' context; no numbers where the law has none.

        Raises
        ------
        ShapeError : a context is missing, not wanted, or neither n rows nor one.
        """
        if self.given is None:
            if context is not None:
                raise ShapeError("a context", "none: the law is not conditional")
            return np.empty((n, 0))
        if context is None or len(context) not in (1, n):
            found = "no context" if context is None else f"a context of {len(context)} rows"
            raise ShapeError(found, f"{n} rows of {', '.join(self.given.schema.names)}, or one")
        numbers = self.given.encode(context)
        return numbers if len(numbers) == n else np.repeat(numbers, n, 0)

    @property
    def n_latents(self) -> int:
        return len(self.schema.valued)

    def transform(self, values: Values) -> Float[np.ndarray, "n dim"]:
        """Return the latents z of rows' values; a recorded value stands at its cell's middle.

        One per valued column, given the row's codes; NaN where the row has no value.
        """
        self.schema.check_cells(values)
        events = event_rows(self.schema, values, self.schema.standardize(values))
        if isinstance(self.density, Mixed):
            return in_blocks(_latents, self.density, events)
        return in_blocks(_inverse, self._flow(), events)

    def inverse_transform(self, z: Float[np.ndarray, "n v"]) -> Values:
        """Return the full rows of latents; gridded columns are rounded to their grid."""
        if z.shape[1] != self.n_latents:
            raise ShapeError(f"latents of {z.shape[1]} columns", f"{self.n_latents} columns")
        return self.schema.restore(in_blocks(_forward, self._flow(), z))

    def _flow(self) -> Pushforward:
        if isinstance(self.density, Mixed):
            coded = ", ".join(self.schema.columns[i].name for i in self.schema.coded)
            raise OptionError(
                "latents of a table with categories, single values or missing cells",
                "a table of values alone",
                f"latents do not hold {coded}; use sample",
            )
        if not isinstance(self.density, Pushforward):
            raise OptionError(
                f"the latent of a {type(self.density).__name__}",
                "a single flow",
            )
        return self.density

    def _offsets(self) -> Float[np.ndarray, "nodes v"]:
        """Return the nodes: a lattice in the unit cell, centred, scaled to the columns' cells."""
        cells = self.schema.cells()
        gridded = np.flatnonzero(cells)
        if not len(gridded) or self.nodes == 1:
            return np.zeros((1, len(cells)))
        offsets = np.zeros((self.nodes, len(cells)))
        offsets[:, gridded] = (lattice(self.nodes, len(gridded)) - 0.5) * cells[gridded]
        return offsets


def event_rows(
    schema: Schema, values: Values, u: Float[np.ndarray, "n v"]
) -> Float[np.ndarray, "n dim"]:
    """Return the events of full rows and their standardized values: zero where none is there."""
    return np.concatenate([schema.codes(values), np.nan_to_num(u, nan=0.0)], 1)


def _sample(density: Density, key: Array, context: Array | None = None) -> Array:
    if context is None:
        return density.sample(key, BLOCK)
    return density.sample(key, 1, context)[0]


def _inverse(flow: Pushforward, u: Array) -> Array:
    return flow.transform.inverse(u.T)[0].T


def _latents(density: Mixed, events: Array) -> Array:
    return density.latents(events.T).T


def _forward(flow: Pushforward, z: Array) -> Array:
    return flow.transform.generate(z.T).T
