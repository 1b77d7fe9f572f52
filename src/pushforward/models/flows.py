"""Flow recipes: functions that return a model.

With `partial=True` features may be absent, marked NaN (`transforms.absent`): for each set of
absent features the model is a flow of the others.
"""

from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.densities.pushforward import Pushforward
from pushforward.models.stack import Net, affine, flow
from pushforward.transforms.spline import RationalQuadraticSpline


def realnvp(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 6,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    partial: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack affine coupling layers: each half scales and shifts the other, in turn.

    Source dinh2017realnvp
    """
    net = Net(context_dim, hidden, activation, residual, partial=partial)
    return flow(
        dim, affine(layers), net, key=key, layers=layers, coupling=True, linear=linear, base=base
    )


def maf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    parents: tuple[tuple[int, ...], ...] | None = None,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    partial: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack masked affine autoregressive layers. With one column this is exactly a Gaussian.

    `parents` names for each feature the earlier ones that it depends on (a Bayesian network).

    Source papamakarios2017maf
    """
    net = Net(context_dim, hidden, activation, residual, parents, partial)
    return flow(
        dim, affine(layers), net, key=key, layers=layers, coupling=False, linear=linear, base=base
    )


def iaf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack inverse autoregressive layers: samples, with their densities, in one call of each net.

    The density of given rows costs a pass over the features. With one column this is exactly a
    Gaussian.

    Source kingma2016iaf
    """
    net = Net(context_dim, hidden, activation, residual)
    return flow(
        dim,
        affine(layers),
        net,
        key=key,
        layers=layers,
        coupling=False,
        linear=linear,
        base=base,
        inverted=True,
    )


def nsf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    bound: float = 5.0,
    parents: tuple[tuple[int, ...], ...] | None = None,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    partial: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack rational-quadratic spline layers, autoregressive or (`coupling=True`) coupling.

    `parents` names for each feature the earlier ones that it depends on (a Bayesian network).

    Source durkan2019nsf
    """
    template = RationalQuadraticSpline(bins, bound)
    net = Net(context_dim, hidden, activation, residual, parents, partial)
    return flow(
        dim, template, net, key=key, layers=layers, coupling=coupling, linear=linear, base=base
    )
