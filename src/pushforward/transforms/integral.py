"""The integral of a positive net: an increasing map with no other constraint."""

from typing import ClassVar

import equinox as eqx
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
        x = solve_increasing(self._integral, z)
        return x, self._log_slope(self._clipped(x), x.ndim).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._integral(x), self._log_slope(self._clipped(x), x.ndim).sum(0)

    def _integral(self, x: Array) -> Array:
        v = self._clipped(x)
        roots, weights = np.polynomial.legendre.leggauss(NODES)
        nodes = align(jnp.asarray((roots + 1) / 2, x.dtype), x.ndim + 1)
        shares = align(jnp.asarray(weights / 2, x.dtype), x.ndim + 1)
        average = (shares * jnp.exp(self._log_slope(v * nodes, x.ndim))).sum(0)
        tail = jnp.exp(self._log_slope(v, x.ndim)) * (x - v)
        return align(self.loc, x.ndim) + v * average + tail

    def _clipped(self, x: Array) -> Array:
        return jnp.clip(x, -self.bound, self.bound)

    def _log_slope(self, s: Array, ndim: int) -> Array:
        """Return log f(s) for an event of `ndim` axes, or for many in front of each other."""
        in_front = tuple(range(1, 1 + s.ndim - ndim))

        def of_units(leaf: Array) -> Array:
            return jnp.expand_dims(align(leaf, ndim + 1), in_front)

        rates = bounded(of_units(self.raw_rates), MAX_TURN / self.bound)
        raw = of_units(self.weights)
        weights = raw * (MAX_SWING / (MAX_SWING + jnp.abs(raw).sum(0)))
        swing = (weights * jnp.tanh(rates * s + of_units(self.shifts))).sum(0)
        return bounded_log(align(self.raw_level, ndim)) + swing
