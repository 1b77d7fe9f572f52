"""Parameters and buffers: the one way to split what is learned from what is not."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree


class Buffer(eqx.Module):
    """Hold an array that belongs to the model and that training skips.

    Rotations, scalers, column tables and permutations are buffers. Read the array as `.value`.
    """

    value: Any


def partition(model: PyTree) -> tuple[PyTree, PyTree]:
    """Split a model into `(params, rest)`: free floating-point leaves, and everything else.

    Arrays inside a `Buffer` belong to the rest. `combine(params, rest)` gives the model back.
    """
    spec = jax.tree.map(_trainable, model, is_leaf=_is_buffer)
    return eqx.partition(model, spec)


def combine(params: PyTree, rest: PyTree) -> PyTree:
    """Join what `partition` split."""
    return eqx.combine(params, rest)


def count_parameters(model: PyTree) -> int:
    """Count the trainable numbers of a model."""
    return sum(leaf.size for leaf in jax.tree.leaves(partition(model)[0]))


def _is_buffer(node: Any) -> bool:
    return isinstance(node, Buffer)


def _trainable(node: Any) -> Any:
    if isinstance(node, Buffer):
        return jax.tree.map(lambda _: False, node)
    return eqx.is_inexact_array(node) and node.size > 0
