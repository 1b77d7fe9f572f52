"""distrax (and TFP bijectors through it): its `forward` is latent → data, as ours."""

import sys
from types import SimpleNamespace

sys.path.append(sys.path.pop(0))  # this folder last: its file has the library's name

import distrax  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from common import net, run  # noqa: E402
from tensorflow_probability.substrates.jax import bijectors as tfb  # noqa: E402

jax.config.update("jax_enable_x64", True)

UNIT = jnp.log(jnp.expm1(1 - 1e-3))


def spline(x_knots, z_knots, slopes):
    """Return the spline through these knots, data → latent turned around."""
    raw = jnp.zeros((*x_knots.shape[:-1], 3 * x_knots.shape[-1] - 2))
    transform = distrax.RationalQuadraticSpline(raw, -1.0, 1.0)
    transform._x_pos, transform._y_pos, transform._knot_slopes = x_knots, z_knots, slopes
    return distrax.Inverse(transform)


def given_spline(p):
    return spline(p.x_knots, p.z_knots, p.slopes)


def raw_spline(p, raw):
    """Return the spline of a net's output: widths, heights, inner slopes."""
    bins = (raw.shape[-1] + 1) // 3
    widths, heights, slopes = jnp.split(raw, [bins, 2 * bins], -1)

    def knots(sizes):
        shares = 1e-3 + (1 - bins * 1e-3) * jax.nn.softmax(sizes)
        places = jnp.cumsum(shares, -1)
        return p.bound * (2 * jnp.concatenate([0 * places[..., :1], places], -1) - 1)

    inner = jax.nn.softplus(slopes + UNIT) + 1e-3
    ends = jnp.ones_like(inner[..., :1])
    return spline(knots(widths), knots(heights), jnp.concatenate([ends, inner, ends], -1))


def raw_affine(p, raw):
    return distrax.ScalarAffine(raw[..., 0], log_scale=3 * jnp.tanh(raw[..., 1] / 3))


def coupling(template):
    def build(p):
        return distrax.SplitCoupling(
            int(p.kept), 1, lambda kept: net(p, kept), lambda raw: template(p, raw)
        )

    return build


def with_shift(p, linear):
    return distrax.Chain([distrax.Block(distrax.Shift(p.loc), 1), linear])


def householder(p):
    # TFP's reflect by unit vectors; a chain applies its last part first.
    unit = p.vectors / jnp.linalg.norm(p.vectors, axis=1, keepdims=True)
    return distrax.Chain([tfb.Householder(vector) for vector in unit])


def stick_breaking(p):
    """Theirs has the last share too."""
    whole = distrax.as_bijector(tfb.IteratedSigmoidCentered())

    def forward(z):
        value, log_det = whole.forward_and_log_det(z)
        return value[..., :-1], log_det

    def inverse(x):
        return whole.inverse_and_log_det(jnp.append(x, 1 - x.sum(-1, keepdims=True), -1))

    return SimpleNamespace(forward_and_log_det=forward, inverse_and_log_det=inverse)


def tfp(build):
    return lambda p: distrax.as_bijector(build(p))


def evaluate(function, direction, rows):
    if isinstance(function, distrax.Distribution):
        return function.log_prob(rows), 0.0
    return jax.jit(getattr(function, f"{direction}_and_log_det"))(rows)


def mixture(p, parts):
    return distrax.MixtureSameFamily(distrax.Categorical(p.logits), parts)


CASES = {
    "rational_quadratic_spline": given_spline,
    "interval_spline": given_spline,
    "circular_spline": given_spline,
    "marginal_spline": given_spline,
    "affine": lambda p: distrax.ScalarAffine(p.loc, p.scale),
    "bounded_affine": lambda p: distrax.ScalarAffine(p.loc, p.scale),
    "signed_affine": lambda p: distrax.ScalarAffine(p.loc, p.scale),
    "shift": lambda p: distrax.Shift(p.loc),
    "exp": tfp(lambda p: tfb.Exp()),
    "log": tfp(lambda p: tfb.Log()),
    "softplus": tfp(lambda p: tfb.Softplus()),
    "sigmoid": lambda p: distrax.Sigmoid(),
    "tanh": lambda p: distrax.Tanh(),
    "sinh": tfp(lambda p: tfb.Sinh()),
    "power": tfp(lambda p: tfb.Power(p.exponent)),
    "between": tfp(lambda p: tfb.Sigmoid(p.low, p.high)),
    "stick_breaking": stick_breaking,
    "triangular": lambda p: with_shift(p, distrax.TriangularLinear(p.matrix)),
    "matrix": lambda p: distrax.UnconstrainedAffine(p.matrix, p.loc),
    "lu": lambda p: distrax.LowerUpperTriangularAffine(p.packed, p.loc),
    "householder": householder,
    "permutation": tfp(lambda p: tfb.Permute(p.order)),
    "low_rank": lambda p: with_shift(p, distrax.DiagPlusLowRankLinear(p.diagonal, p.left, p.right)),
    "additive_coupling": coupling(lambda p, raw: distrax.Shift(raw[..., 0])),
    "affine_coupling": coupling(raw_affine),
    "spline_coupling": coupling(raw_spline),
    "logistic": lambda p: distrax.Independent(
        distrax.Logistic(jnp.zeros(p.x.shape[1]), jnp.ones(p.x.shape[1])), 1
    ),
    "gaussian": lambda p: distrax.MultivariateNormalTri(p.loc, p.matrix),
    "gaussian_mixture": lambda p: mixture(p, distrax.MultivariateNormalDiag(p.loc, p.scale)),
    "full_gaussian_mixture": lambda p: mixture(p, distrax.MultivariateNormalTri(p.loc, p.factors)),
}
# Below −9 theirs is exp, off by a part in 10⁴.
ONLY = {"sigmoid": "inverse"}

run(CASES, evaluate, jnp.asarray, distrax.__version__, ONLY)
