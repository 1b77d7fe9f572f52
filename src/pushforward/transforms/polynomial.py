"""Increasing polynomials on [−B, B], with linear tails: Bernstein, and sums of squares."""

import math
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

MAX_COEFFICIENT = 2.0
"""Largest |coefficient| of a polynomial that is squared: slopes stay below a few hundred."""


class Bernstein(Transform):
    r"""Bend each feature by an increasing Bernstein polynomial, linear outside [−B, B].

    z = Σ_k c_k B_{k,n}(t),   dz/dx = Σ_k r_k B_{k,n−1}(t),   t = (x + B)/2B,
    c_{k+1} − c_k = r_k 2B/n,   (c_0 + c_n)/2 = loc;   dlogp = Σ log dz/dx.

    The slope is an average of the rates r_k, within e^±3. The tails go on with r_0 and r_{n−1}.

    `inverse` (data → latent) evaluates this; `forward` solves for x.

    Parameters
    ----------
    degree : n, at least 1.
    bound : B.

    The leaves are raw log-rates `(degree, …)` and loc. Zeros give the identity.

    Cost O(degree) for the inverse and some ten times that for `forward`.
    Source ramasinghe2022
    """

    raw_log_rates: Float[Array, "degree ..."]
    loc: Float[Array, "..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, degree: int = 16, bound: float = 5.0):
        if not 1 <= degree <= _MAX_DEGREE or not bound > 0:
            raise OptionError(
                f"degree={degree}, bound={bound}", f"1 ≤ degree ≤ {_MAX_DEGREE} and bound > 0"
            )
        self.raw_log_rates, self.loc = jnp.zeros(degree), jnp.zeros(())
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = solve_increasing(lambda t: self._curve(t)[0], z)
        return x, jnp.log(self._curve(x)[1]).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, slope = self._curve(x)
        return z, jnp.log(slope).sum(0)

    def _curve(self, x: Array) -> tuple[Array, Array]:
        """Return z and dz/dx."""
        raw = align(self.raw_log_rates, x.ndim + 1)
        rates = [jnp.exp(bounded_log(raw[k])) for k in range(raw.shape[0])]
        degree = len(rates)
        coefficient = -sum(rates[1:], rates[0]) / 2
        coefficients = [coefficient]
        for rate in rates:
            coefficient = coefficient + rate
            coefficients.append(coefficient)
        v = jnp.clip(x, -self.bound, self.bound)
        t = (v + self.bound) / (2 * self.bound)
        value = _average(coefficients, t) * (2 * self.bound / degree)
        slope = _average(rates, t)
        return align(self.loc, x.ndim) + value + slope * (x - v), slope


class SumOfSquares(Transform):
    r"""Bend each feature by the integral of a sum of squared polynomials, linear outside [−B, B].

    dz/dx = m + Σ_k p_k(x/B)²,   z = loc + ∫_0^x dz/dx,   dlogp = Σ log dz/dx,

    with polynomials p_k of a degree r and a free slope m > 0, so that zeros give the identity.
    Gauss's rule with r + 1 nodes integrates the square exactly: z − loc is x times an average
    of slopes, a sum of positive terms. The tails go on with the slopes at ±B.

    `inverse` (data → latent) evaluates this; `forward` solves for x.

    Parameters
    ----------
    polynomials, degree : number and degree r of the p_k; their coefficients are within ±2.
    bound : B.

    The leaves are raw coefficients `(polynomials, degree + 1, …)`, the raw log of m, and loc. The
    coefficients start small and unequal: at zero a square has no slope to learn from.

    Cost O(polynomials · degree²) for the inverse and some ten times that for `forward`.
    Source jaini2019sos
    """

    coefficients: Float[Array, "polynomials powers ..."]
    raw_log_slope: Float[Array, "..."]
    loc: Float[Array, "..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, polynomials: int = 3, degree: int = 3, bound: float = 5.0):
        if polynomials < 1 or degree < 0 or not bound > 0:
            raise OptionError(
                f"polynomials={polynomials}, degree={degree}, bound={bound}",
                "polynomials ≥ 1, degree ≥ 0, bound > 0",
            )
        self.coefficients = _START * jnp.eye(polynomials, degree + 1)
        self.raw_log_slope, self.loc = jnp.zeros(()), jnp.zeros(())
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = solve_increasing(lambda t: self._curve(t)[0], z)
        return x, jnp.log(self._curve(x)[1]).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, slope = self._curve(x)
        return z, jnp.log(slope).sum(0)

    def _curve(self, x: Array) -> tuple[Array, Array]:
        """Return z and dz/dx."""
        v = jnp.clip(x, -self.bound, self.bound)
        nodes, weights = np.polynomial.legendre.leggauss(self.coefficients.shape[1])
        average = sum(
            (w / 2 * self._slope(v * ((s + 1) / 2)) for s, w in zip(nodes, weights, strict=True)),
            jnp.zeros_like(v),
        )
        slope = self._slope(v)
        return align(self.loc, x.ndim) + v * average + slope * (x - v), slope

    def _slope(self, v: Array) -> Array:
        """Return dz/dx for |v| ≤ B."""
        raw = align(self.coefficients, v.ndim + 2)
        t = v / self.bound
        slope = jnp.exp(bounded_log(align(self.raw_log_slope, v.ndim)))
        for k in range(raw.shape[0]):
            value = jnp.zeros_like(t)
            for power in reversed(range(raw.shape[1])):
                value = value * t + bounded(raw[k, power], MAX_COEFFICIENT)
            slope = slope + value * value
        return slope


_MAX_DEGREE = 60
"""Binomial coefficients of this degree still fit float32 with room for their powers."""

_START = 0.3
"""First coefficients of a sum of squares: slopes differ from one by a tenth."""


def _average(values: list[Array], t: Array) -> Array:
    """Return Σ_k values_k B_{k,n}(t) with n + 1 values: weights that are positive and add to one.

    Powers by repeated products: their derivatives exist at t = 0 and 1.
    """
    degree = len(values) - 1
    rising, falling = [jnp.ones_like(t)], [jnp.ones_like(t)]
    for _ in range(degree):
        rising.append(rising[-1] * t)
        falling.append(falling[-1] * (1 - t))
    terms = [
        math.comb(degree, k) * rising[k] * falling[degree - k] * value
        for k, value in enumerate(values)
    ]
    return sum(terms[1:], terms[0])
