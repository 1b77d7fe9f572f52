"""Recorded levels (8-bit images) as continuous data: noise fills each level's cell."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.keys import require_key
from pushforward.core.types import Context, DLogp, Features, Key

_EDGE_ULPS = 4
"""Roundings of the top level by which noise stays off a cell's edges, so that the level of a
latent is the one it came from; a share of 1e-4 of 256 float32 cells, 2e-13 in float64."""


class Dequantize(Transform):
    r"""Round a latent in (0, 1) down to a level; back, spread a level over its cell by noise.

    x = ⌊levels · z⌋,   z = (x + u)/levels,   u ~ q(u | x) on (0, 1)ᵈ,
    dlogp = −dim · log levels − log q(u | x)

    P(x) ≥ E_q[log p(z) + dlogp]: a bound, with equality where q is the model's own law of z in
    the cell. Its gap falls as q learns that law.

    Parameters
    ----------
    dim : event size.
    levels : data are whole numbers from 0 to levels − 1; all others are impossible (−inf).
    noise : none for uniform noise. Otherwise a transform of real events with context_dim = dim,
        which bends noise that is uniform to begin with: u = sigmoid(f(logit w; x)), w ~ U(0, 1),
        given the image, as numbers in (−1, 1), as its context. The identity is uniform noise.

    `inverse` (data → latent) draws w and needs a key. Put a `Sigmoid` before it in a chain.
    Source theis2016note, ho2019flowpp, nielsen2020survae
    """

    noise: Transform | None
    dim: int = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.BOUND
    support: ClassVar[str] = "integer_interval"

    def __init__(self, dim: int, levels: int = 256, noise: Transform | None = None):
        if dim < 1 or levels < 2:
            raise OptionError(f"dim={dim}, levels={levels}", "dim ≥ 1, levels ≥ 2")
        if noise is not None and (
            (noise.dim, noise.context_dim) != (dim, dim) or noise.evidence > Evidence.NUMERICAL
        ):
            raise ShapeError(
                f"noise of dim {noise.dim}, context_dim {noise.context_dim}, '{noise.evidence}'",
                f"a bijection with both sizes {dim}, the image being its context",
            )
        self.noise, self.dim, self.levels = noise, dim, levels

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        inside = (z > 0) & (z < 1)
        scaled = jnp.where(inside, z, 0.5) * self.levels
        level = jnp.minimum(jnp.floor(scaled), self.levels - 1)
        u = self._off_edges(scaled - level)
        if self.noise is None:
            log_q = jnp.zeros(z.shape[1:], z.dtype)
        else:
            before = jnp.log(u) - jnp.log1p(-u)
            start, dlogp = self.noise.inverse(before, self._picture(level))
            log_q = _log_logistic(start) + dlogp - _log_logistic(before)
        x = jnp.clip(jnp.floor(z * self.levels), 0, self.levels - 1)
        return x, self._dlogp(inside, z, log_q)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        known = (x >= 0) & (x <= self.levels - 1) & (x == jnp.floor(x))
        level = jnp.where(known, x, 0.0)
        w = jax.random.uniform(require_key(key, self), x.shape, x.dtype)
        if self.noise is None:
            u, log_q = w, jnp.zeros(x.shape[1:], x.dtype)
        else:
            w = self._off_edges(w)
            start = jnp.log(w) - jnp.log1p(-w)
            before, dlogp = self.noise.forward(start, self._picture(level))
            u, log_q = jax.nn.sigmoid(before), _log_logistic(start) + dlogp - _log_logistic(before)
        z = (level + self._off_edges(u)) / self.levels
        return jnp.where(jnp.isnan(x), jnp.nan, z), self._dlogp(known, x, log_q)

    def _dlogp(self, possible: Array, event: Features, log_q: DLogp) -> DLogp:
        impossible = jnp.where(jnp.isnan(event), jnp.nan, jnp.where(possible, 0.0, -jnp.inf))
        return impossible.sum(0) - self.dim * math.log(self.levels) - log_q

    def _off_edges(self, u: Array) -> Array:
        edge = _EDGE_ULPS * self.levels * float(jnp.finfo(u.dtype).eps)
        return jnp.clip(u, edge, 1 - edge)

    def _picture(self, level: Features) -> Features:
        """Return levels as numbers in (−1, 1), for nets to read."""
        return (2 * level + 1) / self.levels - 1


def bits_per_dimension(
    nats: Float[ArrayLike, "..."], dim: int, levels: int = 256
) -> Float[Array, "..."]:
    r"""Return bits per dimension from the log-density of dequantized data scaled to [0, 1].

    bits = (−nats/dim + log levels) / log 2

    The levels' term turns a density on [0, 1] into the mass of a cell of width 1/levels. With
    the default 256 it is right for 8-bit data only. The bound of a model that ends in
    `Dequantize` is a mass already (its dlogp holds that term): give levels=1.

    Parameters
    ----------
    nats : log-density per image, or its mean.
    dim : channels · height · width.
    levels : how many levels the data had; 256 for 8-bit images.

    Source theis2016note
    """
    return (-jnp.asarray(nats) / dim + math.log(levels)) / math.log(2)


def _log_logistic(t: Array) -> DLogp:
    """Return Σ log of the logistic density, the slope of the sigmoid: log σ(t) + log σ(−t)."""
    return -(jax.nn.softplus(t) + jax.nn.softplus(-t)).sum(0)
