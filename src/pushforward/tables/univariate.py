"""Distribution function, quantiles and mean of a table's only column, given others or not."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError
from pushforward.densities.mixed import Mixed
from pushforward.densities.mixture import Mixture
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.tables.blocks import in_blocks
from pushforward.tables.cells import has_known_law
from pushforward.tables.column import Column
from pushforward.tables.columns import inside_edges
from pushforward.tables.context import Given
from pushforward.tables.density import TableDensity

MEAN_NODES = 256
"""Quantiles whose mean is the mean: an error of 1e-3 sd for a normal law."""

POINTS = 100
"""Points by which a member's law is scored: an error of order 1/points²."""

_FARTHEST = 8.0
"""Latents between which a quantile is looked for: 1e-15 of a normal's mass lies beyond."""

_HALVINGS = 40
"""Of that bracket: to the last digit of float32."""

_ON_STEP = 1e-6
"""Steps of a grid by which a quantile may miss one and still be it."""

Rows = Float[np.ndarray, " n"]


def the_column(model: TableDensity) -> Column:
    """Return the only column of a table, one of ordered values.

    Raises
    ------
    OptionError : there are several columns, its values have no order, or may be missing.
    """
    columns = [model.schema.columns[i] for i in model.schema.modelled]
    if len(columns) != 1 or len(model.schema.columns) != 1 or columns[0].categories:
        found = ", ".join(f"{c.name} ({c.kind})" for c in model.schema.columns)
        raise OptionError(f"the distribution function of {found}", "one column of numbers")
    if columns[0].circle:
        raise OptionError(f"column {columns[0].name!r}, whose values lie on a circle", "a line's")
    if columns[0].missing:
        raise OptionError(f"column {columns[0].name!r}, which may be missing", "numbers only")
    return columns[0]


def is_exact(model: TableDensity) -> bool:
    """Tell whether the law's distribution function is known: that of flows of a normal."""
    return has_known_law(model.density)


def distribution(model: TableDensity, values: Rows, context: Given | None = None) -> Rows:
    """Return P(Y ≤ y | context) of each row; of recorded values, up to the end of a cell.

    Cost: one call of the model's nets a row.
    """
    column, upper = the_column(model), values
    if column.resolution:
        steps = np.floor(values / column.resolution + _ON_STEP)
        upper = (steps + 0.5) * column.resolution
    parts = _parts(model, upper, context)
    atoms = np.array(column.atoms)
    return parts[:, 0] + (parts[:, 1:] * (atoms <= values[:, None])).sum(1)


def mass(model: TableDensity, values: Rows, context: Given | None = None) -> Rows:
    """Return P(Y = y | context) of each row: an atom's, and that of a recorded value's cell."""
    column = the_column(model)
    parts = _parts(model, values + column.resolution / 2, context)
    at = np.array(column.atoms) == values[:, None]
    own = (parts[:, 1:] * at).sum(1)
    if column.resolution:
        below = _parts(model, values - column.resolution / 2, context)[:, 0]
        own = own + parts[:, 0] - below
    return own


def integral_transform(
    model: TableDensity, values: Rows, context: Given | None, rng: np.random.Generator
) -> Rows:
    """Return P(Y < y) + v P(Y = y), v uniform: uniform on [0, 1] where the model holds.

    Only atoms and recorded values need v. Source gneiting2007scoring
    """
    upper = distribution(model, values, context)
    return np.clip(upper - rng.random(len(upper)) * mass(model, values, context), 0, 1)


def quantiles(
    model: TableDensity, probabilities: Float[np.ndarray, " q"], n: int, context: Given | None
) -> Float[np.ndarray, "n q"]:
    """Return the least y with P(Y ≤ y | context) ≥ q, for n rows and each probability q.

    Cost: `_HALVINGS` calls of the model's nets for each.
    """
    column = the_column(model)
    numbers = model.encode(context, n)
    atoms = np.array(column.atoms)
    if not column.is_valued:
        parts = _parts(model, np.full(n, atoms[0]), context)[:, 1:]
        reached = np.cumsum(parts, 1)[:, :, None] >= probabilities * (1 - 1e-7)
        return atoms[np.where(reached.any(1), reached.argmax(1), len(atoms) - 1)]
    jumps = jnp.asarray((atoms - column.centre) / column.scale, float)
    wanted = [
        in_blocks(_quantile, (model.density, jumps), np.full((n, 1), q), numbers)
        for q in probabilities
    ]
    u = np.stack(wanted, 1)
    y = column.centre + column.scale * u
    if column.resolution:
        steps = np.ceil(y / column.resolution - 0.5 - _ON_STEP)
        on_grid = (steps * column.resolution - column.centre) / column.scale
        y = model.schema.restore(on_grid.reshape(-1, 1)).reshape(y.shape)
    for k, atom in enumerate(atoms):
        parts = _parts(model, np.full(n, atom), context)
        below = parts[:, 0] + (parts[:, 1:] * (atoms < atom)).sum(1)
        inside = (probabilities > below[:, None]) & (
            probabilities <= (below + parts[:, 1 + k])[:, None]
        )
        y = np.where(inside, atom, y)
    return y


def mean(model: TableDensity, n: int, context: Given | None) -> Rows:
    """Return E[Y | context] for n rows, the values' part by `MEAN_NODES` quantiles."""
    column = the_column(model)
    parts = _parts(model, np.full(n, column.centre), context)[:, 1:]
    total = parts @ np.array(column.atoms) if column.atoms else np.zeros(n)
    if not column.is_valued:
        return total
    share = 1 - parts.sum(1)
    u = in_blocks(_value_mean, model.density, np.zeros((n, 1)), model.encode(context, n))
    return total + share * column.centre + column.scale * u


def points(
    model: TableDensity, n: int, context: Given | None
) -> tuple[Float[np.ndarray, "n points"], Float[np.ndarray, "n points"]]:
    """Return the law of n rows as weighted points: `POINTS` quantiles of each member, and atoms.

    Cost: `POINTS` calls of each member's transform.
    """
    column = the_column(model)
    atoms = np.array(column.atoms)
    masses = _parts(model, np.full(n, atoms[0] if len(atoms) else column.centre), context)[:, 1:]
    where = np.broadcast_to(atoms, (n, len(atoms)))
    if not column.is_valued:
        return where, masses
    given = model.encode(context, n)
    found = in_blocks(_value_points, model.density, np.zeros((n, 1)), given)
    u, weights = np.split(found, 2, axis=1)
    y = model.schema.restore(u.reshape(-1, 1)).reshape(u.shape)
    return np.concatenate([y, where], 1), np.concatenate([weights, masses], 1)


def _parts(model: TableDensity, values: Rows, context: Given | None) -> np.ndarray:
    """Return P(Y is a value ≤ y), and the mass of each atom."""
    column = the_column(model)
    u = np.zeros((len(values), 1))
    if column.is_valued:
        u[:, 0] = (values - column.centre) / column.scale
        u = np.clip(u, *inside_edges(model.schema))
    return in_blocks(_all_parts, model.density, u, model.encode(context, len(u)))


def _all_parts(density: Density, u: Array, context: Array | None = None) -> Array:
    return _over_members(density, lambda member: _member_parts(member, u, context))


def _quantile(model: tuple[Density, Array], q: Array, context: Array | None = None) -> Array:
    density, jumps = model
    members, weights = _members(density)
    ends = jax.vmap(lambda m: _ends(m, len(q), context))(members)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        parts = jax.vmap(lambda m: _member_parts(m, middle[:, None], context))(members)
        parts = jnp.tensordot(weights, parts, 1)
        reached = parts[:, 0] + (parts[:, 1:] * (jumps <= middle[:, None])).sum(1) >= q[:, 0]
        return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

    low, high = ends[:, 0].min(0), ends[:, 1].max(0)
    if jumps.size:
        low, high = jnp.minimum(low, jumps.min()), jnp.maximum(high, jumps.max())
    return jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))[1]


def _value_mean(density: Density, rows: Array, context: Array | None = None) -> Array:
    """Return E[u; Y is a value]."""
    nodes = (jnp.arange(MEAN_NODES) + 0.5) / MEAN_NODES
    z = jax.scipy.special.ndtri(nodes)

    def member_mean(member: Density) -> Array:
        values, given, share = _value_law(member, len(rows), context)
        step = lambda total, node: (  # noqa: E731
            total + values.transform.generate(jnp.full((1, len(rows)), node), given)[0],
            None,
        )
        total = jax.lax.scan(step, jnp.zeros(len(rows), rows.dtype), z)[0]
        return share * total / MEAN_NODES

    return _over_members(density, member_mean)


def _value_points(density: Density, rows: Array, context: Array | None = None) -> Array:
    """Return members' quantiles of u, then the weight of each."""
    z = jax.scipy.special.ndtri((jnp.arange(POINTS) + 0.5) / POINTS)
    members, weights = _members(density)

    def member_points(member: Density) -> tuple[Array, Array]:
        values, given, share = _value_law(member, len(rows), context)
        one = lambda node: values.transform.generate(jnp.full((1, len(rows)), node), given)[0]  # noqa: E731
        return jax.lax.map(one, z), jnp.broadcast_to(share / POINTS, (POINTS, len(rows)))

    u, shares = jax.vmap(member_points)(members)
    shares = shares * weights[:, None, None]
    return jnp.concatenate([u.reshape(-1, len(rows)), shares.reshape(-1, len(rows))]).T


def _members(density: Density) -> tuple[Density, Array]:
    """Return the members of a mixture as one with a leading axis, and their weights."""
    parts = density.components if isinstance(density, Mixture) else (density,)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    logits = density.logits if isinstance(density, Mixture) else jnp.zeros(1)
    return stacked, jax.nn.softmax(logits)


def _over_members(density: Density, function) -> Array:  # noqa: ANN001
    """Return the weighted mean of a function of each member."""
    members, weights = _members(density)
    return jnp.tensordot(weights, jax.vmap(function)(members), 1)


def _member_parts(member: Density, u: Array, context: Array | None) -> Array:
    """Return P(Y is a value ≤ y) and the atoms' masses, rows first."""
    n, given = len(u), None if context is None else context.T
    if not isinstance(member, Mixed):
        values, given, _ = _value_law(member, n, context)
        return ndtr(values.transform.inverse(u.T, given)[0]).T
    size = member.codes.sizes[0]
    masses = [
        jnp.exp(member.codes.log_prob(jnp.full((n, 1), float(code)), context))
        for code in range(size)
    ]
    if member.values is None:
        return jnp.stack([jnp.zeros(n), *masses], 1)
    values, given, share = _value_law(member, n, context)
    below = ndtr(values.transform.inverse(u.T, given)[0][0])
    return jnp.stack([share * below, *masses[1:]], 1)


def _ends(member: Density, n: int, context: Array | None) -> Array:
    """Return the values of the latents ±`_FARTHEST`."""
    if isinstance(member, Mixed) and member.values is None:
        return jnp.zeros((2, n))
    values, given, _ = _value_law(member, n, context)
    return jnp.stack(
        [values.transform.generate(jnp.full((1, n), z), given)[0] for z in (-_FARTHEST, _FARTHEST)]
    )


def _value_law(
    member: Density, n: int, context: Array | None
) -> tuple[Pushforward, Array | None, Array | float]:
    """Return the law of the value, its context (features first), and the share of values."""
    given = None if context is None else context.T
    law, share = member, 1.0
    if isinstance(member, Mixed):
        codes = jnp.zeros((1, n))
        share = jnp.exp(member.codes.log_prob(codes.T, context))
        flags = member.codes.flags(codes)
        given = flags if given is None else jnp.concatenate([flags, given])
        law = member.values
    if not isinstance(law, Pushforward) or not isinstance(law.density, StandardNormal):
        raise OptionError(
            f"the distribution function of a {type(law).__name__}",
            "a flow of one column on a standard normal",
        )
    return law, given, share
