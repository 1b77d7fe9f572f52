"""What an objective sees: rows, their context, and weights that sum to about one."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float


class Batch(eqx.Module):
    """Hold rows for one step.

    Parameters
    ----------
    x : rows, shape `(n, dim)`; a leading axis of blocks while they are being walked through.
    context : rows of the conditioning value, shape `(n, context_dim)`, or none.
    weights : one number a row, scaled so that a batch's sum is one on average over batches; a
        loss is then the weighted sum over rows. Padding has weight zero.
    """

    x: Float[Array | np.ndarray, "*blocks n dim"]
    context: Float[Array | np.ndarray, "*blocks n c"] | None
    weights: Float[Array | np.ndarray, "*blocks n"]
