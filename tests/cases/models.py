"""Recipes, small."""

from cases.case import Case
from pushforward.densities import StudentT
from pushforward.models import build

_SMALL = {"layers": 2, "hidden": (8, 8)}

MODELS = {
    "gaussian": Case(lambda key: build("gaussian", 2, key=key), 2),
    "gaussian_context": Case(lambda key: build("gaussian", 3, key=key, context_dim=2), 3, 2),
    "realnvp": Case(lambda key: build("realnvp", 2, key=key, **_SMALL), 2),
    "realnvp_context": Case(
        lambda key: build("realnvp", 3, key=key, context_dim=2, **_SMALL), 3, 2
    ),
    "maf": Case(lambda key: build("maf", 2, key=key, linear=True, **_SMALL), 2),
    "maf_context": Case(lambda key: build("maf", 2, key=key, context_dim=1, **_SMALL), 2, 1),
    "nsf": Case(lambda key: build("nsf", 2, key=key, bins=4, **_SMALL), 2),
    "nsf_one": Case(lambda key: build("nsf", 1, key=key, bins=4, **_SMALL), 1),
    "nsf_context": Case(
        lambda key: build("nsf", 3, key=key, context_dim=2, bins=4, linear=True, **_SMALL), 3, 2
    ),
    "nsf_coupling": Case(lambda key: build("nsf", 2, key=key, coupling=True, bins=4, **_SMALL), 2),
    "nsf_coupling_context": Case(
        lambda key: build("nsf", 5, key=key, coupling=True, context_dim=1, bins=4, **_SMALL), 5, 1
    ),
    "nsf_student_t": Case(
        lambda key: build("nsf", 2, key=key, bins=4, base=StudentT(2), **_SMALL), 2
    ),
    "planar_stack": Case(lambda key: build("planar", 2, key=key, layers=3), 2),
    "planar_context": Case(
        lambda key: build("planar", 3, key=key, layers=2, context_dim=2, hidden=(8,)), 3, 2
    ),
    "radial_stack": Case(lambda key: build("radial", 2, key=key, layers=3), 2),
    "radial_context": Case(
        lambda key: build("radial", 2, key=key, layers=2, context_dim=1, hidden=(8,)), 2, 1
    ),
    "sylvester_stack": Case(lambda key: build("sylvester", 2, key=key, layers=2), 2),
    "sylvester_context": Case(
        lambda key: build("sylvester", 4, key=key, layers=2, rank=2, context_dim=1, hidden=(8,)),
        4,
        1,
    ),
    "sylvester_mixing_triangular": Case(
        lambda key: build("sylvester", 3, key=key, layers=2, mixing="triangular"), 3
    ),
    "iaf": Case(lambda key: build("iaf", 3, key=key, **_SMALL), 3),
    "iaf_context": Case(lambda key: build("iaf", 2, key=key, context_dim=1, **_SMALL), 2, 1),
    "nsf_network": Case(
        lambda key: build("nsf", 4, key=key, bins=4, parents=((), (0,), (), (1, 2)), **_SMALL), 4
    ),
    "taf": Case(lambda key: build("taf", 2, key=key, bins=4, **_SMALL), 2),
    "simplex_nsf": Case(
        lambda key: build("simplex_nsf", 1, key=key, bins=4, **_SMALL),
        1,
        low=0.05,
        high=0.95,
        support=(0.0, 1.0),
    ),
}
