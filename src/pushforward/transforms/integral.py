"""The integral of a positive net: an increasing map with no other constraint."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import bounded, bounded_log
from pushforward.core.roots import solve_increasing
from pushforward.core.types import Context, DLogp, Features, Key

NODES = 40
"""Nodes of the quadrature."""

MAX_TURN = 10.0
"""Largest |a_k| B: no unit rises faster than the nodes can see."""

MAX_SWING = 3.0
"""Largest change of log f by all units together; with `MAX_TURN` it bounds the sum's error."""


class UnconstrainedMonotonic(Transform):
    r"""Integrate a positive net over each feature; linear outside [−B, B].

    z = loc + ∫_0^x f(s) ds,   log f(s) = c + Σ_k v_k tanh(a_k s + b_k),   dlogp = Σ log f(x).

    The integral is a Gauss-Legendre sum with 40 nodes; dlogp is the log of the integrand, as of
    the exact integral, so the number is `numerical`: |a_k| B ≤ 10 and Σ|v_k| ≤ 3 keep the sum
    within 1e-6 of the integral, and so the map's own slope close to f (in float64 to 1e-10 for
    ordinary parameters; tests measure both). The derivative of the sum would be no better: it
    has the same error, and nothing keeps it positive. The tails go on with f(±B).

    `inverse` (data → latent) evaluates this; `forward` solves for x.

    Parameters
    ----------
    units : number of the net's hidden units.
    bound : B.

    The leaves are `(units, …)`, the raw c and loc. Zeros give the identity; the units start apart
    with v = 0, the identity too.

    Cost O(40 · units) for the inverse and some ten times that for `forward`.
    Source wehenkel2019umnn
    """

    raw_rates: Float[Array, "units ..."]
    shifts: Float[Array, "units ..."]
    weights: Float[Array, "units ..."]
    raw_level: Float[Array, "..."]
    loc: Float[Array, "..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.NUMERICAL
    support: ClassVar[str] = "real"

    def __init__(self, units: int = 8, bound: float = 5.0):
        if units < 1 or not bound > 0:
            raise OptionError(f"units={units}, bound={bound}", "units ≥ 1 and bound > 0")
        self.raw_rates = jnp.ones(units)
        self.shifts = jnp.linspace(-3.0, 3.0, units)
        self.weights = jnp.zeros(units)
        self.raw_level, self.loc = jnp.zeros(()), jnp.zeros(())
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        units = self._units(z.ndim)
        x = solve_increasing(lambda t: self._integral(t, units), z)
        return x, _log_slope(units, self._clipped(x)).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        units = self._units(x.ndim)
        return self._integral(x, units), _log_slope(units, self._clipped(x)).sum(0)

    def _integral(self, x: Array, units: tuple) -> Array:
        v = self._clipped(x)
        edge = jnp.exp(_log_slope(units, v))

        @jax.checkpoint  # forty times the units are too much to keep for the gradient
        def add(total: Array, node_and_share: tuple) -> tuple[Array, None]:
            node, share = node_and_share
            return total + share * jnp.exp(_log_slope(units, v * node)), None

        roots, weights = np.polynomial.legendre.leggauss(NODES)
        nodes = jnp.asarray((roots + 1) / 2, x.dtype), jnp.asarray(weights / 2, x.dtype)
        average = jax.lax.scan(add, jnp.zeros_like(edge), nodes)[0]
        return align(self.loc, x.ndim) + v * average + edge * (x - v)

    def _clipped(self, x: Array) -> Array:
        return jnp.clip(x, -self.bound, self.bound)

    def _units(self, ndim: int) -> tuple:
        """Return a_k, b_k and v_k of each unit, and c."""
        raw = [
            [align(unit, ndim) for unit in leaf]
            for leaf in (self.raw_rates, self.shifts, self.weights)
        ]
        share = MAX_SWING / (MAX_SWING + sum(jnp.abs(weight) for weight in raw[2]))
        units = [
            (bounded(rate, MAX_TURN / self.bound), shift, share * weight)
            for rate, shift, weight in zip(*raw, strict=True)
        ]
        return units, bounded_log(align(self.raw_level, ndim))


def _log_slope(units: tuple, s: Array) -> Array:
    """Return log f(s); a loop over units, because sums over an axis are not vectorized."""
    each, level = units
    return level + sum(weight * jnp.tanh(rate * s + shift) for rate, shift, weight in each)
