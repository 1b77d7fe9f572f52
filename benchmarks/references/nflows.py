"""nflows: its `forward` is data → latent, unless the map is turned around."""

import importlib.metadata
import math
import sys

sys.path.append(sys.path.pop(0))  # this folder last: its file has the library's name

import numpy as np  # noqa: E402
import torch  # noqa: E402
from common import net, part, run  # noqa: E402
from nflows import transforms as t  # noqa: E402
from nflows.distributions import StandardNormal  # noqa: E402
from nflows.flows import Flow  # noqa: E402
from nflows.transforms import splines  # noqa: E402
from nflows.transforms.orthogonal import HouseholderSequence  # noqa: E402

torch.set_default_dtype(torch.float64)

UNIT = math.log(math.expm1(1 - 1e-3))


class Elementwise(t.Transform):
    """Apply one of the functions of `nflows.transforms.splines` to every feature."""

    def __init__(self, function, **parameters):
        super().__init__()
        self.function, self.parameters = function, parameters

    def forward(self, inputs, context=None, inverse=False):
        given = {
            k: v.expand(*inputs.shape, -1) if torch.is_tensor(v) else v
            for k, v in self.parameters.items()
        }
        value, log_det = self.function(inputs, **given, inverse=inverse)
        return value, log_det.sum(-1)

    def inverse(self, inputs, context=None):
        return self(inputs, inverse=True)


class Net(torch.nn.Module):
    """The shared net in place of theirs; `turned` makes its output what theirs means."""

    def __init__(self, p, turned=lambda raw: raw):
        super().__init__()
        self.p, self.turned = p, turned

    def forward(self, inputs, context=None):
        return self.turned(net(self.p, inputs)).flatten(1)


class ImageNet(torch.nn.Module):
    """The shared net of an image's channels, for spline parameters at every pixel."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, inputs, context=None):
        p, conv = self.p, torch.nn.functional.conv2d
        h = conv(inputs, p.w0, p.b0, padding=1).relu()
        h = conv(h, p.w1, p.b1, padding=1).relu()
        raw = torch.einsum("fpw,nwij->nijfp", p.w2, h) + p.b2
        return slopes_last(raw).flatten(3).permute(0, 3, 1, 2)


def raw_spline(p):
    return {
        "unnormalized_widths": p.raw_widths,
        "unnormalized_heights": p.raw_heights,
        "unnormalized_derivatives": p.raw_slopes,
    }


def rational_quadratic_spline(p):
    function = splines.unconstrained_rational_quadratic_spline
    return Elementwise(function, **raw_spline(p), tail_bound=p.bound.item())


def interval_spline(p):
    box = dict.fromkeys(("left", "bottom"), -p.bound.item())
    box |= dict.fromkeys(("right", "top"), p.bound.item())
    return Elementwise(splines.rational_quadratic_spline, **raw_spline(p), **box)


def linear_spline(p):
    function = splines.unconstrained_linear_spline
    return Elementwise(function, unnormalized_pdf=p.shares.log(), tail_bound=p.bound.item())


def cubic_spline(p):
    share = p.ends[..., None] / 3
    left, right = (share / (1 - share)).log()
    return Elementwise(
        splines.unconstrained_cubic_spline,
        unnormalized_widths=p.widths.log(),
        unnormalized_heights=p.heights.log(),
        unnorm_derivatives_left=left,
        unnorm_derivatives_right=right,
        tail_bound=p.bound.item(),
        min_bin_width=0.0,
        min_bin_height=0.0,
    )


def filled(module, **values):
    """Set parameters and buffers of a module."""
    for name, value in values.items():
        getattr(module, name).data = value
    return module


def softplus_inverse(value):
    return torch.expm1(value).log()


def lu_values(p):
    lower, upper = np.tril_indices(len(p.packed), -1), np.triu_indices(len(p.packed), 1)
    return {
        "lower_entries": p.packed[lower],
        "upper_entries": p.packed[upper],
        "unconstrained_upper_diag": softplus_inverse(p.packed.diagonal() - 1e-3),
        "bias": p.loc,
    }


def matrix(p):
    return filled(t.NaiveLinear(len(p.matrix)), _weight=p.matrix, bias=p.loc)


def lu(p):
    return filled(t.LULinear(len(p.packed)), **lu_values(p))


def qr(p):
    layer = t.QRLinear(len(p.diagonal), len(p.vectors))
    layer.orthogonal = reflections(p.vectors)
    return filled(layer, upper_entries=p.above, log_upper_diag=p.diagonal.log(), bias=p.loc)


def svd(p):
    layer = t.SVDLinear(len(p.singular), len(p.left))
    layer.orthogonal_1, layer.orthogonal_2 = reflections(p.left), reflections(p.right.flip(0))
    raw = softplus_inverse(p.singular - 1e-3)
    return filled(layer, unconstrained_diagonal=raw, bias=p.loc)


def reflections(vectors):
    """Reflect by the last vector first."""
    count, dim = vectors.shape
    return filled(HouseholderSequence(dim, count), q_vectors=vectors.flip(0))


class Image(t.Transform):
    """See rows as images of (channels, height, width)."""

    def __init__(self, transform, shape):
        super().__init__()
        self.transform, self.shape = transform, shape.tolist()

    def forward(self, inputs, context=None):
        value, log_det = self.transform(inputs.unflatten(-1, self.shape))
        return value.flatten(1), log_det

    def inverse(self, inputs, context=None):
        value, log_det = self.transform.inverse(inputs.unflatten(-1, self.shape))
        return value.flatten(1), log_det


def act_norm(p):
    layer = filled(t.ActNorm(len(p.loc)), log_scale=p.scale.log(), shift=p.loc)
    layer.initialized = torch.tensor(True)
    return Image(layer, p.image)


def convolution_after_order(p):
    layer = filled(t.OneByOneConvolution(len(p.packed)), **lu_values(p))
    layer.permutation = t.Permutation(p.order)
    return Image(layer, p.image)


def additive_coupling(p):
    return t.AdditiveCouplingTransform(transformed(p), lambda *sizes: Net(p))


def spline_coupling(p):
    kind = t.PiecewiseRationalQuadraticCouplingTransform
    return kind(transformed(p), lambda *sizes: Net(p, slopes_last), **spline_options(p))


def image_coupling(p):
    kind = t.PiecewiseRationalQuadraticCouplingTransform
    mask = (torch.arange(p.image[0]) >= p.kept).int()
    return Image(kind(mask, lambda *sizes: ImageNet(p), **spline_options(p)), p.image)


def transformed(p):
    return (torch.arange(p.x.shape[-1]) >= p.kept).int()


def affine_autoregressive(p):
    def turned(raw):
        """Return what stands for the scale and the shift of z = x/σ − μ/σ."""
        log_scale = 3 * torch.tanh(raw[..., 1] / 3)
        scale = softplus_inverse((-log_scale).exp() - 1e-3)
        return torch.stack([scale, -raw[..., 0] * (-log_scale).exp()], -1)

    layer = t.MaskedAffineAutoregressiveTransform(p.x.shape[-1], 8)
    layer.autoregressive_net = Net(p, turned)
    return layer


def spline_autoregressive(p):
    kind = t.MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    layer = kind(p.x.shape[-1], 8, **spline_options(p))
    layer.autoregressive_net = Net(p, slopes_last)
    return layer


def spline_options(p):
    bins = (p.b2.shape[-1] + 1) // 3
    return {"num_bins": bins, "tails": "linear", "tail_bound": p.bound.item()}


def slopes_last(raw):
    """Add to the raw slopes what ours add to make zero stand for one."""
    bins = (raw.shape[-1] + 1) // 3
    return torch.cat([raw[..., : 2 * bins], raw[..., 2 * bins :] + UNIT], -1)


def flow(p):
    dim = p.spline_x.shape[-1]
    layers = [
        spline_autoregressive(part(p, "spline")),
        t.ReversePermutation(dim),
        affine_autoregressive(part(p, "affine")),
    ]
    return Flow(t.CompositeTransform(layers), StandardNormal([dim]))


def turned_around(build):
    return lambda p: t.InverseTransform(build(p))


def evaluate(function, direction, rows):
    with torch.no_grad():
        if isinstance(function, Flow):
            return function.log_prob(rows), 0.0
        return function(rows) if direction == "inverse" else function.inverse(rows)


CASES = {
    "rational_quadratic_spline": rational_quadratic_spline,
    "interval_spline": interval_spline,
    "linear_spline": linear_spline,
    "cubic_spline": cubic_spline,
    "affine": turned_around(lambda p: t.PointwiseAffineTransform(p.loc, p.scale)),
    "sigmoid": turned_around(lambda p: t.Sigmoid()),
    "tanh": turned_around(lambda p: t.Tanh()),
    "leaky_relu": turned_around(lambda p: t.LeakyReLU(p.slope.item())),
    "matrix": turned_around(matrix),
    "lu": turned_around(lu),
    "qr": turned_around(qr),
    "svd": turned_around(svd),
    "householder": turned_around(lambda p: reflections(p.vectors)),
    "permutation": turned_around(lambda p: t.Permutation(p.order)),
    "act_norm": turned_around(act_norm),
    "convolution_after_order": turned_around(convolution_after_order),
    "additive_coupling": turned_around(additive_coupling),
    "spline_coupling": spline_coupling,
    "image_coupling": image_coupling,
    "affine_autoregressive": affine_autoregressive,
    "spline_autoregressive": spline_autoregressive,
    "flow": flow,
}
# The others are wrong (the last bin's slope is moved by its search for the bin) or fail (linear
# systems by a function that torch has removed).
ONLY = {"linear_spline": "inverse", "matrix": "forward"}

run(CASES, evaluate, torch.as_tensor, importlib.metadata.version("nflows"), ONLY)
