"""Coupling layers: keep some features, transform the others by parameters computed from them."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk
from pushforward.transforms.periodic import encoded, off_circle
from pushforward.transforms.template import Heads


class Coupling(Transform):
    r"""Leave x_a, transform x_b by a template whose parameters depend on x_a and the context.

    x_a = z_a,   x_b = T(z_b; θ₀ + net(x_a, c)),   dlogp = Σ_j log |∂z_bj / ∂x_bj|

    The first `n_kept` features are kept; put a `Permute` before it to choose others.

    Parameters
    ----------
    dim, context_dim : event and context size.
    template : scalar transform T with parameters θ₀.
    hidden, activation, residual : the net's widths, activation name and skip connections.
    n_kept : how many features are kept; half of them by default.
    periodic : whether the kept features are angles, which reach the net as cosine and sine; by
        default where the template's space is the circle.

    Cost: one network call in either direction. Source dinh2017realnvp
    """

    trunk: Trunk
    heads: Heads
    n_kept: int = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        template: Transform,
        *,
        key: Array,
        context_dim: int = 0,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "relu",
        residual: bool = False,
        n_kept: int | None = None,
        periodic: bool | None = None,
    ):
        n_kept = dim // 2 if n_kept is None else n_kept
        if not (0 <= n_kept < dim):
            raise OptionError(f"n_kept={n_kept} of dim={dim}", "0 ≤ n_kept < dim")
        self.periodic = template.support == "circle" if periodic is None else periodic
        self.trunk = Trunk(
            n_kept,
            hidden,
            key=key,
            context_dim=context_dim,
            activation=activation,
            residual=residual,
            copies=2 if self.periodic else 1,
        )
        self.heads = Heads(template, dim - n_kept, hidden[-1])
        self.n_kept, self.dim, self.context_dim = n_kept, dim, context_dim

    @property
    def evidence(self) -> Evidence:
        return self.heads.template.evidence

    @property
    def support(self) -> str:
        return self.heads.template.support

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        kept, rest = z[: self.n_kept], z[self.n_kept :]
        moved, dlogp = self.heads(self.trunk(encoded(kept, self.periodic), context)).forward(rest)
        if self.periodic:
            dlogp = jnp.where(off_circle(kept).any(0), -jnp.inf, dlogp)
        return jnp.concatenate([kept, moved]), dlogp

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        kept, rest = x[: self.n_kept], x[self.n_kept :]
        moved, dlogp = self.heads(self.trunk(encoded(kept, self.periodic), context)).inverse(rest)
        if self.periodic:
            dlogp = jnp.where(off_circle(kept).any(0), -jnp.inf, dlogp)
        return jnp.concatenate([kept, moved]), dlogp
