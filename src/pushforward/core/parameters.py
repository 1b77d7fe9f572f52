"""Parameters and buffers: the one way to split what is learned from what is not."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree


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


@dataclasses.dataclass(frozen=True)
class Layout:
    """Say how parameters lie in one vector: what treats all of them alike is one step with it."""

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Any, ...]

    def vector(self, params: PyTree) -> Float[Array, " n"]:
        leaves = jax.tree.leaves(params)
        return jnp.concatenate([leaf.ravel() for leaf in leaves]) if leaves else jnp.zeros(0)

    def tree(self, vector: Float[Array | np.ndarray, " n"]) -> PyTree:
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = [
            vector[end - math.prod(shape) : end].reshape(shape).astype(dtype)
            for end, shape, dtype in zip(ends, self.shapes, self.dtypes, strict=True)
        ]
        return jax.tree.unflatten(self.structure, parts)


def layout_of(params: PyTree) -> Layout:
    """Return the layout of parameters that `partition` split off."""
    leaves, structure = jax.tree.flatten(params)
    return Layout(
        structure, tuple(leaf.shape for leaf in leaves), tuple(leaf.dtype for leaf in leaves)
    )


def _is_buffer(node: Any) -> bool:
    return isinstance(node, Buffer)


def _trainable(node: Any) -> Any:
    if isinstance(node, Buffer):
        return jax.tree.map(lambda _: False, node)
    return eqx.is_inexact_array(node) and node.size > 0
