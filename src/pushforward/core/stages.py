"""Steps that a compiler must not join.

XLA joins elementwise steps into one loop, and computes anew in it what several results share: a
spline's bins cost it twice to thrice the time and the compilation.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

Stage = Callable[..., Any]
"""Call of a function of arrays: `stage(function, *arrays)`."""


def together(function: Callable, *arrays: Array) -> Any:
    """Call a function like any other."""
    return function(*arrays)


def apart(value: Array) -> Stage:
    """Return what calls functions as programs of their own, for a CPU.

    Each call is the taken side of a branch. What it hangs on is true of any number, which the
    compiler does not see: `value` has no part in the result.
    """
    if not value.size:
        return together
    bits = jax.lax.bitcast_convert_type(value.ravel()[0].astype(jnp.float32), jnp.int32)
    always = (bits | 1) != 0

    def stage(function: Callable, *arrays: Array) -> Any:
        out = jax.eval_shape(function, *arrays)
        nothing = lambda *_: jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), out)  # noqa: E731
        return jax.lax.cond(always, function, nothing, *arrays)

    return stage
