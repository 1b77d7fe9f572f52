"""Autoregressive laws: each feature given those before it."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import bounded
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk, product

MAX_LOGIT = 30.0
"""Largest |logit|: e^−60 of another, and sums of e^logit stay within float32."""


_SCALINGS, _SCALED = 50, 1e-6
"""Most steps of iterative scaling, and the step in nats that ends it."""


class CategoricalAutoregressive(Density):
    r"""The law of codes, each given those before it.

    log p(x) = Σ_j log softmax(θ_j + net_j(x_1 … x_{j−1}, c))[x_j],   x_j ∈ {0 … C_j − 1}

    log p is that of a mass, not of a density; masses sum to one exactly. Other values have mass
    zero (log −inf). Heads start at zero, so that a new law is that of independent codes.

    Parameters
    ----------
    sizes : C_j, the number of categories of each code; one category is no choice, and allowed.
    masses : per code the probabilities that θ starts at, positive; equal ones by default.
    hidden, activation, residual : the net's widths, activation name and skip connections.

    Cost: one network call; sampling takes one for each code. Source germain2015made
    """

    trunk: Trunk
    weights: Float[Array, "flags width"]
    bias: Float[Array, " flags"]
    sizes: tuple[int, ...] = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "categories"

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        key: Array,
        context_dim: int = 0,
        masses: list | None = None,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "relu",
        residual: bool = False,
    ):
        if not sizes or min(sizes) < 1:
            raise OptionError(f"sizes={sizes}", "at least one code, each of at least one category")
        self.sizes, self.context_dim = tuple(sizes), context_dim
        lowest = 0 if context_dim or len(sizes) == 1 else 1
        self.trunk = Trunk(
            len(sizes),
            hidden,
            key=key,
            context_dim=context_dim,
            activation=activation,
            residual=residual,
            degrees=tuple(range(lowest, len(sizes))),
            owners=tuple(self._owners.tolist()),
        )
        self.weights = jnp.zeros((sum(sizes), hidden[-1]))
        if masses is None:
            masses = [np.full(size, 1 / size) for size in sizes]
        if tuple(map(len, masses)) != self.sizes or not all(
            (np.array(m) > 0).all() for m in masses
        ):
            raise OptionError(f"masses of {[len(m) for m in masses]}", f"positive, of {sizes}")
        self.bias = jnp.asarray(_raw_logits(np.concatenate(masses)), jnp.result_type(float))

    def counted(
        self,
        masses: Float[np.ndarray, " states"],
        codes: Float[np.ndarray, "n dim"],
        weights: Float[np.ndarray, " n"],
    ) -> "CategoricalAutoregressive":
        """Return the law with these masses of its first code, and of the others these rows' shares.

        The first code has no others before it: its masses are its law. Of the others the biases
        move, by iterative scaling, until each state has on average over the rows the mass that is
        its share in them: of all biases these make the rows likeliest. A state that no row has
        keeps its bias. What learning by steps leaves of shares is noise, seen in few samples.

        Source darroch1972scaling
        """
        if self.context_dim:
            raise OptionError("counted masses of a law with a context", "no context")
        law = eqx.tree_at(lambda law: law.weights, self, self.weights.at[: self.sizes[0]].set(0.0))
        flags = law.flags(jnp.asarray(codes.T, law.bias.dtype))
        said, weights = np.asarray(law._said(flags, None), float), weights / weights.sum()
        wanted = np.asarray(flags, float) @ weights
        bias = np.array(law.bias, float)
        bias[: self.sizes[0]], wanted[: self.sizes[0]] = _raw_logits(masses), masses
        there = wanted > 0
        for _ in range(_SCALINGS):
            mass = np.exp(MAX_LOGIT * np.tanh((bias[:, None] + said) / MAX_LOGIT))
            total = np.add.reduceat(mass, self._offsets, 0)
            found = (mass / total[self._owners]) @ weights
            step = np.log(wanted[there] / found[there])
            bias[there] += step
            if np.abs(step).max() < _SCALED:
                break
        return eqx.tree_at(lambda law: law.bias, law, jnp.asarray(bias, law.bias.dtype))

    @property
    def dim(self) -> int:
        return len(self.sizes)

    @property
    def n_flags(self) -> int:
        return sum(self.sizes)

    def flags(self, codes: Features) -> Features:
        """Return codes `(dim, *n)` as flags `(n_flags, *n)`: one of each code's is one."""
        values = align(jnp.asarray(self._values), codes.ndim)
        return (codes[self._owners] == values).astype(self.bias.dtype)

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        unknown = jnp.isnan(x)
        highest = align(jnp.asarray(self.sizes) - 1, x.ndim)
        outside = (x < 0) | (x > highest) | (x != jnp.round(x))
        flags = self.flags(jnp.where(outside | unknown, 0.0, x))
        logits = self._logits(flags, context)
        log_p = (flags * logits).sum(0) - jnp.log(self._summed(jnp.exp(logits))).sum(0)
        log_p = jnp.where(outside.any(0), -jnp.inf, log_p)
        return jnp.where(unknown.any(0), jnp.nan, log_p)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        places = align(jnp.arange(self.n_flags), 2)
        owners, offsets = jnp.asarray(self._owners), jnp.asarray(self._offsets)
        last = offsets + jnp.asarray(self.sizes) - 1

        def step(flags: Features, inputs: tuple[Array, Array]) -> tuple[Features, None]:
            j, u = inputs
            mass = jnp.where(align(owners == j, 2), jnp.exp(self._logits(flags, context)), 0.0)
            below = jnp.cumsum(mass, 0)
            place = (below <= u * below[-1]).sum(0)
            chosen = jnp.clip(place, offsets[j], last[j])  # u = 1 − eps may round up to the end
            return jnp.where(places == chosen, 1.0, flags), None

        u = jax.random.uniform(key, (self.dim, n), self.bias.dtype)
        start = jnp.zeros((self.n_flags, n), self.bias.dtype)
        flags, _ = jax.lax.scan(step, start, (jnp.arange(self.dim), u))
        return self._summed(flags * align(jnp.asarray(self._values, flags.dtype), 2))

    def _logits(self, flags: Features, context: Context) -> Features:
        """Return all codes' logits `(n_flags, *n)`; a code's depend on earlier codes' flags."""
        return bounded(align(self.bias, flags.ndim) + self._said(flags, context), MAX_LOGIT)

    def _said(self, flags: Features, context: Context) -> Features:
        """Return what the net adds to the biases."""
        mask = self.trunk.head_mask(self.dim)
        own = None if mask is None else mask[self._owners]
        return product(self.weights, self.trunk(flags, context), own)

    def _summed(self, values: Features) -> Features:
        """Return the sums over each code's flags: `(dim, *n)`."""
        member = np.arange(self.dim)[:, None] == self._owners
        return jnp.tensordot(jnp.asarray(member, values.dtype), values, 1)

    @property
    def _owners(self) -> np.ndarray:
        """Return which code each flag belongs to."""
        return np.repeat(np.arange(self.dim), self.sizes)

    @property
    def _offsets(self) -> np.ndarray:
        """Return the place of each code's first flag."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(int)

    @property
    def _values(self) -> np.ndarray:
        """Return which value of its code each flag stands for."""
        return np.arange(self.n_flags) - self._offsets[self._owners]


def _raw_logits(masses: Float[np.ndarray, " flags"]) -> Float[np.ndarray, " flags"]:
    """Return what `bounded` makes the logarithms of masses, which it clips at e^−20."""
    return MAX_LOGIT * np.arctanh(np.log(np.maximum(masses, math.exp(-20))) / MAX_LOGIT)
