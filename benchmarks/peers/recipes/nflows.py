"""nflows' recipes: alternating masks or reversed orders between layers, a standard normal base.

Coupling nets have to be residual there: one block of two layers of 64 after a linear one.
"""

from functools import partial
from importlib.metadata import version

import torch
from nflows.distributions.normal import DiagonalNormal, StandardNormal
from nflows.flows.base import Flow
from nflows.nn.nets import ResidualNet
from nflows.transforms import (
    AdditiveCouplingTransform,
    AffineCouplingTransform,
    CompositeTransform,
    MaskedAffineAutoregressiveTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
    PiecewiseRationalQuadraticCouplingTransform,
    ReversePermutation,
)

from benchmarks.peers.recipes.common import main
from benchmarks.peers.recipes.loop import learn

WIDTH = 64
SPLINE = {"num_bins": 8, "tails": "linear", "tail_bound": 5.0}


def coupling(dim, layer, layers, base=StandardNormal):
    """Stack coupling layers; `base` has trained means and scales for additive ones."""
    mask = torch.arange(dim) % 2 * 2 - 1
    net = partial(ResidualNet, hidden_features=WIDTH, num_blocks=1)
    parts = [layer(mask=mask * (-1) ** i, transform_net_create_fn=net) for i in range(layers)]
    return Flow(CompositeTransform(parts), base([dim]))


def autoregressive(dim, layer):
    """Stack masked layers of plain nets: the first linear layer counts besides the blocks."""
    parts = []
    for _ in range(5):
        net = {"hidden_features": WIDTH, "num_blocks": 1, "use_residual_blocks": False}
        parts += [ReversePermutation(dim), layer(features=dim, **net)]
    return Flow(CompositeTransform(parts), StandardNormal([dim]))


RECIPES = {
    "nice": partial(coupling, layer=AdditiveCouplingTransform, layers=6, base=DiagonalNormal),
    "realnvp": partial(coupling, layer=AffineCouplingTransform, layers=6),
    "maf": partial(autoregressive, layer=MaskedAffineAutoregressiveTransform),
    "nsf": partial(
        autoregressive,
        layer=partial(MaskedPiecewiseRationalQuadraticAutoregressiveTransform, **SPLINE),
    ),
    "nsf_coupling": partial(
        coupling, layer=partial(PiecewiseRationalQuadraticCouplingTransform, **SPLINE), layers=5
    ),
}
ABSENT = {
    "naf": "no neural autoregressive layer",
    "umnn": "not in the released package",
    "bnaf": "no block neural autoregressive layer",
}

if __name__ == "__main__":
    main(
        partial(learn, log_prob=lambda flow, rows: flow.log_prob(rows)),
        RECIPES,
        ABSENT,
        version("nflows"),
    )
