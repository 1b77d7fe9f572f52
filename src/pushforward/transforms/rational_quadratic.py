"""One bin of a monotone rational-quadratic spline: value, inverse and slope.

In a bin of width w and height h, with s = h/w, edge slopes d₀, d₁ and t ∈ [0, 1]:

y(t) = h (s t² + d₀ t(1−t)) / (s + (d₀ + d₁ − 2s) t(1−t)),
dy/dx = s² (d₁ t² + 2 s t(1−t) + d₀ (1−t)²) / (s + (d₀ + d₁ − 2s) t(1−t))².

`rise` and `slope` take numpy arrays as well as jax arrays.

Source gregory1982, durkan2019nsf
"""

from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

Arrays = TypeVar("Arrays", Array, np.ndarray)


def rise(t: Arrays, height: Arrays, s: Arrays, d0: Arrays, d1: Arrays) -> Arrays:
    """Return y(t), the height above the bin's lower edge."""
    tt = t * (1 - t)
    return height * (s * t * t + d0 * tt) / (s + (d0 + d1 - 2 * s) * tt)


def solve(dy: Array, height: Array, s: Array, d0: Array, d1: Array) -> Array:
    """Return the t with y(t) = dy, for 0 ≤ dy ≤ height.

    t solves a t² + b t + c = 0 with c = −s dy ≤ 0, b = h d₀ − dy (d₀ + d₁ − 2s), a = h s − b.
    Of the two forms of the root the one is taken whose sums do not cancel: b > 0 gives
    −2c / (b + √·); b ≤ 0 implies a ≥ h s > 0 and gives (√· − b) / 2a. The discriminant is never
    negative, so the floor only removes rounding (and keeps the square root's gradient finite).
    """
    b = height * d0 - dy * (d0 + d1 - 2 * s)
    a = height * s - b
    c = -s * dy
    root = jnp.sqrt(jnp.maximum(b * b - 4 * a * c, float(jnp.finfo(dy.dtype).tiny)))
    rising = b > 0
    over = jnp.where(rising, -2 * c, root - b)
    return jnp.clip(over / jnp.where(rising, b + root, 2 * a), 0, 1)


def slope(t: Arrays, s: Arrays, d0: Arrays, d1: Arrays) -> Arrays:
    """Return dy/dx at t.

    The numerator is at least min(d₀, d₁, s)/2 and the denominator at least s/2, both positive,
    so its logarithm is finite.
    """
    o = 1 - t
    tt = t * o
    numerator = d1 * t * t + 2 * s * tt + d0 * o * o
    return numerator * (s / (s + (d0 + d1 - 2 * s) * tt)) ** 2
