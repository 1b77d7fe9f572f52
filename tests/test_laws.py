"""Laws × cases: one item each; the whole grid after random, sharp and learned parameters is slow."""

import jax
import pytest

from cases import CASES, DENSITIES, MODELS, TRANSFORMS
from laws import (
    after_a_step,
    called_in_any_way,
    context_reaches_every_feature,
    determinant,
    finite_everywhere,
    mass_is_one,
    perturbed,
    round_trip,
    rows_are_separate,
    same_dlogp,
    samples_fill_bins,
    samples_have_the_density,
)

BIJECTIVE = {**TRANSFORMS, **MODELS}
DENSE = {**DENSITIES, **MODELS}
WITH_CONTEXT = {k: c for k, c in BIJECTIVE.items() if c.context_dim and k != "chain"}
PLANE = {k: c for k, c in DENSE.items() if c.dim <= 2 and not c.context_dim}

# law, its cases, float64, spread of the parameters
GRID = [
    ("round_trip", round_trip, BIJECTIVE, True, 0.3),
    ("round_trip_float32", round_trip, BIJECTIVE, False, 0.1),
    ("same_dlogp", same_dlogp, BIJECTIVE, True, 0.1),
    ("determinant", determinant, BIJECTIVE, True, 0.3),
    ("rows_are_separate", rows_are_separate, CASES, False, 0.3),
    ("context", context_reaches_every_feature, WITH_CONTEXT, False, 0.3),
    ("finite", finite_everywhere, CASES, False, 0.3),
    ("called_in_any_way", called_in_any_way, CASES, False, 0.1),
    ("mass", mass_is_one, PLANE, True, 0.3),
    ("samples", samples_have_the_density, DENSE, True, 0.2),
    ("bins", samples_fill_bins, PLANE, True, 0.3),
]
ONLY_SLOW = [
    ("round_trip_sharp", round_trip, BIJECTIVE, True, 1.0),
    ("finite_sharp", finite_everywhere, CASES, False, 3.0),
    ("round_trip_after_step", round_trip, BIJECTIVE, True, None),
    ("determinant_after_step", determinant, BIJECTIVE, True, None),
    ("rows_are_separate_after_step", rows_are_separate, CASES, False, None),
    ("context_after_step", context_reaches_every_feature, WITH_CONTEXT, False, None),
    ("finite_after_step", finite_everywhere, CASES, False, None),
    ("called_in_any_way_after_step", called_in_any_way, CASES, False, None),
    ("mass_after_step", mass_is_one, PLANE, True, None),
    ("samples_after_step", samples_have_the_density, DENSE, True, None),
]
EXCEPTIONS = {}


def _pairs():
    for grid, slow in ((GRID, False), (ONLY_SLOW, True)):
        for name, law, cases, wide, spread in grid:
            for case in cases:
                marks = [pytest.mark.slow] if slow else []
                if (name, case) in EXCEPTIONS:
                    reason = EXCEPTIONS[name, case]
                    marks.append(pytest.mark.xfail(reason=reason, strict=True))
                yield pytest.param(
                    law, cases[case], wide, spread, id=f"{name}-{case}", marks=marks
                )


@pytest.mark.parametrize(("law", "case", "wide", "spread"), list(_pairs()))
def test_law(law, case, wide, spread, rng):
    with jax.enable_x64(wide):
        thing = case.make(jax.random.key(int(rng.integers(2**31))))
        start = perturbed(thing, rng, 0.1 if spread is None else spread)
        thing = after_a_step(case, start, rng) if spread is None else start
        law(case, thing, rng)


def test_number_of_pairs():
    assert len(list(_pairs())) == sum(len(grid[2]) for grid in (*GRID, *ONLY_SLOW))
    assert len(CASES) == 48
    covered = {case for grid in GRID for case in grid[2]}
    assert covered == set(CASES)
