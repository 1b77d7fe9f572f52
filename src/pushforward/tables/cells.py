"""The mass of a recorded value's cell, where one value has a law of its own: F(hi) − F(lo)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, logsumexp
from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.core.types import Context, DLogp, Features
from pushforward.densities.mixed import Mixed
from pushforward.densities.mixture import Mixture
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal

_NARROW = 1e-2
"""Latents closer than that: the middle's density is the mean to 1e-5, a difference no longer."""


class Cell(NamedTuple):
    """Hold half the width of a value's cells and the ends of its values, standardized."""

    half: Array
    low: Array
    high: Array


def has_known_cells(density: Density) -> bool:
    """Tell whether the masses of cells are known: one value, from flows of a normal."""
    one = all(law is None or law.dim == 1 for law in _value_laws(density))
    return one and has_known_law(density)


def has_known_law(density: Density) -> bool:
    """Tell whether the values' latents are known and normal."""
    return all(
        law is None or (isinstance(law, Pushforward) and isinstance(law.density, StandardNormal))
        for law in _value_laws(density)
    )


def log_cell_mean(model: tuple[Density, Cell], rows: Array, context: Array | None = None) -> Array:
    """Return the log of each row's mean density over the cell of its value, codes included.

    log p(codes) + log (F(u + h) − F(u − h))/2h,   F = Φ ∘ (the flow's inverse).
    """
    density, cell = model
    given = None if context is None else context.T
    if not isinstance(density, Mixture):
        return _of_member(density, cell, rows.T, given)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *density.components)
    found = jax.vmap(lambda member: _of_member(member, cell, rows.T, given))(stacked)
    return logsumexp(found + jax.nn.log_softmax(density.logits)[:, None], 0)


def _value_laws(density: Density) -> list[Density | None]:
    """Return the law of the values of each member of a mixture, or of the density itself."""
    members = density.components if isinstance(density, Mixture) else (density,)
    return [m.values if isinstance(m, Mixed) else m for m in members]


def _of_member(member: Density, cell: Cell, x: Features, context: Context) -> DLogp:
    if not isinstance(member, Mixed):
        return _log_mean(member, cell, x, context)  # type: ignore[arg-type]
    codes, u = x[: member.codes.dim], x[member.codes.dim :]
    log_p = member.codes._log_prob(codes, context)
    safe = jnp.where(jnp.isfinite(log_p), codes, 0.0)
    flags = member.codes.flags(safe)
    given = flags if context is None else jnp.concatenate([flags, context])
    there = True if member.presence[0] < 0 else codes[member.presence[0]] == 0
    return log_p + jnp.where(there, _log_mean(member.values, cell, u, given), 0.0)  # type: ignore[arg-type]


def _log_mean(flow: Pushforward, cell: Cell, u: Features, context: Context) -> DLogp:
    ends = (jnp.maximum(u - cell.half, cell.low), jnp.minimum(u + cell.half, cell.high))
    z = [flow.transform.inverse(end, context)[0][0] for end in ends]
    low, high = jnp.minimum(*z), jnp.maximum(*z)
    low, high = (
        jnp.where(low + high > 0, end, other) for end, other in ((-high, low), (-low, high))
    )
    narrow = high - low < _NARROW
    low = jnp.where(narrow, high - 1, low)
    below, all_of_it = log_ndtr(low), log_ndtr(high)
    log_mass = all_of_it + jnp.log1p(-jnp.exp(below - all_of_it))
    log_p = jnp.where(narrow, flow._log_prob(u, context), log_mass - jnp.log(2 * cell.half))
    return jnp.where((ends[0] < ends[1])[0], log_p, -jnp.inf)  # a cell beyond an end has none
