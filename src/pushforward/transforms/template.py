"""Templates: any scalar transform, with parameters that a net provides per feature and row.

The template's trainable leaves get a feature axis and serve as the heads' biases; one linear
head a leaf adds what the net says. Heads start at zero, so a new layer is its template.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.parameters import combine, partition
from pushforward.core.types import Features
from pushforward.nets.mlp import product
from pushforward.transforms.compose import needs_positives

SPACES = ("real", "circle", "closed_interval")
"""Supports of scalar transforms that map a space onto itself, as a template must."""


class Heads(eqx.Module):
    """Turn hidden units into the parameters of a scalar template, for `dim` features.

    θ_leaf = template leaf (per feature) + W_leaf h.

    Parameters
    ----------
    template : scalar transform whose leaves have their own axes only.
    dim : number of features it is to transform.
    width : number of hidden units.
    """

    template: Transform
    weights: tuple[Float[Array, "..."], ...]

    def __init__(self, template: Transform, dim: int, width: int):
        onto = template.support in SPACES and not needs_positives(template)
        if template.dim is not None or not onto:
            raise OptionError(
                f"template {type(template).__name__}",
                "a scalar bijection of the real line, the circle or an interval onto itself",
            )
        params, rest = partition(template)
        per_feature = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[..., None], (*leaf.shape, dim)), params
        )
        self.template = combine(per_feature, rest)
        self.weights = tuple(
            jnp.zeros((*leaf.shape, width)) for leaf in jax.tree.leaves(per_feature)
        )

    @property
    def dim(self) -> int:
        return self.weights[0].shape[-2]

    def __call__(self, hidden: Features, mask: np.ndarray | None = None) -> Transform:
        """Return the template with the parameters that `hidden` (width, *n) gives.

        `mask` (dim, width) silences connections.
        """
        return fill(self.template, self.weights, hidden, mask)


def fill(
    template: PyTree,
    weights: tuple[Array, ...],
    hidden: Features,
    mask: np.ndarray | None = None,
) -> PyTree:
    """Add W h to each trainable leaf of a template that has a feature axis."""
    params, rest = partition(template)
    leaves, structure = jax.tree.flatten(params)
    filled = [
        align(leaf, leaf.ndim + hidden.ndim - 1) + product(weight, hidden, mask)
        for leaf, weight in zip(leaves, weights, strict=True)
    ]
    return combine(jax.tree.unflatten(structure, filled), rest)
