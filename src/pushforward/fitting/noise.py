"""Noise that acts while learning only: dropped hidden units, and values spread over their cells."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from pushforward.core.parameters import Buffer
from pushforward.densities.resampled import Resampled
from pushforward.fitting.batch import Batch
from pushforward.nets.mlp import Trunk

_LEVELS = 256
"""Gates are drawn from random bytes, four times cheaper than floats: rates are k/256."""


class TrainingNoise(eqx.Module):
    """Perturb a model and a batch before a learning step.

    Parameters
    ----------
    dropout : share of hidden units that are silenced, for each row and layer anew.
    cells : width per column over which a recorded value is spread uniformly (dequantization), or
        none. Fresh noise each time a row is seen.
    low, high : values per column beyond which rounding must not push a spread value.

    Source srivastava2014dropout, theis2016note
    """

    dropout: float = eqx.field(static=True, default=0.0)
    cells: Float[Array, " dim"] | None = None
    low: Float[Array, " dim"] | None = None
    high: Float[Array, " dim"] | None = None

    def __call__(self, model: PyTree, batch: Batch, key: Array) -> tuple[PyTree, Batch]:
        gate_key, cell_key = jax.random.split(key)
        if self.dropout:
            model = thin(model, self.dropout, batch.x.shape[0], gate_key)
        if self.cells is not None:
            spread = jax.random.uniform(cell_key, batch.x.shape, batch.x.dtype, -0.5, 0.5)
            x = jnp.clip(batch.x + self.cells * spread, self.low, self.high)
            batch = Batch(x, batch.context, batch.weights)
        return model, batch


def thin(model: PyTree, rate: float, n: int, key: Array) -> PyTree:
    """Silence a share of every trunk's hidden units, for each of `n` rows anew.

    The remaining units are scaled up by 1/(1 − rate), so that sums keep their mean. The net of a
    resampled base stays whole: its mean over all space has to be that of what rows see.
    """
    silent = round(rate * _LEVELS)
    scale = _LEVELS / (_LEVELS - silent)
    nodes = jax.tree.leaves(model, is_leaf=_is_unit)
    keys = iter(jax.random.split(key, sum(map(_is_trunk, nodes))))

    def gates(trunk: Trunk, trunk_key: Array) -> Trunk:
        drawn = []
        for layer_key, bias in zip(
            jax.random.split(trunk_key, len(trunk.biases)), trunk.biases, strict=True
        ):
            byte = jax.random.bits(layer_key, (*bias.shape, n), jnp.uint8)
            drawn.append(Buffer(jnp.where(byte >= silent, jnp.asarray(scale, bias.dtype), 0.0)))
        return eqx.tree_at(lambda t: t.gates, trunk, tuple(drawn), is_leaf=lambda v: v is None)

    return jax.tree.map(
        lambda node: gates(node, next(keys)) if _is_trunk(node) else node, model, is_leaf=_is_unit
    )


def _is_trunk(node: object) -> bool:
    return isinstance(node, Trunk)


def _is_unit(node: object) -> bool:
    return isinstance(node, Trunk | Resampled)
