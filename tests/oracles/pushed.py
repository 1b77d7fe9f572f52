"""Known maps of real rows onto other spaces: each gives x(w) and log |dx/dw|, in plain numpy."""

import numpy as np
from scipy.special import expit


def real(w):
    return w, np.zeros(len(w))


def nonnegative(w):
    """x = log(1 + exp w)."""
    return np.logaddexp(0, w), np.log(expit(w)).sum(1)


def circle(w):
    """Angles in (−π, π): x = π tanh(w/3)."""
    return np.pi * np.tanh(w / 3), (np.log(np.pi / 3) - 2 * np.log(np.cosh(w / 3))).sum(1)


def bounded(w):
    """A height in (−1, 1) and an angle in (−π, π)."""
    angle, log_angle = circle(w[:, 1:])
    x = np.concatenate([np.tanh(w[:, :1] / 3), angle], 1)
    return x, log_angle - np.log(3) - 2 * np.log(np.cosh(w[:, 0] / 3))


def simplex(w):
    """Shares of a stick, broken one after the other: x_j = b_j ∏_{i<j} (1 − b_i), b = σ(w/3 − 2).

    Small pieces, so that float32 can tell what they leave, and boxes fit between the edges.
    """
    broken = expit(w / 3 - 2)
    log_left = np.cumsum(np.log1p(-broken), 1) - np.log1p(-broken)
    x = broken * np.exp(log_left)
    return x, (np.log(broken) + np.log1p(-broken) + log_left - np.log(3)).sum(1)


ONTO = {
    "real": real,
    "nonnegative": nonnegative,
    "circle": circle,
    "bounded": bounded,
    "simplex": simplex,
}
