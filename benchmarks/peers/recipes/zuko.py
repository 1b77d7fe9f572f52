"""zuko's recipes: reversed orders or alternating masks between layers, a standard normal base."""

from functools import partial

import torch
import zuko
from zuko.flows import MAF, NAF, NICE, NSF, UNAF, RealNVP
from zuko.lazy import UnconditionalTransform
from zuko.transforms import AdditiveTransform, MonotonicAffineTransform

from benchmarks.peers.recipes.common import main
from benchmarks.peers.recipes.loop import learn

HIDDEN = (64, 64)


def nice(dim):
    """Its NICE is affine unless told otherwise, and lacks the scales of the paper's last layer."""
    flow = NICE(
        dim, transforms=6, univariate=AdditiveTransform, shapes=[()], hidden_features=HIDDEN
    )
    zeros = torch.zeros(dim)
    scales = UnconditionalTransform(MonotonicAffineTransform, zeros, zeros.clone())
    flow.transform.transforms.append(scales)
    return flow


RECIPES = {
    "nice": nice,
    "realnvp": partial(RealNVP, transforms=6, hidden_features=HIDDEN),
    "maf": partial(MAF, transforms=5, hidden_features=HIDDEN),
    "nsf": partial(NSF, transforms=5, hidden_features=HIDDEN, bins=8),
    "nsf_coupling": partial(NSF, transforms=5, hidden_features=HIDDEN, bins=8, passes=2),
    "naf": partial(NAF, transforms=3, hidden_features=HIDDEN),
    "umnn": partial(UNAF, transforms=3, hidden_features=HIDDEN),
}
ABSENT = {"bnaf": "no block neural autoregressive layer"}

if __name__ == "__main__":
    main(
        partial(learn, log_prob=lambda flow, rows: flow().log_prob(rows)),
        RECIPES,
        ABSENT,
        zuko.__version__,
    )
