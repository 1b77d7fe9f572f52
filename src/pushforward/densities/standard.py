"""Base densities: standard normal, uniform, Student-t."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import LOG_2PI
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key

MIN_DF = 1.0
"""Least degrees of freedom that are learned: below it not even the mean's scale exists."""


class StandardNormal(Density):
    """Independent normals: log p(x) = −½ Σ x² − (dim/2) log 2π.

    Parameters
    ----------
    dim : event size.
    partial : whether features may be absent, marked NaN: the law of those that are there.
    """

    dim: int = eqx.field(static=True)
    partial: bool = eqx.field(static=True, default=False)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        if self.partial:
            absent = jnp.isnan(x)
            each = jnp.square(jnp.where(absent, 0.0, x)) + LOG_2PI
            return -0.5 * jnp.where(absent, 0.0, each).sum(0)
        return -0.5 * (jnp.square(x) + LOG_2PI).sum(0)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        return jax.random.normal(key, (self.dim, n))


class Uniform(Density):
    """Independent uniforms on [low, high]: log p(x) = −Σ log(high − low) inside, −inf outside.

    Parameters
    ----------
    low, high : edges, shape `(dim,)`; fixed, not learned.
    """

    low: Buffer
    high: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "interval"

    def __init__(self, low: object, high: object):
        low = jnp.atleast_1d(jnp.asarray(low, jnp.result_type(float)))
        high = jnp.atleast_1d(jnp.asarray(high, jnp.result_type(float)))
        if low.shape != high.shape or low.ndim != 1 or not bool((low < high).all()):
            raise OptionError(f"low={low}, high={high}", "vectors with low < high everywhere")
        self.low, self.high = Buffer(low), Buffer(high)

    @property
    def dim(self) -> int:
        return self.low.value.shape[0]

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        low, high = align(self.low.value, x.ndim), align(self.high.value, x.ndim)
        outside = (x < low) | (x > high)
        finite = jnp.where(jnp.isnan(x), x, -jnp.log(high - low))
        return jnp.where(outside, -jnp.inf, finite).sum(0)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        low, high = self.low.value[:, None], self.high.value[:, None]
        return low + (high - low) * jax.random.uniform(key, (self.dim, n))


class StudentT(Density):
    r"""Independent Student-t laws with learned degrees of freedom ν per feature.

    log p(x) = Σ log Γ((ν+1)/2) − log Γ(ν/2) − ½ log(νπ) − (ν+1)/2 log(1 + x²/ν),
    ν = 1 + softplus(raw_df).

    Parameters
    ----------
    dim : event size.
    df : starting value of ν, above 1.

    Source papamakarios2021flows
    """

    raw_df: Float[Array, " dim"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, df: float = 5.0):
        if not df > MIN_DF:
            raise OptionError(f"df={df}", f"df > {MIN_DF}")
        excess = df - MIN_DF
        self.raw_df = jnp.full(dim, excess + jnp.log(-jnp.expm1(-excess)))

    @property
    def dim(self) -> int:
        return self.raw_df.shape[0]

    @property
    def df(self) -> Float[Array, " dim"]:
        return MIN_DF + jax.nn.softplus(self.raw_df)

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        df = align(self.df, x.ndim)
        constant = (
            jax.scipy.special.gammaln((df + 1) / 2)
            - jax.scipy.special.gammaln(df / 2)
            - 0.5 * jnp.log(df * jnp.pi)
        )
        # log1p(x²/ν) = log(1 + r²) with r = |x|/√ν, split where r² would overflow.
        r = jnp.abs(x) / jnp.sqrt(df)
        large = r > 1e6
        tail = jnp.where(
            large,
            2 * jnp.log(jnp.where(large, r, 1.0)),
            jnp.log1p(jnp.square(jnp.where(large, 0.0, r))),
        )
        return (constant - (df + 1) / 2 * tail).sum(0)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        return jax.random.t(key, self.df[:, None], (self.dim, n))
