"""Several scales: transforms of the first features only, and starting values from data."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Shaped

from pushforward.core.bases import Transform
from pushforward.core.border import rows_in
from pushforward.core.errors import ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.keys import split_or_none
from pushforward.core.numerics import positive_inverse
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.compose import Chain, Scan
from pushforward.transforms.image import ActNorm

MIN_START_SCALE = 1e-2
"""Least scale that data give an `ActNorm`: a constant channel would otherwise explode."""


class Leading(Transform):
    r"""Transform the first features and leave the rest: x = (f(z_a), z_b), dlogp that of f.

    Parameters
    ----------
    transform : f, with a dim of its own.
    dim : event size, at least that of f.

    Source dinh2017realnvp
    """

    transform: Transform
    dim: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.transform.dim is None or not self.transform.dim <= self.dim:
            raise ShapeError(
                f"a transform of dim {self.transform.dim} for the first of {self.dim} features",
                "a transform with a dim that is not larger",
            )

    @property
    def context_dim(self) -> int:
        return self.transform.context_dim

    @property
    def evidence(self) -> Evidence:
        return self.transform.evidence

    @property
    def support(self) -> str:
        return "real" if self.transform.support == "real" else "bounded"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x, dlogp = self.transform.forward(z[: self.transform.dim], context, key=key)
        return jnp.concatenate([x, z[self.transform.dim :]]), dlogp

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, dlogp = self.transform.inverse(x[: self.transform.dim], context, key=key)
        return jnp.concatenate([z, x[self.transform.dim :]]), dlogp

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        x = self.transform.generate(z[: self.transform.dim], context, key=key)
        return jnp.concatenate([x, z[self.transform.dim :]])


def multiscale(levels: Any) -> Chain:
    r"""Chain levels, data side first, each of which sees only the first features of the last.

    x → (level 1) → first features → (level 2) → …; what a level does not see has left to the
    base. dlogp is the sum over levels.

    Parameters
    ----------
    levels : transforms whose dims do not grow; the first one's is the event size.

    Source dinh2017realnvp
    """
    levels = tuple(levels)
    dim = levels[0].dim
    wrapped = [level if level.dim == dim else Leading(level, dim) for level in levels]
    return Chain(reversed(wrapped))


def initialized(
    transform: Transform,
    rows: Shaped[ArrayLike, "*batch dim"],
    context: Shaped[ArrayLike, "*batch_c c"] | None = None,
    *,
    key: Array | None = None,
) -> Transform:
    """Return the transform with each `ActNorm` set so that these rows leave it standardized.

    Rows pass from data to latent through one layer after the other, each of which is set by what
    reaches it. A pure function: the transform given is not changed. Others' parameters stay.

    Parameters
    ----------
    transform : any composition of chains, scans and leading parts.
    rows, context : data of shape `(n, dim)`, and their context.
    key : for layers that draw random numbers (dequantization).

    Source kingma2018glow
    """
    x, given, _ = rows_in(
        rows, transform.dim or jnp.shape(rows)[-1], context, transform.context_dim
    )
    return _passed(transform, x, given, key)[0]


def _passed(
    transform: Transform, x: Features, context: Context, key: Key
) -> tuple[Transform, Features]:
    """Return the transform with its starting values, and what it makes of x."""
    if isinstance(transform, Chain):
        parts, keys = [], split_or_none(key, len(transform.parts))
        for part, part_key in zip(reversed(transform.parts), keys, strict=True):
            part, x = _passed(part, x, context, part_key)
            parts.append(part)
        return Chain(reversed(parts)), x
    if isinstance(transform, Scan):
        chain, x = _passed(transform.unstack(), x, context, key)
        return Scan(chain.parts), x  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(transform, Leading):
        size = transform.transform.dim
        part, z = _passed(transform.transform, x[:size], context, key)
        return Leading(part, transform.dim), jnp.concatenate([z, x[size:]])
    if isinstance(transform, ActNorm):
        values = x.reshape(transform.loc.shape[0], -1)
        scale = jnp.maximum(values.std(1), MIN_START_SCALE)
        start = (values.mean(1), positive_inverse(scale))
        transform = eqx.tree_at(lambda t: (t.loc, t.raw_scale), transform, start)
    z, _ = transform.inverse(x, context if transform.context_dim else None, key=key)
    return transform, jax.lax.stop_gradient(z)
