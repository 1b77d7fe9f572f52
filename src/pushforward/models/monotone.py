"""Flow recipes whose layers are increasing functions of other kinds than affine maps."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.models.stack import Net, check_sizes, flow, mixed
from pushforward.transforms.block import BlockAutoregressive
from pushforward.transforms.compose import Chain, Scan
from pushforward.transforms.cubic import CubicSpline
from pushforward.transforms.elementwise import Affine, Shift
from pushforward.transforms.integral import UnconstrainedMonotonic
from pushforward.transforms.piecewise import LinearRationalSpline, LinearSpline
from pushforward.transforms.polynomial import Bernstein, SumOfSquares
from pushforward.transforms.sigmoidal import DeepDenseSigmoidal, DeepSigmoidal, MixtureCDF


def nice(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 6,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    residual: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack additive coupling layers, and scale each feature at the end. Volumes change only there.

    With one column this is exactly a Gaussian.

    Source dinh2015nice
    """
    net = Net(context_dim, hidden, activation, residual)
    model = flow(dim, Shift(), net, key=key, layers=layers, coupling=True, linear=False, base=base)
    scales = Affine(jnp.zeros(dim), jnp.ones(dim))
    return Pushforward(Chain([model.transform, scales]), model.density)


def linear_spline(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 16,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack piecewise linear spline layers, autoregressive or (`coupling=True`) coupling.

    Source muller2019
    """
    template = LinearSpline(bins, bound)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def lrs(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack linear rational spline layers, autoregressive or (`coupling=True`) coupling.

    Source dolatabadi2020lrs
    """
    template = LinearRationalSpline(bins, bound)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def crs(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack monotone cubic spline layers, autoregressive or (`coupling=True`) coupling.

    Source durkan2019cubic
    """
    template = CubicSpline(bins, bound)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def flowpp(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = True,
    layers: int = 6,
    hidden: tuple[int, ...] = (64, 64),
    components: int = 8,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack layers of logistic mixture distribution functions, coupling by default.

    Source ho2019flowpp
    """
    template = MixtureCDF(components)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def naf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 3,
    hidden: tuple[int, ...] = (64, 64),
    units: int = 8,
    dense: bool = False,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack layers of deep sigmoidal functions, or of dense ones (`dense=True`).

    Source huang2018naf
    """
    template = DeepDenseSigmoidal(units) if dense else DeepSigmoidal(units)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def bernstein(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 3,
    hidden: tuple[int, ...] = (64, 64),
    degree: int = 16,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack layers of Bernstein polynomials, autoregressive or (`coupling=True`) coupling.

    Source ramasinghe2022
    """
    template = Bernstein(degree, bound)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def sospf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 3,
    hidden: tuple[int, ...] = (64, 64),
    polynomials: int = 3,
    degree: int = 3,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack layers of integrated sums of squared polynomials.

    Source jaini2019sos
    """
    template = SumOfSquares(polynomials, degree, bound)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def umnn(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 3,
    hidden: tuple[int, ...] = (64, 64),
    units: int = 8,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack layers that integrate a positive net; log-probabilities are numerical.

    Source wehenkel2019umnn
    """
    template = UnconstrainedMonotonic(units, bound)
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )


def bnaf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 5,
    hidden: tuple[int, ...] | None = None,
    base: Density | None = None,
) -> Pushforward:
    """Stack block neural autoregressive layers; `hidden` are the units of each feature.

    By default two layers of 8 units, more where the features are few: about 64 in all.

    Source decao2019bnaf
    """
    check_sizes(dim, context_dim, layers)
    units = (max(8, 64 // dim),) * 2 if hidden is None else tuple(hidden)
    parts = []
    for i, layer_key in enumerate(jax.random.split(key, layers)):
        order_key, net_key = jax.random.split(layer_key)
        core = BlockAutoregressive(dim, key=net_key, context_dim=context_dim, units=units)
        parts.append(Chain([core, mixed(dim, i, False, order_key)]))
    return Pushforward(Scan(parts), StandardNormal(dim) if base is None else base)
