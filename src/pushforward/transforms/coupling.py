"""Coupling layers: keep some features, transform the others by parameters computed from them."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk
from pushforward.transforms.absent import without_absent
from pushforward.transforms.conditioned import moved
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
    partial : whether features may be absent (`transforms.absent`).

    Cost: one network call in either direction. Source dinh2017realnvp
    """

    trunk: Trunk
    heads: Heads
    n_kept: int = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    partial: bool = eqx.field(static=True)
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
        partial: bool = False,
    ):
        n_kept = dim // 2 if n_kept is None else n_kept
        if not (0 <= n_kept < dim):
            raise OptionError(f"n_kept={n_kept} of dim={dim}", "0 ≤ n_kept < dim")
        self.periodic = template.support == "circle" if periodic is None else periodic
        self.trunk = Trunk(
            2 * n_kept if self.periodic else n_kept,
            hidden,
            key=key,
            context_dim=context_dim,
            activation=activation,
            residual=residual,
        )
        self.heads = Heads(template, dim - n_kept, hidden[-1])
        self.n_kept, self.dim, self.context_dim = n_kept, dim, context_dim
        self.partial = partial

    @property
    def evidence(self) -> Evidence:
        return self.heads.template.evidence

    @property
    def support(self) -> str:
        return self.heads.template.support

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._moved(z, context, "forward")

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._moved(x, context, "inverse")

    def _moved(self, event: Features, context: Context, direction: str) -> tuple[Features, DLogp]:
        absent, safe = without_absent(event) if self.partial else (None, event)
        kept, rest = safe[: self.n_kept], safe[self.n_kept :]
        seen = encoded(kept, self.periodic)
        gone = None if absent is None else absent[self.n_kept :]
        after, dlogp = moved(self.trunk, self.heads, seen, rest, context, direction, gone)
        after = jnp.concatenate([event[: self.n_kept], after])
        if self.periodic:
            dlogp = jnp.where(off_circle(kept).any(0), -jnp.inf, dlogp)
        return after, dlogp
