"""A small convolution net: hidden units at every pixel, channels first, batch axes last."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.errors import OptionError
from pushforward.core.types import Context
from pushforward.nets.activations import activation


class ConvolutionTrunk(eqx.Module):
    r"""Compute hidden units: h₁ = a(K₁ * x + C c + b₁), h_{l+1} = a(K_{l+1} * h_l + b_{l+1}).

    * is a convolution with odd square kernels over the image padded with zeros, so that its size
    stays. Like `Trunk` it ends in hidden units; the layer that uses it owns the linear heads.

    Parameters
    ----------
    channels, context_dim : channels of x and size of c, which reaches every pixel alike.
    hidden : channels of the hidden layers.
    activation : name of a.
    kernel : side of the kernels, odd.

    Cost: one matrix product a layer, with kernel² copies of its input.
    """

    kernels: tuple[Float[Array, "out taps"], ...]
    biases: tuple[Float[Array, " out"], ...]
    from_context: Float[Array, "out c"] | None
    activation: str = eqx.field(static=True)
    kernel: int = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        hidden: tuple[int, ...],
        *,
        key: Array,
        context_dim: int = 0,
        activation: str = "relu",
        kernel: int = 3,
    ):
        if not hidden or min(hidden) < 1 or kernel < 1 or kernel % 2 == 0:
            raise OptionError(
                f"hidden={hidden}, kernel={kernel}", "at least one positive width, an odd kernel"
            )
        sizes = (channels * kernel**2, *(width * kernel**2 for width in hidden))
        *keys, context_key = jax.random.split(key, len(hidden) + 1)
        self.kernels = tuple(
            jax.random.normal(k, (width, taps)) / max(taps, 1) ** 0.5
            for k, width, taps in zip(keys, hidden, sizes, strict=False)
        )
        self.biases = tuple(jnp.zeros(width) for width in hidden)
        shape = (hidden[0], context_dim)
        self.from_context = (
            jax.random.normal(context_key, shape) / context_dim**0.5 if context_dim else None
        )
        self.activation = activation
        self.kernel = kernel

    def __call__(
        self, x: Float[Array, "channels height width *n"], context: Context = None
    ) -> Float[Array, "hidden height width *n"]:
        act = activation(self.activation)
        for layer, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            taps = neighbours(x, self.kernel)
            before = jnp.tensordot(kernel, taps, 1) + _everywhere(bias, x.ndim)
            if layer == 0 and self.from_context is not None and context is not None:
                before = before + _everywhere(jnp.tensordot(self.from_context, context, 1), x.ndim)
            x = act(before)
        return x


def neighbours(
    x: Float[Array, "channels height width *n"], kernel: int
) -> Float[Array, "taps height width *n"]:
    """Return each pixel's square neighbourhood as channels, zero beyond the image."""
    height, width = x.shape[1:3]
    side = kernel // 2
    padded = jnp.pad(x, ((0, 0), (side, side), (side, side), *((0, 0),) * (x.ndim - 3)))
    shifted = [
        padded[:, row : row + height, column : column + width]
        for row in range(kernel)
        for column in range(kernel)
    ]
    return jnp.concatenate(shifted)


def _everywhere(values: Array, ndim: int) -> Array:
    """Give values `(out, *n)` two pixel axes of length one after the first, and batch axes."""
    batch = values.shape[1:]
    return values.reshape(values.shape[0], 1, 1, *batch, *(1,) * (ndim - 3 - len(batch)))
