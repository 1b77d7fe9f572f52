"""Increasing functions as templates, and the flows made of them."""

from cases.case import Case, before, kept, layer, own
from pushforward.densities import StudentT
from pushforward.models import build
from pushforward.transforms import (
    Bernstein,
    BlockAutoregressive,
    Coupling,
    CubicSpline,
    DeepDenseSigmoidal,
    DeepSigmoidal,
    LinearRationalSpline,
    LinearSpline,
    MaskedAutoregressive,
    MixtureCDF,
    Shift,
    SumOfSquares,
    UnconstrainedMonotonic,
)

TRANSFORMS = {
    "shift": Case(lambda key: Shift(), 2, sparsity=own(2)),
    "linear_spline": Case(lambda key: LinearSpline(6, 4.0), 2, sparsity=own(2)),
    "linear_rational": Case(lambda key: LinearRationalSpline(5, 4.0), 2, sparsity=own(2)),
    "cubic": Case(lambda key: CubicSpline(5, 4.0), 2, sparsity=own(2)),
    "mixture_cdf": Case(lambda key: MixtureCDF(4), 2, sparsity=own(2)),
    "deep_sigmoidal": Case(lambda key: DeepSigmoidal(4), 2, sparsity=own(2)),
    "deep_dense_sigmoidal": Case(lambda key: DeepDenseSigmoidal(3), 2, sparsity=own(2)),
    "bernstein_polynomial": Case(lambda key: Bernstein(9, 4.0), 2, sparsity=own(2)),
    "sum_of_squares": Case(lambda key: SumOfSquares(2, 3, 4.0), 2, sparsity=own(2)),
    "integral": Case(lambda key: UnconstrainedMonotonic(4, 4.0), 2, sparsity=own(2)),
    "coupling_shift": Case(layer(Coupling, 3, Shift), 3, sparsity=kept(3, 1)),
    "coupling_mixture_context": Case(
        layer(Coupling, 3, lambda: MixtureCDF(3), 2), 3, 2, sparsity=kept(3, 1), blind=1
    ),
    "autoregressive_dense_context": Case(
        layer(MaskedAutoregressive, 2, lambda: DeepDenseSigmoidal(2), 1), 2, 1, sparsity=before(2)
    ),
    "block": Case(lambda key: BlockAutoregressive(3, key=key, units=(4, 3)), 3, sparsity=before(3)),
    "block_one": Case(lambda key: BlockAutoregressive(1, key=key, units=(4,)), 1, sparsity=own(1)),
    "block_context": Case(
        lambda key: BlockAutoregressive(2, key=key, context_dim=2, units=(4,)),
        2,
        2,
        sparsity=before(2),
    ),
}

_SMALL = {"layers": 2, "hidden": (8, 8)}


def _model(name, dim=2, context_dim=0, **options):
    return Case(
        lambda key: build(name, dim, key=key, context_dim=context_dim, **{**_SMALL, **options}),
        dim,
        context_dim,
    )


MODELS = {
    "nice": _model("nice"),
    "linear_spline_flow": _model("linear_spline", bins=4),
    "lrs": _model("lrs", bins=4),
    "crs_coupling_context": _model("crs", 3, 1, coupling=True, bins=4),
    "crs": _model("crs", bins=4),
    "flowpp": _model("flowpp", components=3),
    "naf": _model("naf", units=3),
    "naf_one": _model("naf", 1, units=3),
    "bernstein": _model("bernstein", degree=6),
    "sospf_context": _model("sospf", 2, 1, polynomials=2, degree=2),
    "umnn": Case(
        # Made inside, so that the base has the run's precision.
        lambda key: build("umnn", 2, key=key, units=3, base=StudentT(2), **_SMALL),
        2,
    ),
    "umnn_coupling": _model("umnn", coupling=True, units=3),
    "bnaf": _model("bnaf", hidden=(4,)),
    "bnaf_context": _model("bnaf", 2, 2, hidden=(3,)),
}
