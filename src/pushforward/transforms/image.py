"""Images as flat events: a layer that knows the shape sees (channels, height, width).

Feature c·H·W + h·W + w of an event is channel c at pixel (h, w), so that channels are the leading
axis and the first half of the channels is the first half of the features.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import positive
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.convolution import ConvolutionTrunk
from pushforward.transforms.compose import Chain
from pushforward.transforms.linear import LU
from pushforward.transforms.permute import Permute, random_order
from pushforward.transforms.template import Heads

Shape = tuple[int, int, int]
"""Channels, height, width."""


class ActNorm(Transform):
    r"""Shift and scale each channel: x = μ_c + σ_c z, dlogp = −pixels · Σ_c log σ_c.

    Parameters
    ----------
    channels, pixels : the event has channels · pixels features.

    The same map as an `Affine` repeated over pixels; `initialized` sets it from data, so that
    the latent of each channel has mean zero and variance one. Source kingma2018glow
    """

    loc: Float[Array, " channels"]
    raw_scale: Float[Array, " channels"]
    pixels: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, channels: int, pixels: int = 1):
        if channels < 1 or pixels < 1:
            raise OptionError(f"channels={channels}, pixels={pixels}", "both at least 1")
        self.loc, self.raw_scale = jnp.zeros(channels), jnp.zeros(channels)
        self.pixels = pixels

    @property
    def dim(self) -> int:
        return self.loc.shape[0] * self.pixels

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        loc, scale = self._spread(z.ndim)
        return loc + scale * z, self._dlogp(z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        loc, scale = self._spread(x.ndim)
        return (x - loc) / scale, self._dlogp(x)

    def _spread(self, ndim: int) -> tuple[Array, Array]:
        values = (self.loc, positive(self.raw_scale))
        loc, scale = (align(jnp.repeat(value, self.pixels), ndim) for value in values)
        return loc, scale

    def _dlogp(self, event: Features) -> DLogp:
        total = -self.pixels * jnp.log(positive(self.raw_scale)).sum()
        return jnp.broadcast_to(total, event.shape[1:])


class PerPixel(Transform):
    r"""Apply one transform of the channels at every pixel; dlogp = Σ over pixels.

    Parameters
    ----------
    transform : a transform whose dim is the number of channels.
    pixels : how many pixels there are.

    Source kingma2018glow
    """

    transform: Transform
    pixels: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.transform.dim is None or self.pixels < 1:
            raise OptionError(
                f"{type(self.transform).__name__} at {self.pixels} pixels",
                "a transform with a dim, the number of channels, and pixels ≥ 1",
            )

    @property
    def dim(self) -> int:
        return (self.transform.dim or 0) * self.pixels

    @property
    def context_dim(self) -> int:
        return self.transform.context_dim

    @property
    def evidence(self) -> Evidence:
        return self.transform.evidence

    @property
    def support(self) -> str:
        return self.transform.support

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        spread, given = self._spread(z, context)
        x, dlogp = self.transform.forward(spread, given, key=key)
        return x.reshape(z.shape), dlogp.sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        spread, given = self._spread(x, context)
        z, dlogp = self.transform.inverse(spread, given, key=key)
        return z.reshape(x.shape), dlogp.sum(0)

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        spread, given = self._spread(z, context)
        return self.transform.generate(spread, given, key=key).reshape(z.shape)

    def _spread(self, event: Features, context: Context) -> tuple[Array, Array | None]:
        """Make pixels the first batch axis, of the event and of the context."""
        spread = event.reshape(-1, self.pixels, *event.shape[1:])
        if context is None:
            return spread, None
        given = align(jnp.asarray(context)[:, None], spread.ndim)
        return spread, jnp.broadcast_to(given, (context.shape[0], *spread.shape[1:]))


class ImageCoupling(Transform):
    r"""Leave some channels, transform the others by parameters that a convolution net finds.

    x_a = z_a,   x_b = T(z_b; θ₀ + net(x_a, c)),   dlogp = Σ log |∂z_b / ∂x_b|

    as in `Coupling`; θ₀ is one value a channel, and the net's output is one a pixel.

    Parameters
    ----------
    shape : channels, height and width; an event has their product of features.
    template : scalar transform T.
    context_dim, hidden, activation, kernel : of the net (`ConvolutionTrunk`).
    n_kept : how many channels are kept; half of them by default.

    Cost: one network call in either direction. Source dinh2017realnvp, kingma2018glow
    """

    trunk: ConvolutionTrunk
    heads: Heads
    shape: Shape = eqx.field(static=True)
    n_kept: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    support: ClassVar[str] = "real"

    def __init__(
        self,
        shape: Shape,
        template: Transform,
        *,
        key: Array,
        context_dim: int = 0,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "relu",
        kernel: int = 3,
        n_kept: int | None = None,
    ):
        channels = checked_shape(shape)[0]
        n_kept = channels // 2 if n_kept is None else n_kept
        if not 0 <= n_kept < channels:
            raise OptionError(f"n_kept={n_kept} of {channels} channels", "0 ≤ n_kept < channels")
        self.trunk = ConvolutionTrunk(
            n_kept,
            hidden,
            key=key,
            context_dim=context_dim,
            activation=activation,
            kernel=kernel,
        )
        self.heads = Heads(template, channels - n_kept, hidden[-1])
        self.shape, self.n_kept, self.context_dim = shape, n_kept, context_dim

    @property
    def dim(self) -> int:
        return math.prod(self.shape)

    @property
    def evidence(self) -> Evidence:
        return self.heads.template.evidence

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        kept, rest, template = self._split(z, context)
        moved, dlogp = template.forward(rest)
        return self._joined(kept, moved), dlogp.sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        kept, rest, template = self._split(x, context)
        moved, dlogp = template.inverse(rest)
        return self._joined(kept, moved), dlogp.sum(0)

    def _split(self, event: Features, context: Context) -> tuple[Array, Array, Transform]:
        """Return the kept features, the others as (channels, pixels, …), and their map."""
        channels, height, width = self.shape
        batch = event.shape[1:]
        kept = event[: self.n_kept * height * width]
        rest = event[self.n_kept * height * width :]
        hidden = self.trunk(kept.reshape(self.n_kept, height, width, *batch), context)
        # To the heads a pixel is one more event: the same weights serve all of them.
        template = self.heads(hidden.reshape(hidden.shape[0], height * width, *batch))
        return kept, rest.reshape(channels - self.n_kept, height * width, *batch), template

    def _joined(self, kept: Array, moved: Array) -> Features:
        return jnp.concatenate([kept, moved.reshape(-1, *moved.shape[2:])])


def conv1x1(shape: Shape, *, key: Array) -> PerPixel:
    r"""Mix the channels at each pixel by an invertible matrix: dlogp = H·W·log|det ∂z/∂x|.

    A random order of the channels and a learned L U (`LU`), which starts at the identity.

    Source kingma2018glow
    """
    channels, height, width = checked_shape(shape)
    return PerPixel(Chain([LU(channels), Permute(random_order(key, channels))]), height * width)


def squeeze(shape: Shape) -> Permute:
    """Fold an image's 2 × 2 blocks into channels: data (C, H, W), latent (4C, H/2, W/2).

    The blocks' diagonals come first, so that halving the channels of the latent splits the image
    as a checkerboard does: [↖ ↘ | ↗ ↙]. A reordering of features, dlogp = 0.

    Source dinh2017realnvp
    """
    channels, height, width = checked_shape(shape)
    if height % 2 or width % 2:
        raise ShapeError(f"an image of {height} × {width} pixels", "even sides")
    places = np.arange(math.prod(shape)).reshape(channels, height, width)
    corners = [places[:, i::2, j::2] for i, j in ((0, 0), (1, 1), (0, 1), (1, 0))]
    return Permute(np.argsort(np.concatenate(corners).ravel()))


def checked_shape(shape: Shape) -> Shape:
    """Return the shape, or raise if it is not that of an image."""
    if len(shape) != 3 or min(shape) < 1:
        raise ShapeError(f"shape {shape}", "(channels, height, width), each at least 1")
    return shape
