"""Mixtures: a weighted sum of densities of one structure."""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from pushforward.core.bases import Density
from pushforward.core.border import align, rows_in, rows_out
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, require_likelihood
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.densities.numpyro import NumPyroDensity
from pushforward.nets.mlp import Trunk


class Mixture(Density):
    r"""Sum K densities, each with a weight; with a gate the weights depend on the context.

    log p(x | c) = log Σ_k w_k(c) p_k(x | c),   w(c) = softmax(logits + W gate(c)).

    Parameters
    ----------
    components : densities of one structure (same classes, sizes and static fields), such as
        Gaussians or flows. They start from different parameters, or stay equal for ever.
    logits : shape `(K,)`; equal weights by default.
    gate : trunk without features, of the components' context_dim; its head starts at zero.

    A component is picked at random for each sample, so samples have no gradient with respect to
    the weights: variational learning refuses a mixture.

    Cost: K times that of a component, for samples too. Source pearson1894, bishop1994mixture
    """

    components: tuple[Density, ...]
    logits: Float[Array, " components"]
    gate: Trunk | None
    head: Float[Array, "components width"] | None

    def __init__(
        self,
        components: Iterable[Density],
        logits: object = None,
        *,
        gate: Trunk | None = None,
    ):
        components = tuple(components)
        if len({jax.tree.structure(component) for component in components}) != 1:
            raise OptionError("components of different structure, or none", "equal structures")
        self.components = components
        count = len(components)
        logits = jnp.zeros(count) if logits is None else jnp.asarray(logits)
        self.logits = logits.astype(jnp.result_type(float))
        self.gate = gate
        self.head = None if gate is None else jnp.zeros((count, gate.hidden[-1]))

    def __check_init__(self) -> None:
        nodes = jax.tree.leaves(self.components, is_leaf=_is_numpyro)
        if any(map(_is_numpyro, nodes)):
            raise OptionError(
                "a mixture of NumPyro distributions",
                "components made of our own densities",
                "put numpyro.distributions.MixtureSameFamily into one NumPyroDensity",
            )
        if self.logits.shape != (len(self.components),):
            raise ShapeError(f"logits of shape {self.logits.shape}", "one per component: (K,)")
        if self.gate is not None:
            weights = self.gate.from_context
            sizes = (self.gate.first.shape[1], 0 if weights is None else weights.shape[1])
            if sizes != (0, self.components[0].context_dim):
                raise ShapeError(
                    f"a gate of {sizes[0]} features and a context of {sizes[1]}",
                    f"no features and the components' context of {self.components[0].context_dim}",
                )

    @property
    def dim(self) -> int:
        return self.components[0].dim

    @property
    def context_dim(self) -> int:
        return self.components[0].context_dim

    @property
    def evidence(self) -> Evidence:
        return self.components[0].evidence

    @property
    def support(self) -> str:
        return self.components[0].support

    def responsibilities(
        self, x: ArrayLike, context: ArrayLike | None = None
    ) -> Float[Array, "*out components"]:
        """Return p(k | x, context), the share of each component in a row's density.

        A row that no component can give has NaN.
        """
        require_likelihood(self.evidence)
        turned, turned_context, batch = rows_in(x, self.dim, context, self.context_dim)
        return rows_out(jax.nn.softmax(self._joint(turned, turned_context), axis=0), batch)

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        joint = self._joint(x, context)
        # Where no component reaches, the sum's slope would be 0/0.
        impossible = (joint == -jnp.inf).all(0)
        total = jax.nn.logsumexp(jnp.where(impossible, 0.0, joint), axis=0)
        return jnp.where(impossible, -jnp.inf, total)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        pick_key, key = jax.random.split(key)
        log_weights = jnp.broadcast_to(self._log_weights(context, 2), (*self.logits.shape, n))
        picked = jax.random.categorical(pick_key, log_weights, axis=0)
        keys = jax.random.split(key, self.logits.size)

        def step(x: Features, inputs: tuple) -> tuple[Features, None]:
            k, component, component_key = inputs
            return jnp.where(picked == k, component._sample(component_key, n, context), x), None

        shape = jax.eval_shape(lambda: self.components[0]._sample(key, n, context))
        inputs = (jnp.arange(self.logits.size), self._stacked(), keys)
        return jax.lax.scan(step, jnp.zeros(shape.shape, shape.dtype), inputs)[0]

    def _joint(self, x: Features, context: Context) -> Float[Array, "components ..."]:
        """Return log w_k + log p_k(x), one row a component."""
        each = jax.vmap(
            lambda component: component._log_prob(x, context), axis_size=self.logits.size
        )(self._stacked())
        return self._log_weights(context, each.ndim) + each

    def _stacked(self) -> Density:
        """Return the components as one, its arrays stacked: a scan or a vmap compiles once."""
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *self.components)

    def _log_weights(self, context: Context, ndim: int) -> Float[Array, "components ..."]:
        logits = align(self.logits, ndim)
        if self.gate is not None and self.head is not None and context is not None:
            units = self.gate(context[:0], context)
            logits = logits + align(jnp.tensordot(self.head, units, 1), ndim)
        return jax.nn.log_softmax(logits, axis=0)


def _is_numpyro(node: object) -> bool:
    return isinstance(node, NumPyroDensity)
