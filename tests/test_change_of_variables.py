"""Changes of variables whose answer is known: on the line, in the plane, by matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from cases.scalar import twisted, untwisted
from pushforward.core import partition
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities import NumPyroDensity, Pushforward, StandardNormal, StudentT, Uniform
from pushforward.transforms import (
    QR,
    SVD,
    Affine,
    Bijection,
    Chain,
    Coupling,
    Exp,
    Frozen,
    Invert,
    LeakyRelu,
    Log,
    LowRank,
    Matrix,
    Monotone,
    Negate,
    Power,
    Rotation,
    Sigmoid,
    SignedAffine,
    Sinh,
    Softplus,
    Tanh,
    YeoJohnson,
)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def on_line(model, x):
    return np.asarray(model.log_prob(np.asarray(x, float)[:, None]))


def close(got, want, rtol=1e-12):
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-12)


def test_four_times_a_uniform():
    """Z ~ U[0, 2], X = 4Z: 1/8 at 4, not p_Z(1) = 1/2; nothing outside [0, 8]."""
    model = Pushforward(Affine(0.0, 4.0), Uniform(0.0, 2.0))
    close(np.exp(on_line(model, [4.0, 0.1, 7.9])), 1 / 8)
    assert (on_line(model, [-1e-9, 8.0 + 1e-9, -1e30, 1e30]) == -np.inf).all()


def test_exp_of_a_uniform():
    """Z ~ U[0, 2], X = exp Z: 1/(2x) on [1, e²]."""
    model = Pushforward(Exp(), Uniform(0.0, 2.0))
    x = np.linspace(1.0, np.exp(2), 50)[1:-1]
    close(np.exp(on_line(model, x)), 1 / (2 * x))
    assert (on_line(model, [-1.0, 0.0, 0.999, 7.4]) == -np.inf).all()


@pytest.mark.parametrize("scale", [4.0, -3.0, 1e-7, -1e5])
def test_affine_maps_of_either_sign(scale, rng):
    x = 2 + scale * rng.normal(size=20)
    model = Pushforward(SignedAffine(2.0, scale), StandardNormal(1))
    close(on_line(model, x), stats.norm(2, abs(scale)).logpdf(x))
    uniform = Pushforward(SignedAffine(2.0, scale), Uniform(0.0, 2.0))
    close(np.exp(on_line(uniform, [2 + scale])), 1 / (2 * abs(scale)))
    assert (on_line(uniform, [2 - 0.1 * scale, 2 + 2.1 * scale]) == -np.inf).all()


@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf])
def test_scales_and_powers_without_a_map(scale):
    with pytest.raises(OptionError, match="scale"):
        SignedAffine(0.0, scale)
    with pytest.raises(OptionError, match="exponent"):
        Power(scale)


def test_decreasing_maps(rng):
    """X = −exp Z, X = exp(−Z) and the distribution's own derivative."""
    x = np.exp(rng.normal(size=20))
    mirrored = Pushforward(Chain([Exp(), Negate()]), StandardNormal(1))
    close(on_line(mirrored, -x), stats.lognorm(1).logpdf(x))
    assert (on_line(mirrored, x) == -np.inf).all()
    turned = Pushforward(Chain([Negate(), Exp()]), NumPyroDensity(dist.Gumbel()))
    # −log of an exponential variable is a Gumbel one.
    close(on_line(turned, x), stats.expon.logpdf(x))


def gamma(shape):
    return NumPyroDensity(dist.Gamma(shape))


def test_half_lines_against_scipy(rng):
    x = np.exp(rng.normal(size=30))
    close(on_line(Pushforward(Log(), gamma(2.5)), np.log(x)), stats.loggamma(2.5).logpdf(np.log(x)))
    for p in (2.0, 0.5, -1.0, -0.3):
        model = Pushforward(Power(p), gamma(2.5))
        close(on_line(model, x), stats.gengamma(2.5, 1 / p).logpdf(x), 1e-10)
        assert (on_line(model, [0.0, -1.0]) == -np.inf).all()
    model = Pushforward(Power(-1.0), gamma(2.5))
    close(on_line(model, x), stats.invgamma(2.5).logpdf(x))
    model = Pushforward(Softplus(), StandardNormal(1))
    z = np.log(np.expm1(x))
    close(on_line(model, x), stats.norm.logpdf(z) - np.log(-np.expm1(-x)))


def test_the_interval_is_twice_a_sigmoid(rng):
    x = np.tanh(rng.normal(size=20))
    twice = Chain([Affine(0.0, 2.0), Sigmoid(), Affine(-1.0, 2.0)])
    got, want = (on_line(Pushforward(t, StandardNormal(1)), x) for t in (Tanh(), twice))
    close(got, want, 1e-9)


def test_samples_of_the_interval_stay_inside():
    with jax.enable_x64(False):
        model = Pushforward(Chain([Affine(0.0, 30.0), Tanh()]), StandardNormal(1))
        x = model.sample(jax.random.key(0), 1000)
        assert (jnp.abs(x) < 1).all()
        assert jnp.isfinite(model.log_prob(x)).all()


def test_latents_without_an_image_are_no_numbers():
    z = jnp.array([[-1.0, 0.0, 2.0]])
    for transform in (Log(), Power(2.0), Power(-2.0)):
        x, dlogp = transform.forward(z)
        assert jnp.isnan(x[0, 0])
        assert jnp.isnan(dlogp[0])
        assert jnp.isfinite(x[:, 1:]).all()
        assert jnp.isfinite(dlogp[1:]).all()


def test_maps_of_positive_latents_want_a_base_on_the_positives():
    """On a normal half of the mass would be lost: refused wherever it can be seen."""
    for transform in (Log(), Power(2.0), Frozen(Log()), Chain([Power(2), Log()])):
        with pytest.raises(OptionError, match="positive"):
            Pushforward(transform, StandardNormal(1))
    with pytest.raises(OptionError, match="invert"):
        Invert(Log())
    with pytest.raises(OptionError, match="template"):
        Coupling(2, Log(), key=jax.random.key(0))
    # Exp before it makes the latents positive: (exp Z)² has a log-normal law.
    model = Pushforward(Chain([Exp(), Power(2.0)]), StandardNormal(1))
    close(on_line(model, [0.3, 5.0]), stats.lognorm(2).logpdf([0.3, 5.0]))


def test_where_no_float_can_hold_the_latent():
    """log Z for a heavy-tailed Z: no mass is made up beyond the floats."""
    model = Pushforward(Log(), NumPyroDensity(dist.HalfCauchy(1.0)))
    x = np.array([-1e5, -50.0, 50.0, 300.0, 711.0, 1e5, 1e30])
    got = on_line(model, x)
    close(got[1:4], np.log(2 / np.pi) + x[1:4] - np.logaddexp(0, 2 * x[1:4]))
    close(got[0], np.log(2 / np.pi) - 1e5)
    assert (got[4:] == -np.inf).all()


def test_a_kink(rng):
    x = rng.normal(size=20)
    model = Pushforward(LeakyRelu(0.25), StandardNormal(1))
    want = np.where(x < 0, stats.norm.logpdf(4 * x) + np.log(4), stats.norm.logpdf(x))
    close(on_line(model, x), want)


@pytest.mark.parametrize("raw", [-3.0, -0.4, 0.0, 0.9, 3.0])
def test_yeo_johnson_is_that_of_scipy(raw, rng):
    transform = eqx.tree_at(lambda t: t.raw, YeoJohnson(), jnp.asarray(raw))
    x = 3 * rng.normal(size=20)
    power = 1 + 0.9 * np.tanh(raw)
    z, _ = transform.inverse(jnp.asarray(x)[None])
    close(z[0], stats.yeojohnson(x, power), 1e-10)
    slope = jax.vmap(jax.grad(lambda v: transform.inverse(v[None])[0][0]))(jnp.array([0.0, -0.0]))
    close(slope, 1.0)


def test_monotone_functions_against_closed_forms(rng):
    x = 4 * rng.normal(size=30)
    for function, known in (
        (jnp.sinh, Sinh()),
        (lambda z: 2 * z + 1, Affine(1.0, 2.0)),
        (lambda z: jnp.where(z < 0, z / 4, z), LeakyRelu(0.25)),
    ):
        got, want = (Pushforward(t, StandardNormal(1)) for t in (Monotone(function), known))
        close(on_line(got, x), on_line(want, x), 1e-10)
    falling = Pushforward(
        Monotone(lambda z, a, b: b - jnp.exp(a) * z, (0.5, 1.0), increasing=False), StudentT(1)
    )
    line = Pushforward(SignedAffine(1.0, -np.exp(0.5)), StudentT(1))
    close(on_line(falling, x), on_line(line, x), 1e-10)


@pytest.mark.parametrize(
    ("function", "increasing", "message"),
    [
        (jnp.square, True, "does not rise"),
        (jnp.negative, True, "does not rise"),
        (jnp.sinh, False, "does not fall"),
        (jnp.zeros_like, True, "does not rise"),
        (jnp.log, True, "does not rise"),
        (lambda z: jnp.cumsum(z, -1), True, "several values"),
        (lambda z: z.sum(), True, "several values"),
    ],
)
def test_functions_that_are_no_maps(function, increasing, message):
    with pytest.raises(OptionError, match=message):
        Monotone(function, increasing=increasing)


def test_values_that_a_function_never_takes():
    z, dlogp = Monotone(jnp.arctan).inverse(jnp.array([[1.0, 2.0]]))
    close(z[0, 0], np.tan(1.0))
    assert jnp.isnan(z[0, 1])
    assert jnp.isnan(dlogp[1])


def test_a_function_that_turns_after_learning_gives_no_number():
    transform = Monotone(lambda z, a: z + a * jnp.sin(z), (0.5,))
    moved = jax.tree.map(lambda leaf: leaf + 2, transform)
    z = jnp.array([[0.1, 3.1]])
    dlogp = moved.forward(z)[1]
    assert jnp.isfinite(dlogp[0])
    assert jnp.isnan(dlogp[1])


def test_two_variables_both_ways(rng):
    """log p by |det ∂g/∂x| and by 1/|det ∂f/∂z|, and det(A⁻¹) = det(A)⁻¹."""
    t = Bijection(twisted, untwisted, 2)
    z = jnp.asarray(rng.normal(size=(2, 10)))
    x, there = t.forward(z)
    back, again = t.inverse(x)
    close(back, z)
    close(there, again)
    inverse = jax.vmap(jax.jacobian(untwisted), 1)(x)
    forward = jax.vmap(jax.jacobian(twisted), 1)(z)
    close(there, np.linalg.slogdet(inverse)[1])
    close(np.linalg.det(inverse), 1 / np.linalg.det(forward))
    with pytest.raises(OptionError, match="inverse"):
        Bijection(twisted, twisted, 2)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_the_unit_cube_becomes_a_parallelotope(dim, rng):
    """Density 1/|det A| inside, none outside; the volume is |det A|."""
    a = rng.normal(size=(dim, dim))
    model = Pushforward(Matrix(a), Uniform(np.zeros(dim), np.ones(dim)))
    corners = np.stack(np.meshgrid(*[[0, 1]] * dim), -1).reshape(-1, dim) @ a.T
    low, high = corners.min(0) - 0.1, corners.max(0) + 0.1
    x = rng.uniform(low, high, (40_000, dim))
    z = np.linalg.solve(a, x.T)
    inside = ((z >= 0) & (z <= 1)).all(0)
    size = abs(np.linalg.det(a))
    close(model.log_prob(x), np.where(inside, -np.log(size), -np.inf), 1e-9)
    share = size / np.prod(high - low)
    error = np.sqrt(share * (1 - share) / len(x))
    assert abs(np.isfinite(model.log_prob(x)).mean() - share) < 5 * error + 1e-9


MATRICES = {
    "one": [[-0.3]],
    "swap": [[0.0, 1.0], [1.0, 0.0]],
    "cyclic": [[0.0, 0.0, 2.0], [3.0, 0.0, 0.0], [0.0, -5.0, 0.0]],
    "unequal": np.diag([1e-20, 1.0, -1e12]),
    "tiny": 1e-9 * np.array([[1.0, 2.0], [3.0, -4.0]]),
    "random": np.random.default_rng(3).normal(size=(7, 7)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_any_invertible_matrix(name, rng):
    a = np.asarray(MATRICES[name])
    t = Matrix(a, 1.0)
    close(t.matrix() / np.abs(a).max(1, keepdims=True), a / np.abs(a).max(1, keepdims=True))
    z = rng.normal(size=(len(a), 4))
    x, dlogp = t.forward(jnp.asarray(z))
    np.testing.assert_allclose(x, a @ z + 1, rtol=1e-10)
    close(dlogp, -np.linalg.slogdet(a)[1])
    assert not jax.tree.leaves(partition(Frozen(t))[0])


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 2)),
        [[0.1, 0.2], [0.3, 0.6]],
        [[1.0, np.nan], [0.0, 1.0]],
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
    ],
)
def test_matrices_without_an_inverse(matrix):
    with pytest.raises(OptionError, match="inverse"):
        Matrix(matrix)
    with pytest.raises(ShapeError, match="square"):
        Matrix(np.ones((2, 3)))


def test_any_base_through_a_matrix(rng):
    turns = np.linalg.qr(rng.normal(size=(2, 3, 3))).Q
    a = turns[0] * [0.5, 1.0, 2.0] @ turns[1]
    model = Pushforward(Matrix(a, [1.0, 2.0, 3.0]), StandardNormal(3))
    x = rng.normal(size=(20, 3))
    want = stats.multivariate_normal([1.0, 2.0, 3.0], a @ a.T).logpdf(x)
    close(model.log_prob(x), want, 1e-8)


LINEAR = {
    "qr": lambda: QR(4, key=jax.random.key(1)),
    "svd": lambda: SVD(4, key=jax.random.key(1), reflections=2),
    "low_rank": lambda: LowRank(4, 2, key=jax.random.key(1)),
    "rotation": lambda: Rotation(4),
}


@pytest.mark.parametrize("name", LINEAR)
def test_factors_multiply_to_the_matrix(name, rng):
    """With random parameters: x = A z + μ, z = A⁻¹(x − μ), dlogp = −log|det A|."""
    t = jax.tree.map(lambda v: v + 0.5 * rng.normal(size=v.shape), LINEAR[name]())
    a = np.asarray(t.matrix())
    zero = np.asarray(t.forward(jnp.zeros(4))[0])
    z = rng.normal(size=(4, 6))
    x, dlogp = t.forward(jnp.asarray(z))
    close(x, a @ z + zero[:, None], 1e-9)
    close(t.inverse(x)[0], z, 1e-8)
    close(dlogp, -np.linalg.slogdet(a)[1], 1e-9)


def test_what_the_factors_are(rng):
    key = jax.random.key(0)
    for fresh in (LowRank(4, 2, key=key), Rotation(4)):
        close(fresh.matrix(), np.eye(4))
    for fresh in (QR(4, key=key), SVD(4, key=key)):
        close(fresh.matrix() @ fresh.matrix().T, np.eye(4))
    low = jax.tree.map(lambda v: v + rng.normal(size=v.shape), LowRank(5, 2, key=key))
    change = np.linalg.solve(np.diag(np.logaddexp(0, low.raw_scale + UNIT) + 1e-3), low.matrix())
    assert np.linalg.matrix_rank(change - np.eye(5), tol=1e-9) == 2
    svd = jax.tree.map(lambda v: v + rng.normal(size=v.shape), SVD(4, key=key))
    singular = np.sort(np.logaddexp(0, svd.raw_singular + UNIT) + 1e-3)[::-1]
    close(np.linalg.svd(svd.matrix())[1], singular, 1e-9)


UNIT = np.log(np.expm1(1 - 1e-3))
"""What the parameterization of positive scales adds, so that zero gives one."""


def test_rotations_of_the_plane():
    x, dlogp = Rotation(2, np.pi / 6).forward(jnp.array([2.0, 0.0]))
    close(x, [np.sqrt(3), 1.0])
    assert dlogp == 0
    turned = Rotation(3, [np.pi / 2, np.pi / 2], ((0, 1), (1, 2))).matrix()
    close(turned, [[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    for pairs in (((0, 0),), ((0, 3),), ()):
        with pytest.raises(OptionError, match="pairs"):
            Rotation(3, 0.0, pairs)
