"""normflows' recipes, on its usual base: a normal with trained means and scales.

Spline layers have residual nets there: one block of two layers of 64 after a linear one.
"""

from functools import partial
from importlib.metadata import version

import normflows as nf

from benchmarks.peers.recipes.common import main
from benchmarks.peers.recipes.loop import learn

WIDTH = 64
SPLINE = {"num_blocks": 1, "num_hidden_channels": WIDTH, "num_bins": 8, "tail_bound": 5.0}


def stack(dim, layers):
    """Return a flow of these layers, latent → data."""
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(dim), layers)


def coupling(dim, scale):
    """Stack affine or (`scale=False`) additive coupling layers that swap halves in between."""
    kept = (dim + 1) // 2
    layers = []
    for _ in range(6):
        sizes = [kept, WIDTH, WIDTH, (dim - kept) * (2 if scale else 1)]
        net = nf.nets.MLP(sizes, init_zeros=True)
        layers += [nf.flows.AffineCouplingBlock(net, scale=scale)]
        layers += [nf.flows.Permute(dim, mode="swap")]
    return stack(dim, layers)


def maf(dim):
    """Stack affine layers, turned round: as they come, they sample in one pass instead.

    The first linear layer of their plain nets has no ReLU: two blocks make two hidden layers.
    """
    layers = []
    for _ in range(5):
        layer = nf.flows.MaskedAffineAutoregressive(
            dim, WIDTH, num_blocks=2, use_residual_blocks=False
        )
        layers += [nf.flows.Reverse(layer), nf.flows.Permute(dim)]
    return stack(dim, layers)


def nsf(dim):
    """Stack autoregressive splines with random orders in between."""
    layers = []
    for _ in range(5):
        layers += [nf.flows.AutoregressiveRationalQuadraticSpline(dim, **SPLINE)]
        layers += [nf.flows.Permute(dim)]
    return stack(dim, layers)


def nsf_coupling(dim):
    """Stack coupling splines with alternating masks."""
    layer = partial(nf.flows.CoupledRationalQuadraticSpline, dim, **SPLINE)
    return stack(dim, [layer(reverse_mask=i % 2 == 1) for i in range(5)])


RECIPES = {
    "nice": partial(coupling, scale=False),
    "realnvp": partial(coupling, scale=True),
    "maf": maf,
    "nsf": nsf,
    "nsf_coupling": nsf_coupling,
}
ABSENT = {
    "naf": "no neural autoregressive layer",
    "umnn": "no integrated layer",
    "bnaf": "no block neural autoregressive layer",
}

if __name__ == "__main__":
    main(
        partial(learn, log_prob=lambda flow, rows: flow.log_prob(rows)),
        RECIPES,
        ABSENT,
        version("normflows"),
    )
