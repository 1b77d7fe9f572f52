"""Flows of categorical data: each layer permutes the states, so that no volume changes."""

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
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk, product
from pushforward.transforms.compose import stack_layers

Flags = Array
"""Codes as flags, `(categories, dim, *n)`: one of each column is one, so that slopes pass."""


class ModularShift(eqx.Module):
    r"""Turn each code by a number of places that other codes decide.

    x_j = (z_j + μ_j) mod C,   μ_j = argmax net_j(x_1 … x_{j−1}, c)   (autoregressive)
    or argmax net_j(x_a, c) for the codes that are not in x_a, the first half (coupling).

    The argmax has no slope; that of softmax(net/τ) takes its place in learning.

    Parameters
    ----------
    dim, context_dim : event and context size.
    categories : C.
    coupling : coupling or autoregressive.
    hidden, activation, residual : the net's widths, activation name and skip connections.
    temperature : τ; the smaller, the closer the slope is to the argmax's, and the rougher.

    Cost: one network call; `decode` of an autoregressive layer takes `dim` calls.
    Source tran2019discrete
    """

    trunk: Trunk
    heads: Float[Array, "categories moved width"]
    bias: Float[Array, "categories moved"]
    n_kept: int = eqx.field(static=True)
    categories: int = eqx.field(static=True)
    coupling: bool = eqx.field(static=True)
    temperature: float = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        categories: int,
        *,
        key: Array,
        context_dim: int = 0,
        coupling: bool = False,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "relu",
        residual: bool = False,
        temperature: float = 0.1,
    ):
        if dim < 1 or categories < 2 or not temperature > 0 or (coupling and dim < 2):
            raise OptionError(
                f"dim={dim}, categories={categories}, temperature={temperature}",
                "dim ≥ 1 (coupling: 2), categories ≥ 2, temperature > 0",
            )
        trunk_key, head_key = jax.random.split(key)
        self.n_kept = dim // 2 if coupling else 0
        lowest = 0 if context_dim or dim == 1 else 1
        self.trunk = Trunk(
            self.n_kept if coupling else dim,
            hidden,
            key=trunk_key,
            context_dim=context_dim,
            activation=activation,
            residual=residual,
            degrees=None if coupling else tuple(range(lowest, dim)),
            owners=tuple(range(self.n_kept if coupling else dim)) * categories,
        )
        moved = dim - self.n_kept
        # Heads at zero would leave the nets without a slope until the heads had moved.
        self.heads = jax.random.normal(head_key, (categories, moved, hidden[-1])) / hidden[-1]
        self.bias = jnp.zeros((categories, moved))
        self.categories, self.coupling, self.temperature = categories, coupling, temperature

    def encode(self, x: Flags, context: Context = None) -> Flags:
        """Map data to latent."""
        kept, moved = x[:, : self.n_kept], x[:, self.n_kept :]
        return jnp.concatenate([kept, _turned(moved, self._shift(x, context), 1)], 1)

    def decode(self, z: Flags, context: Context = None) -> Flags:
        """Map latent to data."""
        kept, moved = z[:, : self.n_kept], z[:, self.n_kept :]

        def once(_: Array | int, x: Flags) -> Flags:
            return jnp.concatenate([kept, _turned(moved, self._shift(x, context), -1)], 1)

        # Autoregressive: the k-th call makes code k right, whatever the later ones were.
        return jax.lax.fori_loop(0, 1 if self.coupling else z.shape[1], once, z)

    def _shift(self, x: Flags, context: Context) -> Flags:
        """Return μ as flags, with the slope of a softmax."""
        seen = x[:, : self.n_kept] if self.coupling else x
        hidden = self.trunk(seen.reshape(-1, *x.shape[2:]), context)
        logits = product(self.heads, hidden, self.trunk.head_mask(x.shape[1])) + align(
            self.bias, x.ndim
        )
        soft = jax.nn.softmax(logits / self.temperature, 0)
        hard = jax.nn.one_hot(logits.argmax(0), self.categories, axis=0, dtype=x.dtype)
        return hard + (soft - jax.lax.stop_gradient(soft))


class DiscreteFlow(Density):
    r"""The law of codes that layers turn into independent ones: log p(x) = Σ_j log π_j(z_j).

    Layers permute the states, so that there is no dlogp and the masses sum to one exactly. What
    is lost: the masses are those of a product law, only elsewhere. The codes' order is reversed
    after each layer. Values other than 0 … C − 1 have mass zero (log −inf); log p is that of a
    mass, not of a density.

    Parameters
    ----------
    layers : `ModularShift`s of one structure.
    dim, context_dim, categories : those of the layers.

    Cost: a network call a layer; sampling `dim` calls where layers are autoregressive.
    Source tran2019discrete
    """

    stacked: ModularShift
    logits: Float[Array, "categories dim"]
    dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    categories: int = eqx.field(static=True)
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "categories"

    def __init__(
        self, layers: tuple[ModularShift, ...], dim: int, categories: int, context_dim: int = 0
    ):
        self.stacked = stack_layers(layers)
        self.logits = jnp.zeros((categories, dim))
        self.dim, self.context_dim, self.categories = dim, context_dim, categories

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        outside = (x < 0) | (x > self.categories - 1) | (x != jnp.round(x))
        unknown = jnp.isnan(x)
        codes = jnp.where(outside | unknown, 0.0, x).astype(jnp.int32)
        flags = jax.nn.one_hot(codes, self.categories, axis=0, dtype=x.dtype)

        def step(value: Flags, layer: ModularShift) -> tuple[Flags, None]:
            return layer.encode(value, context)[:, ::-1], None

        z, _ = jax.lax.scan(step, flags, self.stacked)
        log_p = (align(jax.nn.log_softmax(self.logits, 0), z.ndim) * z).sum((0, 1))
        log_p = jnp.where(outside.any(0), -jnp.inf, log_p)
        return jnp.where(unknown.any(0), jnp.nan, log_p)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        codes = jax.random.categorical(key, self.logits[:, :, None], 0, shape=(self.dim, n))
        flags = jax.nn.one_hot(codes, self.categories, axis=0, dtype=self.logits.dtype)

        def step(value: Flags, layer: ModularShift) -> tuple[Flags, None]:
            return layer.decode(value[:, ::-1], context), None

        x, _ = jax.lax.scan(step, flags, self.stacked, reverse=True)
        return x.argmax(0).astype(self.logits.dtype)


def _turned(flags: Flags, shift: Flags, sign: int) -> Flags:
    """Turn codes back (sign 1) or on (−1): out[c] = Σ_m shift[m] flags[(c + sign · m) mod C]."""
    size = flags.shape[0]
    places = (np.arange(size)[:, None] + sign * np.arange(size)) % size
    return (flags[places] * shift).sum(1)
