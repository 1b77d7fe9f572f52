"""normflows: its `forward` is latent → data, as ours."""

import importlib.metadata
import sys
from collections import namedtuple

sys.path.append(sys.path.pop(0))  # this folder last: its file has the library's name

import torch  # noqa: E402
from common import run  # noqa: E402
from normflows import flows  # noqa: E402
from normflows.utils.splines import unconstrained_rational_quadratic_spline  # noqa: E402

torch.set_default_dtype(torch.float64)

Directions = namedtuple("Directions", "forward inverse")


def circular_spline(p):
    """Bend, then turn by the phase, data → latent."""
    shape, bound = p.x.shape, p.bound.item()
    phase = getattr(p, "phase", torch.zeros(shape[1]))
    turn = flows.PeriodicShift(torch.arange(shape[1]), bound=bound, shift=phase)

    def spline(rows, inverse):
        raw = [v.expand(*shape, -1) for v in (p.raw_widths, p.raw_heights, p.raw_slopes)]
        options = {"tails": "circular", "tail_bound": bound, "inverse": inverse}
        return unconstrained_rational_quadratic_spline(rows, *raw, **options)

    def inverse(x):
        value, log_det = spline(x, False)
        return turn(value)[0], log_det

    return Directions(lambda z: spline(turn.inverse(z)[0], True), inverse)


def planar(activation):
    def build(p):
        # u such that their constraint, wᵀu → log(1 + exp wᵀu) − 1, makes the direction of it.
        w, product = p.weight, p.weight @ p.direction
        u = p.direction + ((torch.expm1(1 + product)).log() - product) * w / (w @ w)
        layer = flows.Planar(w.shape, activation, u[None], w[None], p.bias[None])
        if activation == "leaky_relu":
            layer.h = torch.nn.LeakyReLU(0.1)
        return layer

    return build


def radial(p):
    layer = flows.Radial(p.centre.shape, p.centre[None])
    layer.alpha.data = p.alpha[None]
    layer.beta.data = torch.expm1(p.beta + p.alpha).log()[None]
    return layer


def matrix(p):
    """Theirs is x W in the other direction, without a shift."""
    layer = flows.InvertibleAffine(len(p.matrix), use_lu=False)
    layer.W.data = p.matrix.T

    def forward(z):
        value, log_det = layer.inverse(z)
        return value + p.loc, log_det

    return Directions(forward, lambda x: layer(x - p.loc))


def convolution(p):
    layer = flows.Invertible1x1Conv(len(p.packed), use_lu=True)
    layer.P = torch.eye(len(p.packed))[p.order]
    layer.L.data, layer.U.data = p.packed, p.packed
    layer.sign_S, layer.log_S.data = torch.ones(len(p.packed)), p.packed.diagonal().log()

    def turned(function):
        def on_rows(rows):
            value, log_det = function(rows.unflatten(-1, p.image.tolist()))
            return value.flatten(1), log_det

        return on_rows

    return Directions(turned(layer.inverse), turned(layer))


def residual(p):
    def net(x):
        h = torch.tanh(x @ p.w0.T + p.b0)
        return torch.tanh(h @ p.w1.T + p.b1) @ p.w2.T + p.b2

    return flows.Residual(net, brute_force=True)


def evaluate(function, direction, rows):
    value, log_det = getattr(function, direction)(rows)
    return value.detach(), log_det.detach()


CASES = {
    "circular_spline": circular_spline,
    "turned_circular_spline": circular_spline,
    "matrix": matrix,
    "planar_tanh": planar("tanh"),
    "planar_leaky_relu": planar("leaky_relu"),
    "radial": radial,
    "convolution": convolution,
    "residual": residual,
}
ONLY = {"planar_tanh": "forward", "radial": "forward"}

run(CASES, evaluate, torch.as_tensor, importlib.metadata.version("normflows"), ONLY)
