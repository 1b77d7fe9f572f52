"""Conditioning on a context: a net of the context moves a transform's parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.parameters import combine, partition
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk
from pushforward.transforms.template import fill


class Condition(Transform):
    r"""Apply a transform whose parameters depend on the context.

    x = f(z; θ + net(c)),   dlogp that of f. The net's heads start at zero, so that a new
    conditional layer is the transform given.

    Parameters
    ----------
    transform : f, with a `dim` and without a context of its own. Its parameters must align with
        batches from the left (planar and radial layers; of a Sylvester layer, the bias). A scalar
        transform becomes conditional as the template of a `Coupling` with n_kept=0.
    context_dim : size of c.
    names : fields of f that the context moves; all that are trainable by default.
    hidden, activation, residual : the net's widths, activation name and skip connections.

    Cost: one network call. Source rezende2015
    """

    transform: Transform
    trunk: Trunk
    weights: tuple[Float[Array, "..."], ...]
    names: tuple[str, ...] = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)

    def __init__(
        self,
        transform: Transform,
        context_dim: int,
        *,
        key: Array,
        names: tuple[str, ...] | None = None,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "relu",
        residual: bool = False,
    ):
        if transform.dim is None or transform.context_dim or context_dim < 1:
            raise OptionError(
                f"{type(transform).__name__} with context_dim={context_dim}",
                "a transform with a dim, without a context of its own, and context_dim ≥ 1",
            )
        self.transform = transform
        self.trunk = Trunk(
            0, hidden, key=key, context_dim=context_dim, activation=activation, residual=residual
        )
        learned = [
            name
            for name in transform.__dataclass_fields__
            if jax.tree.leaves(partition(getattr(transform, name))[0])
        ]
        self.names = tuple(learned) if names is None else names
        if not self.names or set(self.names) - set(learned):
            raise OptionError(f"names {self.names}", f"among {', '.join(learned)}")
        leaves = jax.tree.leaves(partition(self._moved())[0])
        self.weights = tuple(jnp.zeros((*leaf.shape, hidden[-1])) for leaf in leaves)
        self.context_dim = context_dim

    @property
    def dim(self) -> int | None:
        return self.transform.dim

    @property
    def evidence(self) -> Evidence:
        return self.transform.evidence

    @property
    def support(self) -> str:
        return self.transform.support

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._filled(z, context).forward(z, key=key)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._filled(x, context).inverse(x, key=key)

    def _moved(self) -> list:
        return [getattr(self.transform, name) for name in self.names]

    def _filled(self, event: Features, context: Context) -> Transform:
        params, rest = partition(self._moved())
        hidden = self.trunk(event[:0], context)
        filled = fill(combine(params, rest), self.weights, hidden)
        return eqx.tree_at(
            lambda t: [getattr(t, name) for name in self.names],
            self.transform,
            filled,
            is_leaf=lambda node: node is None,
        )
