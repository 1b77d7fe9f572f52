"""Marginals and conditionals of a flow, where its order of features allows them exactly.

In a triangular flow z_1 … z_k depend on x_1 … x_k alone, so the first k features have a density
of their own, and the others one given them.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Density, Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal, StudentT, Uniform
from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.compose import Chain, Frozen, Invert, Scan
from pushforward.transforms.concatenate import Concatenate
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.linear import ContextShift, Triangular
from pushforward.transforms.marginal import MarginalSpline
from pushforward.transforms.warp import Warp

_TRIANGULAR = (MaskedAutoregressive, Coupling, ContextShift, Triangular, MarginalSpline, Warp)


class Marginal(Density):
    r"""The density of a triangular flow's first k features.

    log p(x_1 … x_k) = Σ_{j ≤ k} log p₀(z_j) + log |∂z_j/∂x_j|.

    Parameters
    ----------
    flow : a `Pushforward` of a triangular transform on independent features.
    k : how many features are kept, 1 ≤ k < dim.

    Cost: k derivatives of the flow's inverse a row; samples cost what the flow's do.
    Source papamakarios2021flows
    """

    flow: Pushforward
    dim: int = eqx.field(static=True)

    def __init__(self, flow: Pushforward, k: int):
        check_order(flow, k)
        self.flow, self.dim = flow, k

    @property
    def context_dim(self) -> int:
        return self.flow.context_dim

    @property
    def evidence(self) -> Evidence:
        return self.flow.evidence

    @property
    def support(self) -> str:
        return self.flow.support

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        transform = self.flow.transform
        given = context if transform.context_dim else None
        rest = jnp.zeros((self.flow.dim - self.dim, *x.shape[1:]), x.dtype)
        # Where a bound excludes zero, what stands in the later features must still be inside.
        rest = jax.lax.stop_gradient(transform.forward(jnp.concatenate([x * 0, rest]), given)[0])
        rest = rest[self.dim :]

        def latent(first: Features) -> Features:
            return transform.inverse(jnp.concatenate([first, rest]), given)[0][: self.dim]

        def own_slope(j: int) -> tuple[Array, Array]:
            direction = jnp.zeros_like(x).at[j].set(1.0)
            value, change = jax.jvp(latent, (x,), (direction,))
            return value, change[j]

        values, slopes = zip(*(own_slope(j) for j in range(self.dim)), strict=True)
        return first_of(self.flow.density, self.dim)._log_prob(values[0], None) + sum(
            jnp.log(jnp.abs(slope)) for slope in slopes
        )

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        return self.flow._sample(key, n, context)[: self.dim]


class Conditional(Density):
    r"""The density of a triangular flow's later features given its first k, as the context.

    log p(x_{k+1} … | x_1 … x_k) = log p(x) − log p(x_1 … x_k).

    Parameters
    ----------
    flow : a `Pushforward` of a triangular transform on independent features, without context.
    k : how many features are given, 1 ≤ k < dim; they are the context.

    Cost: that of the flow and of `Marginal`. Source papamakarios2021flows
    """

    marginal: Marginal

    def __init__(self, flow: Pushforward, k: int):
        if flow.context_dim:
            raise OptionError("a flow with a context", "context_dim=0", "condition on both at once")
        self.marginal = Marginal(flow, k)

    @property
    def dim(self) -> int:
        return self.marginal.flow.dim - self.marginal.dim

    @property
    def context_dim(self) -> int:
        return self.marginal.dim

    @property
    def evidence(self) -> Evidence:
        return self.marginal.evidence

    @property
    def support(self) -> str:
        return self.marginal.support

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        given = jnp.asarray(context)
        joint = self.marginal.flow._log_prob(jnp.concatenate([given, x]), None)
        return joint - self.marginal._log_prob(given, None)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        flow, given = self.marginal.flow, jnp.asarray(context)
        z = flow.density._sample(key, n, None)
        row = jnp.concatenate([given, flow.transform.forward(z * 0)[0][self.context_dim :]])
        first = flow.transform.inverse(row)[0][: self.context_dim]
        z = jnp.concatenate([first, z[self.context_dim :]])
        return flow.transform.generate(z)[self.context_dim :]


def check_order(flow: Density, k: int) -> None:
    """Raise unless the first k features of a flow have a density of their own."""
    if not isinstance(flow, Pushforward) or not keeps_order(flow.transform):
        raise OptionError(
            f"a subset of the features of {type(flow).__name__} that mixes them",
            "a flow of triangular layers in one order, such as a recipe with parents=",
            "build the model in that order, or estimate by sampling",
        )
    if not 1 <= k < flow.dim:
        raise OptionError(f"k={k} of {flow.dim} features", f"1 ≤ k ≤ {flow.dim - 1}")
    first_of(flow.density, k)


def keeps_order(transform: Transform) -> bool:
    """Tell whether z_1 … z_k depend on x_1 … x_k alone, for every k."""
    if isinstance(transform, Chain | Concatenate):
        return all(keeps_order(part) for part in transform.parts)
    if isinstance(transform, Scan):
        return all(keeps_order(part) for part in transform.unstack().parts)
    if isinstance(transform, Frozen):
        return keeps_order(transform.buffer.value)
    if isinstance(transform, Invert):
        return keeps_order(transform.transform)
    return isinstance(transform, _TRIANGULAR) or transform.dim is None


def first_of(density: Density, k: int) -> Density:
    """Return the first k features of a density of independent features, or say that it is none."""
    if isinstance(density, StandardNormal):
        return StandardNormal(k)
    if isinstance(density, StudentT):
        return eqx.tree_at(lambda d: d.raw_df, density, density.raw_df[:k])
    if isinstance(density, Uniform):
        ends = (Buffer(density.low.value[:k]), Buffer(density.high.value[:k]))
        return eqx.tree_at(lambda d: (d.low, d.high), density, ends)
    raise OptionError(
        f"a base {type(density).__name__}",
        "independent features: StandardNormal, StudentT, Uniform",
    )
