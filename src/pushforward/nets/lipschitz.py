"""Nets whose output moves less than their input: each weight is scaled below a norm of one."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.types import Context, Features

ACTIVATIONS = ("lipswish", "tanh", "elu")
"""Smooth activations whose slope never leaves [−1, 1]."""

_SQUARINGS = 7
"""tr(Aᵖ) with p = 2⁷ overestimates the norm of a 64 × 64 matrix by 1.6 % at most."""

_SWISH_SLOPE = 1.1
"""The largest slope of t·sigmoid(t) is 1.0998, at t = 2.3994."""


_UNIT_OFFSET = math.log(math.expm1(1))
"""Makes the steepness of a new lipswish one."""


class LipschitzNet(eqx.Module):
    r"""Compute g(x) = W_L a(… a(W₁ x + C c + b₁)) + b_L with |g(x) − g(y)| ≤ bound · |x − y|.

    W is used as W · min(1, k/‖W‖), k = bound^(1/L), with ‖W‖ bounded from above by
    `spectral_bound`, and |a′| ≤ 1; the context is not restricted. The last layer starts at zero.

    Parameters
    ----------
    dim, context_dim : sizes of x (and of g) and c.
    hidden : widths of the hidden layers.
    activation : "lipswish" (t · sigmoid(βt)/1.1 with β > 0 learned per layer), "tanh" or "elu".
    bound : the Lipschitz constant in the Euclidean norm, below one.

    Source chen2019residual, behrmann2019iresnet
    """

    weights: tuple[Float[Array, "out in"], ...]
    biases: tuple[Float[Array, " out"], ...]
    from_context: Float[Array, "width c"] | None
    raw_steepness: Float[Array, " layers"] | None
    activation: str = eqx.field(static=True)
    bound: float = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        hidden: tuple[int, ...],
        *,
        key: Array,
        context_dim: int = 0,
        activation: str = "lipswish",
        bound: float = 0.9,
    ):
        if activation not in ACTIVATIONS:
            raise OptionError(f"activation {activation!r}", f"one of {', '.join(ACTIVATIONS)}")
        if not hidden or min(hidden) < 1 or not 0 < bound < 1:
            raise OptionError(
                f"hidden={hidden}, bound={bound}", "at least one positive width, 0 < bound < 1"
            )
        sizes = (dim, *hidden, dim)
        *keys, context_key = jax.random.split(key, len(hidden) + 1)
        # Orthogonal, so that every direction starts at the slope that is allowed: of a Gaussian
        # matrix below the same norm most directions are nearly lost after three layers.
        drawn = [
            jax.random.orthogonal(k, max(n_out, n_in))[:n_out, :n_in]
            for k, n_in, n_out in zip(keys, sizes, hidden, strict=False)
        ]
        self.weights = (*drawn, jnp.zeros((dim, hidden[-1])))
        self.biases = tuple(jnp.zeros(size) for size in sizes[1:])
        shape = (hidden[0], context_dim)
        self.from_context = jax.random.normal(context_key, shape) if context_dim else None
        self.raw_steepness = jnp.zeros(len(hidden)) if activation == "lipswish" else None
        self.activation = activation
        self.bound = bound

    def limited(self) -> tuple[Array, ...]:
        """Return the weights as they are used, so that loops over `__call__` scale them once."""
        most = self.bound ** (1 / len(self.weights))
        return tuple(w * (most / jnp.maximum(spectral_bound(w), most)) for w in self.weights)

    def __call__(
        self,
        x: Features,
        context: Context = None,
        weights: tuple[Array, ...] | None = None,
    ) -> Features:
        weights = self.limited() if weights is None else weights
        hidden = x
        for layer, (weight, bias) in enumerate(zip(weights, self.biases, strict=True)):
            if layer:
                hidden = self._activated(hidden, layer - 1)
            hidden = jnp.tensordot(weight, hidden, 1) + align(bias, x.ndim)
            if layer == 0 and self.from_context is not None and context is not None:
                hidden = hidden + align(jnp.tensordot(self.from_context, context, 1), x.ndim)
        return hidden

    def _activated(self, value: Features, layer: int) -> Features:
        if self.raw_steepness is None:
            return jnp.tanh(value) if self.activation == "tanh" else jax.nn.elu(value)
        steepness = jax.nn.softplus(self.raw_steepness[layer] + _UNIT_OFFSET)
        return value * jax.nn.sigmoid(steepness * value) / _SWISH_SLOPE


def spectral_bound(weight: Float[Array, "out in"]) -> Float[Array, ""]:
    r"""Return a smooth upper bound of a matrix's largest singular value.

    σ² = λ_max(A) ≤ (tr Aᵖ)^(1/p) ≤ n^(1/p) λ_max(A),  A = WᵀW,  p = 2⁷,

    since tr Aᵖ = Σ λᵢᵖ with λᵢ ≥ 0 holds λ_maxᵖ and at most n of its size. Aᵖ comes from
    repeated squaring at trace one, so that nothing overflows, and the p-th root takes back what
    rounding the squares has doubled. No power iteration, hence no state and no lower bound.

    Cost: seven products of matrices of the smaller side. Source horn2012matrix
    """
    # The largest entry is a scale only: the result does not depend on it.
    top = jax.lax.stop_gradient(jnp.abs(weight).max())
    nonzero = top > 0
    unit = jnp.where(nonzero, weight, 1.0) / jnp.where(nonzero, top, 1.0)
    gram = unit.T @ unit if weight.shape[0] > weight.shape[1] else unit @ unit.T
    trace = jnp.trace(gram)
    power, log_trace = gram / trace, jnp.zeros((), weight.dtype)
    for _ in range(_SQUARINGS):
        square = power @ power
        share = jnp.trace(square)  # at least 1/n, because the eigenvalues sum to one
        power, log_trace = square / share, 2 * log_trace + jnp.log(share)
    bound = top * jnp.sqrt(trace) * jnp.exp(log_trace / 2 ** (_SQUARINGS + 1))
    return jnp.where(nonzero, bound, 0.0)
