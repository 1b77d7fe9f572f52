"""Increasing templates beside their definitions: numpy's and scipy's own splines and integrals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import interpolate, stats
from scipy.special import logit, softmax

import laws
import pushforward as pf
from pushforward.core import combine, partition
from pushforward.core.errors import OptionError
from pushforward.transforms import (
    Bernstein,
    BlockAutoregressive,
    CubicSpline,
    DeepDenseSigmoidal,
    DeepSigmoidal,
    LinearRationalSpline,
    LinearSpline,
    MixtureCDF,
    Shift,
    SumOfSquares,
    UnconstrainedMonotonic,
)
from pushforward.transforms.bins import MIN_BIN
from pushforward.transforms.cubic import LEAST, MAX_SHARE, _slope
from pushforward.transforms.sigmoidal import LEAK

TEMPLATES = {
    "shift": Shift,
    "linear": LinearSpline,
    "linear_rational": LinearRationalSpline,
    "cubic": CubicSpline,
    "mixture": MixtureCDF,
    "deep": DeepSigmoidal,
    "dense": DeepDenseSigmoidal,
    "bernstein": Bernstein,
    "squares": SumOfSquares,
    "integral": UnconstrainedMonotonic,
}
X = np.linspace(-7, 7, 401)


def curve(template, x=X):
    """Return z and dz/dx of a scalar template over points, in float64."""
    z, log_slope = _over_points(template, x)
    return np.asarray(z[:, 0]), np.exp(np.asarray(log_slope))


@jax.jit
def _over_points(template, x):
    return jax.vmap(lambda v: template.inverse(v[None]))(x)


def moved(template, rng, sd=1.0):
    return laws.perturbed(template, rng, sd)


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", TEMPLATES)
def test_zero_parameters_are_the_identity(name):
    params, rest = partition(TEMPLATES[name]())
    zero = combine(jax.tree.map(jnp.zeros_like, params), rest)
    x = np.r_[X, -1e4, 1e4]
    z, slope = curve(zero, x)
    np.testing.assert_allclose(z, x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(slope, 1.0, rtol=1e-12)


def test_new_templates_are_near_the_identity():
    """Where equal terms would stay equal they start apart, and the map stays close to x."""
    for make in TEMPLATES.values():
        z, slope = curve(make())
        assert (np.abs(z - X) < 0.2 * (1 + np.abs(X))).all()
        assert np.abs(np.log(slope)).max() < 0.4


def _sizes(raw, bound, least=MIN_BIN):
    return 2 * bound * (least + (1 - len(raw) * least) * softmax(np.asarray(raw)))


def _knots(raw, bound, least=MIN_BIN):
    return np.r_[-bound, -bound + np.cumsum(_sizes(raw, bound, least))]


def test_linear_spline_is_interpolation(rng):
    t = moved(LinearSpline(7, 3.0), rng)
    knots = np.linspace(-3, 3, 8)
    z, slope = curve(t)
    inside = np.abs(X) < 3
    expected = np.where(inside, np.interp(X, knots, _knots(t.heights, 3.0)), X)
    np.testing.assert_allclose(z, expected, atol=1e-12)
    steps = np.diff(_knots(t.heights, 3.0)) / np.diff(knots)
    at = np.clip(np.searchsorted(knots, X, side="right") - 1, 0, 6)
    np.testing.assert_allclose(slope, np.where(inside, steps[at], 1.0), rtol=1e-10)


def test_cubic_spline_is_hermite_interpolation(rng):
    """Scipy's cubic through the same knots with the slopes that ours has there; linear tails."""
    t = moved(CubicSpline(6, 3.0), rng)
    x, y = (_knots(raw, 3.0, LEAST / 6) for raw in (t.widths, t.heights))
    at_knots, slopes = curve(t, x)
    np.testing.assert_allclose(at_knots, y, atol=1e-12)
    theirs = interpolate.CubicHermiteSpline(x, y, slopes)
    inside = np.linspace(-3, 3, 501)
    z, slope = curve(t, inside)
    np.testing.assert_allclose(z, theirs(inside), atol=1e-11)
    np.testing.assert_allclose(slope, theirs.derivative()(inside), rtol=1e-7)
    z, slope = curve(t, np.array([-5.0, 4.0]))
    np.testing.assert_allclose(z, [-3 - 2 * slopes[0], 3 + slopes[-1]], rtol=1e-12)


def test_cubic_pieces_rise_at_every_corner():
    """The slope stays positive where edge slopes take their least and greatest shares."""
    t = jnp.linspace(0, 1, 2001)
    for alpha in (1e-8, 0.01, 1.0, MAX_SHARE):
        for beta in (1e-8, 0.01, 1.0, MAX_SHARE):
            least = min(alpha, beta, 1.5 - MAX_SHARE / 2)
            assert _slope(t, jnp.array(alpha), jnp.array(beta)).min() >= 0.9 * least


def test_linear_rational_pieces_meet(rng):
    """It passes through the knots, and its slope has no jump, at inner knots neither."""
    t = moved(LinearRationalSpline(6, 3.0), rng, 0.5)
    x, y = _knots(t.widths, 3.0), _knots(t.heights, 3.0)
    np.testing.assert_allclose(curve(t, x)[0], y, atol=1e-12)
    fine = np.linspace(-3.001, 3.001, 200_001)
    z, slope = curve(t, fine)
    assert np.abs(np.diff(np.log(slope))).max() < 1e-2
    np.testing.assert_allclose(np.diff(z) / np.diff(fine), slope[1:], rtol=1e-2)


def test_mixture_cdf_is_the_logistic_mixture(rng):
    t = moved(MixtureCDF(5), rng)
    weights = softmax(30 * np.tanh(np.asarray(t.logits) / 30))
    means = 100 * np.tanh(np.asarray(t.means) / 100)
    scales = np.exp(3 * np.tanh(np.asarray(t.raw_log_scales) / 3))
    laws_ = stats.logistic(means, scales)
    cdf = (weights * laws_.cdf(X[:, None])).sum(1)
    density = (weights * laws_.pdf(X[:, None])).sum(1)
    scale = np.exp(3 * np.tanh(float(t.raw_log_scale) / 3))
    z, slope = curve(t)
    y = (1 - LEAK) * logit(cdf) + LEAK * X
    np.testing.assert_allclose(z, (y - float(t.loc)) / scale, rtol=1e-8, atol=1e-8)
    expected = ((1 - LEAK) * density / (cdf * (1 - cdf)) + LEAK) / scale
    np.testing.assert_allclose(slope, expected, rtol=1e-8)


def test_sigmoids_keep_their_digits_far_out(rng):
    """In float32 the tails at 1e6 are those of float64: the logit never sees a rounded CDF."""
    for make in (MixtureCDF, DeepSigmoidal, DeepDenseSigmoidal):
        t = moved(make(), rng)
        x = np.array([-1e6, -1e3, -30.0, 30.0, 1e3, 1e6])
        z, slope = curve(t, x)
        narrow = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), t)
        z32, slope32 = curve(narrow, x.astype(np.float32))
        np.testing.assert_allclose(z32, z, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(slope32, slope, rtol=1e-3)


def test_bernstein_is_scipys(rng):
    t = moved(Bernstein(7, 3.0), rng)
    rates = np.exp(3 * np.tanh(np.asarray(t.raw_log_rates) / 3)) * 6 / 7
    coefficients = np.r_[0, np.cumsum(rates)] - rates.sum() / 2 + float(t.loc)
    theirs = interpolate.BPoly(coefficients[:, None], [-3, 3])
    inside = np.linspace(-3, 3, 101)
    z, slope = curve(t, inside)
    np.testing.assert_allclose(z, theirs(inside), atol=1e-12)
    np.testing.assert_allclose(slope, theirs.derivative()(inside), rtol=1e-10)


def test_sum_of_squares_is_the_integral(rng):
    t = moved(SumOfSquares(3, 4, 3.0), rng)
    total = np.polynomial.Polynomial([np.exp(3 * np.tanh(float(t.raw_log_slope) / 3))])
    for row in 2 * np.tanh(np.asarray(t.coefficients) / 2):
        total = total + np.polynomial.Polynomial(row / 3.0 ** np.arange(5)) ** 2
    inside = np.linspace(-3, 3, 101)
    z, slope = curve(t, inside)
    np.testing.assert_allclose(z, total.integ()(inside) + float(t.loc), atol=1e-11)
    np.testing.assert_allclose(slope, total(inside), rtol=1e-11)


@pytest.mark.parametrize("sd", [0.3, 3.0, 30.0])
def test_the_quadrature_is_the_integral(sd, rng):
    """z = loc + ∫ f to the promised 1e-6, however steep the net; and its own slope is f."""
    x = np.linspace(-5, 5, 41)
    node, weight = np.polynomial.legendre.leggauss(30)
    for _ in range(20):
        t = moved(UnconstrainedMonotonic(8, 5.0), rng, sd)
        raw, shifts, weights = (np.asarray(v) for v in (t.raw_rates, t.shifts, t.weights))
        weights = weights * 3 / (3 + np.abs(weights).sum())
        level = 3 * np.tanh(float(t.raw_level) / 3)

        def f(s, raw=raw, shifts=shifts, weights=weights, level=level):
            units = np.tanh(2 * np.tanh(raw / 2) * s[..., None] + shifts)
            return np.exp(level + (weights * units).sum(-1))

        # Thirty nodes in each of a hundred cells: the integral to rounding.
        share = (np.arange(100)[:, None] + (node + 1) / 2) / 100
        exact = (f(x[:, None, None] * share) * weight / 200).sum((1, 2)) * x
        z, slope = curve(t, x)
        np.testing.assert_allclose(slope, f(x), rtol=1e-10)
        size = np.maximum(1, np.abs(exact))
        assert (np.abs(z - float(t.loc) - exact) / size).max() < 1e-6
        own = _own_slope(t, x)
        np.testing.assert_allclose(own, slope, rtol=1e-5)


@jax.jit
def _own_slope(template, x):
    return jax.vmap(jax.grad(lambda v: template.inverse(v[None])[0][0]))(x)


def test_block_layers_reach_all_of_the_line(rng):
    """However saturated its units are: targets far out have their roots."""
    t = moved(BlockAutoregressive(2, key=jax.random.key(0)), rng, 3.0)
    z = jnp.asarray(np.array([[-1e6, -30.0, 30.0, 1e6], [1e4, 12.0, -1e4, 0.0]]))
    x, _ = t.forward(z)
    np.testing.assert_allclose(t.inverse(x)[0], z, rtol=1e-9, atol=1e-9)


def test_nice_changes_volumes_at_the_end_only(rng):
    model = laws.perturbed(pf.models.nice(3, key=jax.random.key(0), hidden=(8,)), rng, 0.3)
    x = jnp.asarray(rng.normal(size=(3, 20)))
    dlogp = np.asarray(model.transform.inverse(x)[1])
    np.testing.assert_allclose(dlogp, dlogp[0], rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinearSpline(1),
        lambda: CubicSpline(8, 0.0),
        lambda: MixtureCDF(0),
        lambda: DeepSigmoidal(4, 0),
        lambda: DeepDenseSigmoidal(1),
        lambda: Bernstein(0),
        lambda: Bernstein(200),
        lambda: SumOfSquares(0),
        lambda: UnconstrainedMonotonic(0),
        lambda: BlockAutoregressive(2, key=jax.random.key(0), units=()),
    ],
)
def test_sizes_that_cannot_be(make):
    with pytest.raises(OptionError):
        make()
