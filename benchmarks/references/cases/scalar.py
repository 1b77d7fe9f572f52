"""Maps of each feature on its own: raw parameters (bins, dim) here, knots (dim, bins + 1) there."""

import numpy as np

from benchmarks.references.cases.draw import (
    BINS,
    DIM,
    UNIT,
    N,
    both,
    bounded,
    given,
    inside,
    points,
    positive,
    reached,
    registry,
    softmax,
)
from pushforward import transforms as t

CASES, case = registry()


def knots(raw, bound, least=1e-3):
    sizes = 2 * bound * (least + (1 - len(raw) * least) * softmax(raw))
    places = np.cumsum(np.concatenate([np.full((1, raw.shape[1]), -bound), sizes]), 0)
    places[-1] = bound
    return places.T


def spline(rng, transform, n_slopes, bound, close):
    """Draw a rational-quadratic spline; `close` makes the slopes of all knots of those drawn."""
    raw = {name: 1.5 * rng.normal(size=(BINS, DIM)) for name in ("widths", "heights")}
    raw["slopes"] = 1.5 * rng.normal(size=(n_slopes, DIM))
    p = {f"raw_{name}": value.T for name, value in raw.items()}
    p["raw_slopes"] = p["raw_slopes"] + UNIT
    p |= {"bound": bound, "x_knots": knots(raw["widths"], bound)}
    p |= {"z_knots": knots(raw["heights"], bound), "slopes": close(positive(raw["slopes"])).T}
    return given(transform, **raw), p


@case
def rational_quadratic_spline(rng):
    def close(s):
        return np.pad(s, ((1, 1), (0, 0)), constant_values=1.0)

    ours, p = spline(rng, t.RationalQuadraticSpline(BINS, 3.0), BINS - 1, 3.0, close)
    return ours, p | both(rng)


@case
def interval_spline(rng):
    ours, p = spline(rng, t.IntervalSpline(BINS, 2.0), BINS + 1, 2.0, lambda s: s)
    return ours, p | inside(rng, 2.0)


@case
def circular_spline(rng):
    ours, p = spline(rng, t.CircularSpline(BINS), BINS, np.pi, lambda s: np.concatenate([s, s[:1]]))
    return ours, p | inside(rng, np.pi)


@case
def turned_circular_spline(rng):
    ours, p = circular_spline(rng)
    phase = rng.uniform(-np.pi, np.pi, DIM)
    return given(ours, phase=phase), p | {"phase": phase}


@case
def marginal_spline(rng):
    x, z = (np.cumsum(rng.uniform(0.2, 2, (DIM, 9)), 1) - 5 for _ in range(2))
    slopes = rng.uniform(0.1, 4, (DIM, 9))
    ours = t.MarginalSpline(list(zip(x, z, slopes, strict=True)))
    return ours, {"x_knots": x, "z_knots": z, "slopes": slopes} | both(rng)


@case
def linear_spline(rng):
    heights = 1.5 * rng.normal(size=(BINS, DIM))
    shares = 1e-3 + (1 - BINS * 1e-3) * softmax(heights)
    ours = given(t.LinearSpline(BINS, 3.0), heights=heights)
    return ours, {"shares": shares.T, "bound": 3.0} | both(rng)


@case
def cubic_spline(rng):
    """Slopes at inner knots as Steffen gives them; the ends' are drawn."""
    widths, heights = rng.normal(size=(2, BINS, DIM))
    least = 0.25 / BINS
    w, h = (least + (1 - BINS * least) * softmax(raw) for raw in (widths, heights))
    s = h / w
    lesser = np.minimum(s[:-1], s[1:])
    mean = (w[1:] * s[:-1] + w[:-1] * s[1:]) / (w[:-1] + w[1:])
    ends = rng.uniform(0.2, 2.8, (2, DIM))
    shares = np.concatenate([ends[:1], np.minimum(2 * lesser, mean) / lesser, ends[1:]])
    unit = (shares - 0.1) / 2.8
    slopes = np.log(unit / (1 - unit)) - np.log(0.9 / 1.9)
    ours = given(t.CubicSpline(BINS, 3.0), widths=widths, heights=heights, slopes=slopes)
    return ours, {"widths": w.T, "heights": h.T, "ends": ends, "bound": 3.0} | inside(rng, 3.0)


# Other scalar maps.


@case
def bernstein(rng):
    raw, loc = 1.5 * rng.normal(size=(9, DIM)), rng.normal(size=DIM)
    steps = np.exp(bounded(raw)) * 6 / 9
    heights = np.concatenate([np.zeros((1, DIM)), np.cumsum(steps, 0)])
    heights = heights - heights[-1] / 2 + loc
    ours = given(t.Bernstein(9, 3.0), raw_log_rates=raw, loc=loc)
    return ours, {"coefficients": heights.T, "bound": 3.0} | both(rng)


@case
def sum_of_squares(rng):
    raw, loc, level = rng.normal(size=(3, 4, DIM)), rng.normal(size=DIM), -1.0
    ours = given(t.SumOfSquares(3, 3, 3.0), coefficients=raw, loc=loc, raw_log_slope=level)
    squared = np.moveaxis(bounded(raw, 2.0), -1, 0)
    p = {"coefficients": squared, "least": np.exp(bounded(level)), "loc": loc, "bound": 3.0}
    return ours, p | reached(ours, rng, 3.0)


@case
def unconstrained_monotonic(rng):
    raw, shifts, weights = 0.5 * rng.normal(size=(3, 5, DIM))
    level, loc = 0.5 * rng.normal(size=(2, DIM))
    leaves = {"raw_rates": raw, "shifts": shifts, "weights": weights}
    ours = given(t.UnconstrainedMonotonic(5, 3.0), **leaves, raw_level=level, loc=loc)
    p = {"rates": bounded(raw, 10 / 3), "shifts": shifts, "level": bounded(level), "loc": loc}
    p |= {"weights": weights * 3 / (3 + np.abs(weights).sum(0)), "bound": 3.0}
    return ours, p | reached(ours, rng, 3.0)


@case
def affine(rng):
    loc, raw = rng.normal(size=(2, DIM))
    return given(t.Affine(), loc=loc, raw_scale=raw), {"loc": loc, "scale": positive(raw)} | both(
        rng
    )


@case
def bounded_affine(rng):
    loc, raw = 3 * rng.normal(size=(2, DIM))
    p = {"loc": loc, "scale": np.exp(bounded(raw))} | both(rng)
    return given(t.BoundedAffine(), loc=loc, raw_log_scale=raw), p


@case
def signed_affine(rng):
    loc, scale = rng.normal(size=(2, DIM))
    return t.SignedAffine(loc, scale), {"loc": loc, "scale": scale} | both(rng)


@case
def shift(rng):
    loc = rng.normal(size=DIM)
    return given(t.Shift(), loc=loc), {"loc": loc} | both(rng)


@case
def exp(rng):
    return t.Exp(), {"x": rng.gamma(1.0, size=(N, DIM)), "z": points(rng)}


@case
def log(rng):
    return t.Log(), {"x": rng.normal(size=(N, DIM)), "z": rng.gamma(1.0, size=(N, DIM))}


@case
def softplus(rng):
    return t.Softplus(), {"x": rng.gamma(1.0, size=(N, DIM)), "z": points(rng)}


@case
def sigmoid(rng):
    return t.Sigmoid(), {"x": rng.uniform(0.001, 0.999, (N, DIM)), "z": points(rng)}


@case
def tanh(rng):
    return t.Tanh(), {"x": rng.uniform(-0.999, 0.999, (N, DIM)), "z": rng.normal(size=(N, DIM))}


@case
def sinh(rng):
    return t.Sinh(), {"x": points(rng), "z": rng.normal(size=(N, DIM))}


@case
def power(rng):
    x, z = rng.gamma(1.0, size=(2, N, DIM))
    return t.Power(2.5), {"exponent": 2.5, "x": x, "z": z}


@case
def leaky_relu(rng):
    return t.LeakyRelu(0.3), {"slope": 0.3} | both(rng)


@case
def between(rng):
    low = rng.normal(size=DIM)
    high = low + rng.uniform(0.5, 2, DIM)
    x = low + (high - low) * rng.uniform(0.001, 0.999, (N, DIM))
    return t.between(low, high), {"low": low, "high": high, "x": x, "z": points(rng)}


@case
def stick_breaking(rng):
    x = rng.dirichlet(np.ones(DIM + 1), N)[:, :-1]
    return t.StickBreaking(DIM), {"x": x, "z": rng.normal(size=(N, DIM))}
