"""The abstract bases: everything else only asks these few questions.

For a matched pair of a latent z and a datum x:  log p(x) = log p(z) + dlogp.
"""

import abc
import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Shaped

from pushforward.core.border import context_in, rows_in, rows_out
from pushforward.core.evidence import Evidence, require_likelihood
from pushforward.core.programs import DRAWING, SCORING, jit
from pushforward.core.types import Context, DLogp, Features, Key


class Transform(eqx.Module):
    """Map a latent z to a datum x and back, and return dlogp of the pair.

    `forward` and `inverse` return the *same* dlogp for the same pair; for a bijection
    x = f(z) it is log|det dz/dx|, in nats. Arrays are features first: `(dim,)` or `(dim, n)`.
    """

    dim: eqx.AbstractVar[int | None]
    context_dim: eqx.AbstractVar[int]
    evidence: eqx.AbstractVar[Evidence]
    support: eqx.AbstractVar[str]

    @abc.abstractmethod
    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        """Map latent to data (generate); return `(x, dlogp)`."""

    @abc.abstractmethod
    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        """Map data to latent (normalize); return `(z, dlogp)`."""

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        """Map latent to data without dlogp; replaced only where dlogp costs time of its own."""
        return self.forward(z, context, key=key)[0]


class Surjection(Transform):
    """A transform between spaces of different sizes, or onto a part of the latent space.

    `dim` is the size of the data, `latent_dim` that of the latent. `latent_support` names what
    the latent's density must live on, where the layer's number holds for no other. Surjections
    are nested (`Pushforward` on a `Pushforward`), not chained.
    """

    latent_dim: eqx.AbstractVar[int]
    latent_support: eqx.AbstractVar[str]


class Density(eqx.Module):
    """Answer `log_prob` and `sample`.

    Public methods take rows `(..., dim)`; the two abstract ones are features first.
    """

    dim: eqx.AbstractVar[int]
    context_dim: eqx.AbstractVar[int]
    evidence: eqx.AbstractVar[Evidence]
    support: eqx.AbstractVar[str]

    @abc.abstractmethod
    def _log_prob(self, x: Features, context: Context) -> DLogp:
        """Return log p(x | context), features first."""

    @abc.abstractmethod
    def _sample(self, key: Key, n: int, context: Context) -> Features:
        """Draw n events, features first."""

    def log_prob(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None = None,
    ) -> Float[Array, "*out"]:
        """Return log p(x | context) in nats for rows `(..., dim)`; leading axes broadcast.

        A row with an infinite value has −inf, one with NaN (or a context with NaN) NaN. Compiled
        once per shape and kind of model.

        Raises
        ------
        EvidenceError : the model has only a bound or an estimate.
        ShapeError : x or the context has another size than the model.
        """
        require_likelihood(self.evidence)
        given = None if context is None else jnp.asarray(context)
        return _log_prob_of_rows(self, jnp.asarray(x), given)

    def sample(
        self,
        key: Array,
        n: int | None = None,
        context: Shaped[ArrayLike, "*batch c"] | None = None,
    ) -> Float[Array, "*out dim"]:
        """Draw samples: `(dim,)` without n, `(n, dim)` with, `(n, m, dim)` for m context rows."""
        turned_context, batch = context_in(context, self.context_dim, n)
        return _sample_rows(self, key, turned_context, batch)


@partial(jit, options=SCORING)
def _log_prob_of_rows(density: Density, x: Array, context: Array | None) -> Array:
    turned, turned_context, batch = rows_in(x, density.dim, context, density.context_dim)
    infinite = jnp.isinf(turned)
    logp = density._log_prob(jnp.where(infinite, 0.0, turned), turned_context)
    return jnp.where(infinite.any(0) & ~jnp.isnan(logp), -jnp.inf, logp).reshape(batch)


@partial(jit, how=partial(jax.jit, static_argnames="batch"), options=DRAWING)
def _sample_rows(density: Density, key: Array, context: Context, batch: tuple[int, ...]) -> Array:
    return rows_out(density._sample(key, math.prod(batch), context), batch)
