"""zuko (with the torch transforms and distributions that it re-exports)."""

import math
import sys

sys.path.append(sys.path.pop(0))  # this folder last: its file has the library's name

import torch  # noqa: E402
import zuko  # noqa: E402
from common import net, part, run  # noqa: E402
from zuko import distributions as d  # noqa: E402
from zuko import transforms as t  # noqa: E402

torch.set_default_dtype(torch.float64)


class Bernstein(t.BernsteinTransform):
    _constrain_theta = staticmethod(lambda theta: theta)


def spline(x_knots, z_knots, slopes):
    raw = torch.zeros(*x_knots.shape[:-1], x_knots.shape[-1] - 1)
    transform = t.MonotonicRQSTransform(raw, raw, raw[..., :-1])
    transform.horizontal, transform.vertical = x_knots, z_knots
    transform.derivatives = slopes
    return transform


def given_spline(p):
    return spline(p.x_knots, p.z_knots, p.slopes)


def raw_spline(p, raw):
    """Return the spline of a net's output: widths, heights, inner slopes."""
    bins = (raw.shape[-1] + 1) // 3
    widths, heights, slopes = raw.split([bins, bins, bins - 1], -1)

    def knots(sizes):
        shares = 1e-3 + (1 - bins * 1e-3) * sizes.softmax(-1)
        return p.bound * (2 * torch.nn.functional.pad(shares, (1, 0)).cumsum(-1) - 1)

    inner = torch.nn.functional.softplus(slopes + math.log(math.expm1(1 - 1e-3))) + 1e-3
    return spline(knots(widths), knots(heights), torch.nn.functional.pad(inner, (1, 1), value=1.0))


def raw_affine(p, raw):
    """Return z = (x − μ)/σ of a net's output: μ and the raw logarithm of σ."""
    return t.AffineTransform(raw[..., 0], (3 * torch.tanh(raw[..., 1] / 3)).exp()).inv


def coupling(template):
    def build(p):
        mask = torch.arange(p.x.shape[-1]) < p.kept
        return t.CouplingTransform(lambda x: vector(template(p, net(p, x))), mask)

    return build


def autoregressive(template):
    def build(p):
        return t.AutoregressiveTransform(lambda x: vector(template(p, net(p, x))), p.x.shape[-1])

    return build


def vector(scalar):
    return t.DependentTransform(scalar, 1)


def affine(p):
    log_scale = p.scale.log()
    raw = log_scale / (1 - (log_scale / math.log(1e-3)).abs())
    return t.MonotonicAffineTransform(p.loc, raw).inv


def bernstein(p):
    return Bernstein(p.coefficients, bound=p.bound.item(), eps=1e-14)


def sum_of_squares(p):
    # Ours are the squares themselves, theirs the mean of (1 + polynomial)².
    a = p.coefficients * p.coefficients.shape[-2] ** 0.5
    a[..., 0] = a[..., 0] - 1
    curve = t.SOSPolynomialTransform(a, p.least.item(), bound=p.bound.item(), eps=1e-14)
    return t.ComposedTransform(curve, t.AdditiveTransform(p.loc))


def unconstrained_monotonic(p):
    def slope(s):
        units = p.weights * torch.tanh(p.rates * s[..., None, :] + p.shifts)
        return (p.level + units.sum(-2)).exp()

    curve = t.UnconstrainedMonotonicTransform(slope, 64, bound=p.bound.item(), eps=1e-14)
    return t.ComposedTransform(curve, t.AdditiveTransform(p.loc))


def matrix(p):
    """A = L U with the pivots in L, as theirs; rows in our order."""
    order, lower, upper = torch.linalg.lu(p.matrix)
    pivots = upper.diagonal()
    packed = lower * pivots + (upper / pivots[:, None]).triu(1)
    parts = (t.LULinearTransform(packed), t.PermutationTransform(order.argmax(1)))
    return t.ComposedTransform(*parts, t.DependentTransform(t.AdditiveTransform(p.loc), 1)).inv


def flow(p):
    layers = (
        autoregressive(raw_spline)(part(p, "spline")),
        t.PermutationTransform(torch.arange(p.x.shape[-1]).flip(0)).inv,
        autoregressive(raw_affine)(part(p, "affine")),
    )
    return d.NormalizingFlow(t.ComposedTransform(*layers), standard_normal(p))


def standard_normal(p):
    return d.DiagNormal(torch.zeros(p.x.shape[-1]), torch.ones(p.x.shape[-1]))


def gaussian_mixture(p):
    return d.Mixture(d.DiagNormal(p.loc, p.scale), p.logits)


def full_gaussian_mixture(p):
    return d.Mixture(d.MultivariateNormal(p.loc, scale_tril=p.factors), p.logits)


def evaluate(function, direction, rows):
    if isinstance(function, d.Distribution):
        return function.log_prob(rows), 0.0
    value, log_det = (function if direction == "inverse" else function.inv).call_and_ladj(rows)
    return value.detach(), log_det.detach()


CASES = {
    "rational_quadratic_spline": given_spline,
    "circular_spline": given_spline,
    "bernstein": bernstein,
    "sum_of_squares": sum_of_squares,
    "unconstrained_monotonic": unconstrained_monotonic,
    "affine": affine,
    "bounded_affine": affine,
    "signed_affine": lambda p: t.AffineTransform(p.loc, p.scale).inv,
    "shift": lambda p: t.AdditiveTransform(p.loc).inv,
    "exp": lambda p: t.ExpTransform().inv,
    "log": lambda p: t.ExpTransform(),
    "softplus": lambda p: t.SoftplusTransform().inv,
    "sigmoid": lambda p: t.SigmoidTransform().inv,
    "tanh": lambda p: t.TanhTransform().inv,
    "power": lambda p: t.PowerTransform(p.exponent).inv,
    "matrix": matrix,
    "rotation": lambda p: t.RotationTransform(p.entries).inv,
    "permutation": lambda p: t.PermutationTransform(p.order).inv,
    "additive_coupling": coupling(lambda p, raw: t.AdditiveTransform(raw[..., 0]).inv),
    "affine_coupling": coupling(raw_affine),
    "spline_coupling": coupling(raw_spline),
    "affine_autoregressive": autoregressive(raw_affine),
    "spline_autoregressive": autoregressive(raw_spline),
    "conditional_autoregressive": autoregressive(raw_affine),
    "student_t": lambda p: d.Independent(d.StudentT(p.df), 1),
    "gaussian": lambda p: d.MultivariateNormal(p.loc, scale_tril=p.matrix),
    "gaussian_mixture": gaussian_mixture,
    "full_gaussian_mixture": full_gaussian_mixture,
    "order_statistics": lambda p: d.Sort(d.Normal(0.0, 1.0), p.x.shape[-1]),
    "flow": flow,
}

run(CASES, evaluate, torch.as_tensor, zuko.__version__, {})
