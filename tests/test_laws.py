"""Laws × cases: one item each; the whole grid, also after a learning step, is slow."""

import jax
import pytest

from cases import CASES, DENSITIES, MODELS, TRANSFORMS
from laws import (
    after_a_step,
    called_in_any_way,
    compiled_is_eager,
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
    ("mass", mass_is_one, PLANE, True, 0.15),
    ("samples", samples_have_the_density, DENSE, True, 0.2),
    ("bins", samples_fill_bins, PLANE, True, 0.1),
]
ONLY_SLOW = [
    ("compiled_is_eager", compiled_is_eager, CASES, False, 0.1),
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
    """Yield every pair; the default run takes a fixed fifth that holds every law and case."""
    names = list(CASES)
    for turn, (name, law, cases, wide, spread) in enumerate([*GRID, *ONLY_SLOW]):
        for case in cases:
            default = turn < len(GRID) and (names.index(case) + turn) % 5 == 0
            marks = [] if default else [pytest.mark.slow]
            if (name, case) in EXCEPTIONS:
                marks.append(pytest.mark.xfail(reason=EXCEPTIONS[name, case], strict=True))
            yield pytest.param(law, cases[case], wide, spread, id=f"{name}-{case}", marks=marks)


@pytest.mark.parametrize(("law", "case", "wide", "spread"), list(_pairs()))
def test_law(law, case, wide, spread, rng):
    with jax.enable_x64(wide):
        thing = case.make(jax.random.key(int(rng.integers(2**31))))
        start = perturbed(thing, rng, 0.1 if spread is None else spread)
        thing = after_a_step(case, start, rng) if spread is None else start
        law(case, thing, rng)


def test_number_of_pairs():
    pairs = list(_pairs())
    default = [pair.id for pair in pairs if not pair.marks]
    assert len(CASES) == 49
    assert len(pairs) == 776
    assert {name.split("-")[1] for name in default} == set(CASES)
    assert {name.split("-")[0] for name in default} == {grid[0] for grid in GRID}
