"""Block neural autoregressive layers: one net whose weight blocks make it increasing."""

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
from pushforward.core.numerics import bounded_log, log_cosh
from pushforward.core.roots import solve_increasing
from pushforward.core.types import Context, DLogp, Features, Key

MAX_GATE = 0.99
"""Largest share of the net in z. What is left to x keeps slopes above 0.01 e^−3 where the net's
units are saturated, and makes the map onto R."""


class BlockAutoregressive(Transform):
    r"""Map each feature by a net that rises in it and depends anyhow on the features before it.

    z_i = σ_i ((1 − g_i) x_i + g_i net_i(x_1 … x_i, c)),   dlogp = Σ_i log |∂z_i / ∂x_i|.

    Each layer of the net is tanh(W h + b) (the last one is linear), where every feature has units
    of its own: W has blocks of free weights from features before, of positive ones from the
    feature itself, and none from later ones. So ∂net_i/∂x_i is a product of positive matrices
    and of slopes of tanh, all sums of positive terms. tanh is bounded; the gate g_i < 1 is what
    makes the map onto R.

    `inverse` (data → latent) evaluates this; `forward` solves for one feature after the other.

    Parameters
    ----------
    dim, context_dim : event and context size.
    key : random key for the weights.
    units : units for each feature, layer by layer.

    Cost: `inverse` is one call of a net of width dim · units; `forward` in all about as much for
    each of the ten steps that a root takes. Source decao2019bnaf
    """

    weights: tuple[Float[Array, "out in"], ...]
    biases: tuple[Float[Array, " out"], ...]
    from_context: Float[Array, "width c"] | None
    raw_gate: Float[Array, " dim"]
    raw_log_scale: Float[Array, " dim"]
    units: tuple[int, ...] = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(
        self,
        dim: int,
        *,
        key: Array,
        context_dim: int = 0,
        units: tuple[int, ...] = (8, 8),
    ):
        if dim < 1 or not units or min(units) < 1:
            raise OptionError(f"dim={dim}, units={units}", "dim ≥ 1 and positive widths")
        sizes = (1, *units, 1)
        context_key, *keys = jax.random.split(key, len(sizes))
        self.weights = tuple(
            _random(k, dim, inside, outside)
            for k, inside, outside in zip(keys, sizes, sizes[1:], strict=False)
        )
        # Units that begin equal would stay equal.
        self.biases = (
            *(jnp.tile(jnp.linspace(-1.0, 1.0, size), dim) for size in units),
            jnp.zeros(dim),
        )
        self.from_context = (
            jax.random.normal(context_key, (dim * units[0], context_dim)) / context_dim**0.5
            if context_dim
            else None
        )
        # Mostly the identity to begin with.
        self.raw_gate, self.raw_log_scale = jnp.full(dim, -1.0), jnp.zeros(dim)
        self.units, self.dim, self.context_dim = tuple(units), dim, context_dim

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        gate, log_scale = self._gate_and_log_scale(x.ndim)
        h, slope = x, jnp.ones((self.dim, 1, *x.shape[1:]), x.dtype)
        offsets = self._offsets(context, x.ndim)
        for layer, (before, own) in enumerate(self._blocks()):
            width = own.shape[1]
            total = jnp.tensordot(_joined(before, own), h, 1) + offsets[layer]
            slope = jnp.einsum("doi,di...->do...", own, slope)
            if layer == len(self.units):
                h = total
            else:
                h = jnp.tanh(total)
                gain = jnp.exp(-2 * log_cosh(total))
                slope = slope * gain.reshape(self.dim, width, *x.shape[1:])
        z = jnp.exp(log_scale) * ((1 - gate) * x + gate * h)
        return z, (log_scale + jnp.log((1 - gate) + gate * slope[:, 0])).sum(0)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = self.generate(z, context)
        return x, self.inverse(x, context)[1]

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        """Solve for one feature after the other; units of known features are kept."""
        gate, log_scale = self._gate_and_log_scale(z.ndim)
        batch = z.shape[1:]
        sizes = (1, *self.units)
        shares = [
            jnp.broadcast_to(o, (o.shape[0], *batch)).reshape(self.dim, -1, *batch)
            for o in self._offsets(context, z.ndim)
        ]
        blocks = self._blocks()

        def step(known: tuple, inputs: tuple) -> tuple[tuple, None]:
            i, target, gate_i, offsets, rows = inputs
            # What the units of this feature get from those of the features before it.
            given = [
                offset
                + jnp.tensordot(before.reshape(before.shape[0], -1), k.reshape(-1, *batch), 1)
                for offset, (before, _), k in zip(offsets, rows, known, strict=True)
            ]

            def units(t: Array) -> list[Array]:
                layers = [t[None]]
                for share, (_, own) in zip(given[:-1], rows[:-1], strict=True):
                    layers.append(jnp.tanh(share + jnp.tensordot(own, layers[-1], 1)))
                return layers

            def own_curve(t: Array) -> Array:
                last = given[-1] + jnp.tensordot(rows[-1][1], units(t)[-1], 1)
                return (1 - gate_i) * t + gate_i * last[0]

            found = units(solve_increasing(own_curve, target))
            return tuple(k.at[i].set(f) for k, f in zip(known, found, strict=True)), None

        nothing = tuple(jnp.zeros((self.dim, size, *batch), z.dtype) for size in sizes)
        inputs = (jnp.arange(self.dim), z * jnp.exp(-log_scale), gate, shares, blocks)
        (x, *_), _ = jax.lax.scan(step, nothing, inputs)
        return x[:, 0]

    def _gate_and_log_scale(self, ndim: int) -> tuple[Array, Array]:
        gate = MAX_GATE * jax.nn.sigmoid(align(self.raw_gate, ndim))
        return gate, bounded_log(align(self.raw_log_scale, ndim))

    def _offsets(self, context: Context, ndim: int) -> list[Array]:
        """Return what each layer's sums begin with: biases, and in the first the context."""
        offsets = [align(bias, ndim) for bias in self.biases]
        if self.from_context is not None and context is not None:
            offsets[0] = offsets[0] + align(jnp.tensordot(self.from_context, context, 1), ndim)
        return offsets

    def _blocks(self) -> list[tuple[Array, Array]]:
        """Return each layer's weights from features before, (dim, out, dim, in), and from its own.

        Those, (dim, out, in), are positive, about 1/in.
        """
        earlier = np.tri(self.dim, k=-1)[:, None, :, None]
        itself = np.arange(self.dim)
        blocks = []
        for weight in self.weights:
            whole = weight.reshape(self.dim, -1, self.dim, weight.shape[1] // self.dim)
            own = jnp.exp(bounded_log(whole[itself, :, itself])) / whole.shape[-1]
            blocks.append((whole * earlier, own))
        return blocks


def _joined(before: Array, own: Array) -> Array:
    """Return the whole matrix of a layer."""
    itself = np.arange(own.shape[0])
    whole = before.at[itself, :, itself].set(own)
    return whole.reshape(own.shape[0] * own.shape[1], -1)


def _random(key: Array, dim: int, inside: int, outside: int) -> Array:
    """Draw weights: N(0, 1/fan-in) from features before, 1/in within a feature to begin with."""
    fan_in = np.repeat(np.maximum(np.arange(dim), 1) * inside, outside)
    weight = jax.random.normal(key, (dim * outside, dim * inside))
    weight = weight / jnp.sqrt(jnp.asarray(fan_in))[:, None]
    itself = np.kron(np.eye(dim), np.ones((outside, inside))) > 0
    return jnp.where(itself, 0.0, weight)
