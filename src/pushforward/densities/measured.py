"""The law of measured values: true ones plus Gaussian errors of known sizes."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array
from scipy.special import ndtri

from pushforward.core.bases import Density
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.lattice import lattice
from pushforward.core.types import Context, DLogp, Features, Key


class Measured(Density):
    r"""Blur a density by Gaussian errors, whose standard deviations are the context.

    p(x | s) = ∫ p(t) Π_j N(x_j; t_j, s_j²) dt_j ≈ (1/K) Σ_k p(x + s ε_k),

    ε_k a fixed lattice of K normal scores. Learning it makes `density` the law of the true
    values. The sum is near where p changes little over s/K; an error of zero is none.

    Parameters
    ----------
    density : p, without a context.
    columns : features that are measured with an error, one number of the context for each.
    ends : for each of these the least and greatest true value; none lie beyond.
    codes : for each of these the feature that is zero where there is a value, or −1 where there
        always is one; a value that is absent has no error. All are there by default.
    nodes : K.

    Cost: K evaluations of p; those of the gradient too. Source bovy2011extreme
    """

    density: Density
    columns: tuple[int, ...] = eqx.field(static=True)
    ends: tuple[tuple[float, float], ...] = eqx.field(static=True)
    nodes: int = eqx.field(static=True, default=16)
    codes: tuple[int, ...] | None = eqx.field(static=True, default=None)
    evidence: ClassVar[Evidence] = Evidence.NUMERICAL

    def __check_init__(self) -> None:
        if self.density.context_dim or not self.columns or self.nodes < 1:
            raise OptionError(
                f"errors of columns {self.columns}, {self.nodes} nodes, "
                f"context_dim {self.density.context_dim}",
                "at least one column and one node, and a density without a context",
            )
        if len(self.ends) != len(self.columns) or max(self.columns) >= self.density.dim:
            raise ShapeError(f"columns {self.columns}, {len(self.ends)} ends", "one for each")

    @property
    def dim(self) -> int:
        return self.density.dim

    @property
    def context_dim(self) -> int:
        return len(self.columns)

    @property
    def support(self) -> str:
        return self.density.support

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        places, context = np.array(self.columns), self._sizes(context)
        if self.codes is not None:
            own = np.array(self.codes)
            optional = align(jnp.asarray(own >= 0), x.ndim)
            context = jnp.where(optional & (x[np.maximum(own, 0)] != 0), 0.0, context)
        scores = jnp.asarray(ndtri(lattice(self.nodes, len(places))), x.dtype)
        low, high = (align(end, x.ndim) for end in jnp.asarray(self.ends, x.dtype).T)

        def at(score: Array) -> DLogp:
            moved = x[places] + context * align(score, x.ndim)
            inside = jnp.clip(moved, low, high)
            # Without an error a value stays as it is, at an end too.
            lost = ((moved != inside) & (context > 0)).any(0)
            log_p = self.density._log_prob(x.at[places].set(inside), None)
            return jnp.where(lost, -jnp.inf, log_p)

        return logsumexp(jax.vmap(at)(scores), 0) - np.log(self.nodes)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        value_key, error_key = jax.random.split(key)
        x = self.density._sample(value_key, n, None)
        errors = jax.random.normal(error_key, (len(self.columns), n), x.dtype)
        return x.at[np.array(self.columns)].add(self._sizes(context) * errors)

    def _sizes(self, context: Context) -> Array:
        if context is None:
            raise ShapeError("no context", f"the sizes of {len(self.columns)} errors")
        return jnp.asarray(context)
