"""Transforms from a user's own functions. They cannot be saved: files hold data, not code."""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.roots import solve_increasing
from pushforward.core.types import Context, DLogp, Features, Key

_PROBES = np.concatenate([-np.logspace(4, -4, 25), np.logspace(-4, 4, 25)])
"""Where a function is asked whether it rises: as far out as the laws of all transforms go."""


class Monotone(Transform):
    r"""Apply a scalar function, with its inverse by solving and its slope by differentiation.

    x = f(z; θ),   dlogp = −Σ log |f′(z; θ)|

    f must be strictly increasing (or decreasing) from the real line onto itself; a value that it
    never takes has no latent (NaN). `Invert(Monotone(g))` is for z = g(x) given.

    Parameters
    ----------
    function : f(z, *parameters), elementwise, of jax operations; a plain function.
    parameters : free parameters θ, each of shape `()` (shared) or `(dim,)`.
    increasing : False for a decreasing function.

    Cost: `forward` one call of f and f′, `inverse` about ten. Source press2007recipes

    Raises
    ------
    OptionError : f is not elementwise, or does not rise (or fall) throughout.
    """

    parameters: tuple[Array, ...]
    function: Callable = eqx.field(static=True)
    increasing: bool = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(
        self,
        function: Callable,
        parameters: tuple = (),
        *,
        increasing: bool = True,
    ):
        dtype = jnp.result_type(float)
        self.parameters = tuple(jnp.asarray(value, dtype) for value in parameters)
        self.function, self.increasing = function, increasing
        size = max((value.size for value in self.parameters), default=1)
        probes = jnp.asarray(np.broadcast_to(_PROBES, (size, _PROBES.size)), dtype)
        values = self._rising(probes)
        if not isinstance(values, Tracer):
            self._check(probes, np.asarray(values))

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        value, slope = jax.jvp(self._rising, (z,), (jnp.ones_like(z),))
        return value if self.increasing else -value, self._dlogp(slope)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z = solve_increasing(self._rising, x if self.increasing else -x)
        return z, self._dlogp(jax.jvp(self._rising, (z,), (jnp.ones_like(z),))[1])

    def _rising(self, z: Array) -> Array:
        """Return f, or −f where f falls."""
        value = self.function(z, *(align(p, z.ndim) for p in self.parameters))
        return value if self.increasing else -value

    def _dlogp(self, slope: Array) -> DLogp:
        # A slope of zero at a point (z³ at 0) is rounded up to the least float; a negative one
        # says that the function is not monotone, and no number would be right.
        floor = float(jnp.finfo(slope.dtype).tiny)
        return -jnp.where(slope < 0, jnp.nan, jnp.log(jnp.maximum(slope, floor))).sum(0)

    def _check(self, probes: Array, values: np.ndarray) -> None:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if values.shape != probes.shape or not all(
            np.allclose(self._rising(probes[:, k : k + 1])[:, 0], values[:, k], equal_nan=True)
            for k in (0, 30)
        ):
            raise OptionError(f"a function {name} of several values at once", "elementwise")
        with np.errstate(invalid="ignore"):  # inf − inf, where both ends have overflowed
            steps = np.diff(values, axis=1)
        overflowed = np.isinf(values[:, 1:]) & (values[:, 1:] == values[:, :-1])
        if not ((steps >= 0) | overflowed).all() or not (values[:, -1] > values[:, 0]).all():
            raise OptionError(
                f"a function {name} that does not {'rise' if self.increasing else 'fall'}",
                "strictly monotone from the real line onto itself",
                "pass increasing=False for a decreasing function",
            )


class Bijection(Transform):
    r"""Apply a vector function and its inverse, both given; determinants by differentiation.

    x = f(z), z = g(x),   dlogp = log|det ∂g/∂x| = −log|det ∂f/∂z|

    Each direction differentiates its own function, so that log p(x) is that of g's Jacobian.

    Parameters
    ----------
    to_data, to_latent : f and g, of one event `(dim,)`, of jax operations; plain functions.
    dim : event size.

    Cost: dim derivatives of f or g and O(dim³) an event; a map with a triangular Jacobian is
    cheaper as a `Coupling` or `MaskedAutoregressive`. Source papamakarios2021flows

    Raises
    ------
    OptionError : g does not undo f.
    """

    to_data: Callable = eqx.field(static=True)
    to_latent: Callable = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, to_data: Callable, to_latent: Callable, dim: int):
        self.to_data, self.to_latent, self.dim = to_data, to_latent, dim
        for probe in (np.linspace(-1, 1, dim), np.linspace(2, 0.5, dim)):
            z = jnp.asarray(probe, jnp.result_type(float))
            x = to_data(z)
            back = to_latent(x)
            if isinstance(back, Tracer):
                continue
            if x.shape != z.shape or not np.allclose(back, z, rtol=1e-3, atol=1e-3):
                raise OptionError(
                    f"to_latent(to_data(z)) = {back} at z = {z}", "z again: inverse functions"
                )

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x, log_det = _with_log_det(self.to_data, z)
        return x, -log_det

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return _with_log_det(self.to_latent, x)


def _with_log_det(function: Callable, event: Features) -> tuple[Features, DLogp]:
    """Return the function's values, and log|det| of its Jacobian at each event."""

    def one(v: Array) -> tuple[Array, Array]:
        return function(v), jnp.linalg.slogdet(jax.jacfwd(function)(v))[1]

    columns = event.reshape(event.shape[0], math.prod(event.shape[1:]))
    values, log_det = jax.vmap(one, 1, (1, 0))(columns)
    return values.reshape(event.shape), log_det.reshape(event.shape[1:])
