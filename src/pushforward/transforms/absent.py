"""Absent features: NaN marks what a row does not have.

A partial layer passes an absent feature on as NaN, shows zero in its place to the others, and
counts no volume for it. A stack of such layers on a `StandardNormal(dim, partial=True)` is, for
each set of absent features, a flow of the others: one density over the features that are there.
"""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key

T = TypeVar("T", bound=PyTree)


def without_absent(event: Features) -> tuple[Array, Features]:
    """Return which features are absent, and the event with zeros in their place."""
    absent = jnp.isnan(event)
    return absent, jnp.where(absent, 0.0, event)


def with_absent(event: Features, absent: Array) -> Features:
    """Return the event with its absent features marked."""
    return jnp.where(absent, jnp.nan, event)


def by_feature(template: T, ndim: int) -> T:
    """Return a filled template for events of `ndim` axes that takes each feature as an event.

    Given `x[None]` it returns one dlogp per feature.
    """

    def alone(node: PyTree) -> PyTree:
        if not eqx.is_inexact_array(node):
            return node
        return jnp.expand_dims(node, node.ndim - ndim)

    return jax.tree.map(alone, template, is_leaf=lambda node: isinstance(node, Buffer))


class Present(Transform):
    r"""Apply a map of each feature by itself to the features that are there.

    dlogp = Σ_{j present} log |∂z_j / ∂x_j|, by forward differentiation along all features at
    once: right for maps that do not mix features, which is not checked.

    Parameters
    ----------
    transform : one that maps each feature by itself, finite at zero.

    Cost: about twice that of the transform. Source papamakarios2021flows
    """

    transform: Transform
    support: str = eqx.field(static=True)

    def __init__(self, transform: Transform):
        if transform.evidence > Evidence.NUMERICAL or transform.context_dim:
            raise OptionError(f"{type(transform).__name__}", "a bijection without a context")
        self.transform, self.support = transform, transform.support

    @property
    def dim(self) -> int | None:
        return self.transform.dim

    @property
    def context_dim(self) -> int:
        return 0

    @property
    def evidence(self) -> Evidence:
        return self.transform.evidence

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        absent, safe = without_absent(z)
        x, slopes = jax.jvp(lambda v: self.transform.generate(v), (safe,), (jnp.ones_like(safe),))
        return with_absent(x, absent), -_log_sizes(slopes, absent)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        absent, safe = without_absent(x)
        z, slopes = jax.jvp(lambda v: self.transform.inverse(v)[0], (safe,), (jnp.ones_like(safe),))
        return with_absent(z, absent), _log_sizes(slopes, absent)


def _log_sizes(slopes: Features, absent: Array) -> DLogp:
    return jnp.log(jnp.abs(jnp.where(absent, 1.0, slopes))).sum(0)
