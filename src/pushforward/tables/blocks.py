"""Many rows through compiled functions: in padded blocks of one shape, several at a time."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.programs import Program, prepared

BLOCK = 512
"""Rows per compiled call: shapes never change, memory is bounded, a row's score is its own."""

PART = 4 * BLOCK
"""Rows that a thread prepares and scores at a time: few enough to stay in its cache."""

_THREADS = 1 + (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)
"""Parts at a time: one leaves cores idle between its matrix products."""


def in_blocks(
    function: Callable[..., Array],
    model: object,
    rows: np.ndarray,
    context: np.ndarray | None = None,
) -> np.ndarray:
    """Apply `function(model, rows, context)`, compiled, to padded blocks of rows; float64 out.

    A context of no columns is none.
    """
    call = prepared(function, model)
    context = np.empty((len(rows), 0)) if context is None else context
    return in_parts(lambda part: block_by_block(call, rows[part], context[part]), len(rows), BLOCK)


def in_parts(call: Callable[[slice], np.ndarray], n: int, size: int = PART) -> np.ndarray:
    """Apply a function to slices of n rows, in threads, and join what it returns."""
    first, *others = (slice(start, start + size) for start in range(0, max(n, 1), size))
    out = [call(first)]  # compiles, once
    if others:
        x64 = jnp.result_type(float) == jnp.float64  # a setting of each thread

        def elsewhere(part: slice) -> np.ndarray:
            with jax.enable_x64(x64):
                return call(part)

        with ThreadPoolExecutor(_THREADS) as pool:
            out.extend(pool.map(elsewhere, others))
    return np.concatenate(out)


def block_by_block(call: Program, rows: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Apply a compiled function to rows, one padded block after the other.

    A context of no columns is none.
    """
    dtype, n = jnp.result_type(float), len(rows)
    arrays = [rows, context] if context.shape[1] else [rows]
    out = []
    for first in range(0, max(n, 1), BLOCK):
        padded = [np.zeros((BLOCK, array.shape[1]), dtype) for array in arrays]
        for array, whole in zip(arrays, padded, strict=True):
            whole[: len(array) - first] = array[first : first + BLOCK]
        result = call(*(jnp.asarray(whole) for whole in padded))
        out.append(np.asarray(result, np.float64)[: n - first])
    return np.concatenate(out)
