"""Fixed warps of table columns: each column has its own function."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import log_cosh
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key

WARPS = ("identity", "arcsinh", "above", "below", "between")


class Warp(Transform):
    r"""Bend each column by its own fixed function, data → latent.

    identity: z = x;  arcsinh: z = s arcsinh(x/s);  above (x > low): z = log(x − low);
    below (x < high): z = −log(high − x);  between: z = log(x − low) − log(high − x).

    At or beyond a bound dlogp is −inf.

    Parameters
    ----------
    kinds : one of `WARPS` per column.
    low, high : bounds per column, used where the kind asks for them.
    scale : s > 0 per column: x much smaller than s stays as it is, beyond it grows as a logarithm.

    Source papamakarios2021flows, johnson1949systems
    """

    low: Buffer
    high: Buffer
    scale: Buffer
    kinds: tuple[str, ...] = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT

    def __init__(
        self,
        kinds: tuple[str, ...],
        low: object = None,
        high: object = None,
        scale: object = None,
    ):
        unknown = set(kinds) - set(WARPS)
        if unknown or not kinds:
            raise OptionError(f"warps {sorted(unknown)}", f"one of {', '.join(WARPS)} per column")
        scale = np.ones(len(kinds)) if scale is None else np.asarray(scale, float)
        if not ((scale > 0) & (scale < np.inf)).all():
            raise OptionError("scales of a warp", "all above zero, and finite")
        dtype = jnp.result_type(float)
        self.kinds = tuple(kinds)
        self.low = Buffer(jnp.asarray(np.zeros(len(kinds)) if low is None else low, dtype))
        self.high = Buffer(jnp.asarray(np.ones(len(kinds)) if high is None else high, dtype))
        self.scale = Buffer(jnp.asarray(scale, dtype))

    @property
    def dim(self) -> int:
        return len(self.kinds)

    @property
    def support(self) -> str:
        return "real" if set(self.kinds) <= {"identity", "arcsinh"} else "bounded"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        low, high, scale = self._aligned(z.ndim)
        x, dlogp = z, jnp.zeros_like(z)
        for kind in self._present():
            here = self._where(kind, z.ndim)
            safe = jnp.where(here, z, 0.0)
            if kind == "arcsinh":
                value, change = scale * jnp.sinh(safe / scale), -log_cosh(safe / scale)
            elif kind == "above":
                value, change = low + jnp.exp(safe), -safe
            elif kind == "below":
                value, change = high - jnp.exp(-safe), safe
            else:
                width = jnp.where(here, high - low, 1.0)
                value = low + width * jax.nn.sigmoid(safe)
                change = jax.nn.softplus(safe) + jax.nn.softplus(-safe) - jnp.log(width)
            x, dlogp = jnp.where(here, value, x), jnp.where(here, change, dlogp)
        return x, dlogp.sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        low, high, scale = self._aligned(x.ndim)
        z, dlogp = x, jnp.zeros_like(x)
        for kind in self._present():
            here = self._where(kind, x.ndim)
            outside = here & _outside(kind, x, low, high)
            if kind == "arcsinh":
                bent = jnp.arcsinh(jnp.where(here, x, 0.0) / scale)
                value, change = scale * bent, -log_cosh(bent)
            else:
                up = jnp.log(jnp.where(here & ~outside, x - low, 1.0))
                down = jnp.log(jnp.where(here & ~outside, high - x, 1.0))
                width = jnp.log(jnp.where(here, high - low, 1.0))
                value, change = {
                    "above": (up, -up),
                    "below": (-down, -down),
                    "between": (up - down, width - up - down),
                }[kind]
            change = jnp.where(outside, -jnp.inf, change)
            z, dlogp = jnp.where(here, value, z), jnp.where(here, change, dlogp)
        return z, dlogp.sum(0)

    def _aligned(self, ndim: int) -> tuple[Array, Array, Array]:
        low, high, scale = (align(b.value, ndim) for b in (self.low, self.high, self.scale))
        return low, high, scale

    def _present(self) -> list[str]:
        return [kind for kind in WARPS[1:] if kind in self.kinds]

    def _where(self, kind: str, ndim: int) -> Array:
        return align(jnp.asarray([k == kind for k in self.kinds]), ndim)


def _outside(kind: str, x: Array, low: Array, high: Array) -> Array:
    outside = jnp.zeros(x.shape, bool)
    if kind in ("above", "between"):
        outside = outside | (x <= low)
    if kind in ("below", "between"):
        outside = outside | (x >= high)
    return outside
