"""Residual layers: the datum plus a contraction of it; invertible without any structure."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.contraction import solve_contraction
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.keys import require_key
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.lipschitz import LipschitzNet

LIPSCHITZ = 0.9
"""Bound of a layer's slope: its determinant then lies in [0.1ᵈ, 1.9ᵈ] and its inverse moves by at
most ten times what the latent does."""

_KEEP_GOING = 0.9
"""Chance of one more term of the series. The estimate's variance is finite for every net, because
this is above LIPSCHITZ² = 0.81; the usual one half does not promise that."""

_SURE_TERMS = 8
"""Terms that are always summed."""

_SMALL = 8
"""Largest event whose determinant is eliminated in the open, vectorized over the batch."""

LOG_DETS = ("exact", "roulette")


class Residual(Transform):
    r"""Subtract from each datum what a contraction makes of it, latent to data.

    z = x + g(x, c),   |g(x) − g(y)| ≤ 0.9 |x − y|,   dlogp = log det(I + ∂g/∂x) > −∞

    exact: the determinant of the Jacobian, column by column.
    roulette: the unbiased estimate Σ_{k=1}^{N} (−1)^{k+1}/k · vᵀJᵏv / P(N ≥ k) with random signs
    v and a random N, for each event its own; it needs a key, the same one for the same number. Its
    gradient is that of vᵀJs, s = Σ_{k=0}^{N} (−1)ᵏ Jᵏv / P(N ≥ k), also unbiased (first
    derivatives only).

    Parameters
    ----------
    dim, context_dim : event and context size.
    hidden, activation : of the net g (`LipschitzNet`), which starts at zero: the identity.
    log_det : "exact" or "roulette".

    Cost: `inverse` one network call, and for dlogp `dim` derivatives and O(dim³) (exact) or
    about 17 derivatives (roulette); `forward` a fixed point, mostly some tens of network calls.
    Source behrmann2019iresnet, chen2019residual
    """

    net: LipschitzNet
    dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    log_det: str = eqx.field(static=True)
    support: ClassVar[str] = "real"

    def __init__(
        self,
        dim: int,
        *,
        key: Array,
        context_dim: int = 0,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "lipswish",
        log_det: str = "exact",
    ):
        if dim < 1 or log_det not in LOG_DETS:
            raise OptionError(f"dim={dim}, log_det={log_det!r}", f"dim ≥ 1, one of {LOG_DETS}")
        self.net = LipschitzNet(
            dim,
            hidden,
            key=key,
            context_dim=context_dim,
            activation=activation,
            bound=LIPSCHITZ,
        )
        self.dim, self.context_dim, self.log_det = dim, context_dim, log_det

    @property
    def evidence(self) -> Evidence:
        return Evidence.EXACT if self.log_det == "exact" else Evidence.ESTIMATE

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = self.generate(z, context)
        return x, self._dlogp(x, context, key)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return x + self.net(x, context), self._dlogp(x, context, key)

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        weights = self.net.limited()
        return solve_contraction(lambda x: self.net(x, context, weights), z, LIPSCHITZ)

    def _dlogp(self, x: Features, context: Context, key: Key) -> DLogp:
        weights = self.net.limited()
        if self.log_det == "exact":
            return log_det_of(lambda v: self.net(v, context, weights), x)
        still, still_context, still_weights = jax.lax.stop_gradient((self.net, context, weights))
        return _roulette(
            lambda v: self.net(v, context, weights),
            lambda v: still(v, still_context, still_weights),
            x,
            require_key(key, self),
        )


def log_det_of(function: Callable[[Features], Features], x: Features) -> DLogp:
    r"""Return log det(I + ∂g/∂x) per event, for a g whose Jacobian has a norm below one.

    The symmetric part of A = I + J is positive definite, vᵀAv ≥ (1 − ‖J‖)|v|². Elimination
    keeps that: for y = −A₁₁⁻¹A₁₂w, wᵀSw = [y, w]ᵀA[y, w] where S is what is left. So every
    pivot is at least 1 − ‖J‖ and none has to be searched for.
    """
    dim = x.shape[0]
    unit = jnp.eye(dim, dtype=x.dtype).reshape(dim, dim, *(1,) * (x.ndim - 1))
    units = jnp.broadcast_to(unit, (dim, *x.shape))
    _, slope = jax.linearize(function, x)
    # One by one, two columns take 0.6 of a vmap's time in a gradient: no sums over an axis of 2.
    columns = jnp.stack([slope(u) for u in units]) if dim <= _SMALL else jax.vmap(slope)(units)
    left = units + columns
    if dim > _SMALL:
        return jnp.linalg.slogdet(jnp.moveaxis(left, (0, 1), (-2, -1)))[1]
    total = jnp.zeros(x.shape[1:], x.dtype)
    for _ in range(dim):
        pivot = left[0, 0]
        total = total + jnp.log(pivot)
        left = left[1:, 1:] - left[1:, :1] * left[:1, 1:] / pivot
    return total


def _roulette(
    function: Callable[[Features], Features],
    still: Callable[[Features], Features],
    x: Features,
    key: Array,
) -> DLogp:
    """Return the estimate; `still` is the same function without derivatives by its parameters."""
    sign_key, count_key = jax.random.split(key)
    signs = jax.random.rademacher(sign_key, x.shape, x.dtype)
    # P(more ≥ j) = _KEEP_GOING^j.
    more = jax.random.geometric(count_key, 1 - _KEEP_GOING, x.shape[1:]) - 1
    count = _SURE_TERMS + more
    _, slope = jax.linearize(still, jax.lax.stop_gradient(x))

    def add(state: tuple[Array, ...]) -> tuple[Array, ...]:
        k, power, series, total = state
        power = -slope(power)
        reached = _KEEP_GOING ** -jnp.maximum(k - _SURE_TERMS, 0).astype(x.dtype)
        factor = jnp.where(k <= count, reached, 0.0)
        total = total - factor / k * (signs * power).sum(0)
        return k + 1, power, series + factor * power, total

    start = (jnp.asarray(1), signs, signs, jnp.zeros(x.shape[1:], x.dtype))
    *_, series, total = jax.lax.while_loop(lambda state: state[0] <= count.max(), add, start)
    _, moved = jax.jvp(function, (x,), (series,))
    return total + _derivative_only((signs * moved).sum(0))


def _derivative_only(value: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return zero, with the derivative of `value`."""
    return value - jax.lax.stop_gradient(value)
