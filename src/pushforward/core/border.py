"""The border between rows (public methods) and features-first arrays (all code inside).

Inside, the event is axis 0 and whatever axes trail are batch. A parameter's own axes lead; the
axes after them align with the event from the left, so one line of code serves `(dim,)`,
`(dim, n)` and parameters that are shared, per feature, or per feature and row.
"""

import math
from numbers import Integral

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from pushforward.core.errors import ShapeError


def align(parameter: Array, ndim: int) -> Array:
    """Append axes of length one until `parameter` has `ndim` axes: it then aligns from the left."""
    return parameter.reshape(parameter.shape + (1,) * (ndim - parameter.ndim))


def rows_in(
    x: ArrayLike, dim: int, context: ArrayLike | None, context_dim: int
) -> tuple[Array, Array | None, tuple[int, ...]]:
    """Turn rows `(..., dim)` and their context into `(dim, n)` and `(context_dim, n)`.

    Leading axes of the two broadcast. Returns the turned arrays and the leading axes, which
    `rows_out` puts back.
    """
    x = jnp.asarray(x)
    if x.ndim == 0 or x.shape[-1] != dim:
        raise ShapeError(
            f"an array of shape {x.shape}",
            f"rows of {dim} values: shape (..., {dim})",
            "check the last axis; a single column needs shape (n, 1)",
        )
    if jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == jnp.bool_:
        x = x.astype(jnp.result_type(float))
    context = check_context(context, context_dim)
    batch = x.shape[:-1]
    if context is not None:
        try:
            batch = jnp.broadcast_shapes(batch, context.shape[:-1])
        except ValueError:
            raise ShapeError(
                f"x of shape {x.shape} with context of shape {context.shape}",
                "leading axes that broadcast",
                "give one context row per row of x, or a single one for all",
            ) from None
        context = _turn(context, batch)
    return _turn(x, batch), context, batch


def check_context(context: ArrayLike | None, context_dim: int) -> Array | None:
    """Return the context as a floating array, or raise if the model wants another size of it."""
    if (context is None) != (context_dim == 0):
        raise ShapeError(
            "no context" if context is None else "a context",
            f"a context of {context_dim} values" if context_dim else "a model without context",
            "pass context= exactly when the model was built with context_dim > 0",
        )
    if context is None:
        return None
    context = jnp.asarray(context)
    if context.ndim == 0 or context.shape[-1] != context_dim:
        raise ShapeError(f"context of shape {context.shape}", f"shape (..., {context_dim})")
    return context.astype(jnp.result_type(context.dtype, jnp.result_type(float)))


def context_in(
    context: ArrayLike | None, context_dim: int, n: int | None
) -> tuple[Array | None, tuple[int, ...]]:
    """Turn a context for `n` samples into `(context_dim, n * m)`; also return the leading axes."""
    if n is not None and (not isinstance(n, Integral) or n < 0):
        raise ShapeError(f"n = {n!r} samples", "a whole number, not negative")
    context = check_context(context, context_dim)
    lead = () if n is None else (n,)
    if context is None:
        return None, lead
    batch = lead + context.shape[:-1]
    return _turn(context, batch), batch


def rows_out(values: Array, batch: tuple[int, ...]) -> Array:
    """Turn `(dim, n)` back into rows `(*batch, dim)`."""
    return values.T.reshape(*batch, values.shape[0])


def _turn(rows: Array, batch: tuple[int, ...]) -> Array:
    full = jnp.broadcast_to(rows, (*batch, rows.shape[-1]))
    if full.shape != rows.shape:
        # XLA's CPU compiler (jaxlib 0.10) reads beyond its arrays where a matrix product with a
        # repeated column is fused with a reduction: wrong numbers, or a crash.
        full = jax.lax.optimization_barrier(full)
    return full.reshape(math.prod(batch), rows.shape[-1]).T
