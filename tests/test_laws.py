"""Laws × cases: one item each; the whole grid, also after a learning step, is slow."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
import pytest

import laws
from cases import CASES, DENSITIES, MODELS, TRANSFORMS, Case

BIJECTIVE = {**TRANSFORMS, **MODELS}
DENSE = {**DENSITIES, **MODELS}


@dataclasses.dataclass(frozen=True)
class Law:
    """Name a law, the cases it is for, whether it needs float64, and how parameters are moved."""

    name: str
    check: Callable
    cases: dict[str, Case]
    wide: bool
    spread: float | str = 0.2


def _those(cases: dict[str, Case], promise: Callable[[Case], object]) -> dict[str, Case]:
    return {name: case for name, case in cases.items() if promise(case)}


WITH_CONTEXT = _those(BIJECTIVE, lambda case: case.context_dim)
PATTERNED = _those(BIJECTIVE, lambda case: case.sparsity is not None)
ORDERED = ("autoregressive", "invert", "maf", "nsf")
UNORDERED = {
    name: case
    for name, case in BIJECTIVE.items()
    if case.dim == 1 or "coupling" in name or not name.startswith(ORDERED)
}
COMPOSED = {**{k: CASES[k] for k in ("chain", "scan")}, **MODELS}
PLANE = _those(DENSE, lambda case: case.dim <= 2)
BOUNDED = _those(TRANSFORMS, lambda case: np.isfinite(case.edges).any())
BOUNDED_DENSE = _those(DENSE, lambda case: np.isfinite(case.edges).any())
SCANNED = {
    "scan": CASES["scan"],
    **{name: case for name, case in MODELS.items() if not name.startswith("gaussian")},
}

GRID = (
    Law("round_trip", laws.round_trip, BIJECTIVE, True),
    Law("round_trip_float32", laws.round_trip_by_layer, BIJECTIVE, False, 0.1),
    Law("composed", laws.composed_round_trip, COMPOSED, False, 0.1),
    Law("same_dlogp", laws.same_dlogp, BIJECTIVE, True, 0.1),
    Law("determinant", laws.determinant, BIJECTIVE, True),
    Law("differences", laws.differences, BIJECTIVE, True),
    Law("determinant_forward", laws.determinant_forward, BIJECTIVE, True, 0.1),
    Law("sparsity", laws.sparsity, PATTERNED, False),
    Law("context", laws.context_reaches, WITH_CONTEXT, False),
    Law("rows_are_separate", laws.rows_are_separate, CASES, False),
    Law("finite", laws.finite_everywhere, CASES, False),
    Law("impossible", laws.outside_is_impossible, BOUNDED, False),
    Law("no_mass", laws.outside_has_no_mass, BOUNDED_DENSE, False),
    Law("called_in_any_way", laws.called_in_any_way, CASES, True, 0.1),
    Law("scan_is_chain", laws.scan_is_chain, SCANNED, True, 0.1),
    Law("leaves_move", laws.leaves_move, CASES, False),
    Law("mass", laws.mass_is_one, PLANE, True, 0.15),
    Law("samples", laws.samples_have_the_density, DENSE, True, 0.1),
    Law("infinite", laws.infinity_is_impossible, DENSE, False),
    Law("bins", laws.samples_fill_bins, PLANE, True, 0.1),
)
ONLY_SLOW = (
    Law("compiled_is_eager", laws.compiled_is_eager, CASES, True, 0.1),
    Law("sharded_is_single", laws.sharded_is_single, CASES, True, 0.1),
    Law("round_trip_sharp", laws.round_trip_by_layer, BIJECTIVE, True, "sharp"),
    # In an autoregressive layer an early feature that float32 cannot tell moves all later ones.
    Law("round_trip_sharp_float32", laws.round_trip_by_layer, UNORDERED, False, "sharp"),
    Law("determinant_sharp", laws.determinant_by_layer, BIJECTIVE, True, "sharp"),
    Law("finite_sharp", laws.finite_everywhere, CASES, False, "sharp"),
    Law("round_trip_after_step", laws.round_trip, BIJECTIVE, True, "step"),
    Law("round_trip_float32_after_step", laws.round_trip_by_layer, BIJECTIVE, False, "step"),
    Law("composed_after_step", laws.composed_as_rounded, COMPOSED, False, "step"),
    Law("same_dlogp_after_step", laws.same_dlogp, BIJECTIVE, True, "step"),
    Law("differences_after_step", laws.differences, BIJECTIVE, True, "step"),
    Law("determinant_after_step", laws.determinant, BIJECTIVE, True, "step"),
    Law("rows_are_separate_after_step", laws.rows_are_separate, CASES, False, "step"),
    Law("sparsity_after_step", laws.sparsity, PATTERNED, False, "step"),
    Law("context_after_step", laws.context_reaches, WITH_CONTEXT, False, "step"),
    Law("finite_after_step", laws.finite_everywhere, CASES, False, "step"),
    Law("called_in_any_way_after_step", laws.called_in_any_way, CASES, True, "step"),
    Law("scan_is_chain_after_step", laws.scan_is_chain, SCANNED, True, "step"),
    Law("mass_after_step", laws.mass_is_one, PLANE, True, "step"),
    Law("samples_after_step", laws.samples_have_the_density, DENSE, True, "step"),
)
ONE_FEATURE = "the only feature has none before it, so the weights on features stay masked"
OVERFLOWS = "exp x, the latent of x = log z, is more than a float can hold"
EXCEPTIONS = {
    ("leaves_move", "autoregressive_one"): ONE_FEATURE,
    ("leaves_move", "autoregressive_one_context"): ONE_FEATURE,
    ("leaves_move", "nsf_one"): ONE_FEATURE,
    ("leaves_move", "naf_one"): ONE_FEATURE,
    ("leaves_move", "simplex_nsf"): ONE_FEATURE,
    **{
        (law + how, "log"): OVERFLOWS
        for law in ("round_trip", "round_trip_float32", "finite")
        for how in ("", "_after_step")
    },
    **{
        (law, "log"): OVERFLOWS
        for law in ("round_trip_sharp", "round_trip_sharp_float32", "finite_sharp")
    },
}


DEAR = (
    ("mass", "naf"),
    ("bins", "naf"),
    ("samples", "naf_one"),
    ("round_trip", "autoregressive_dense_context"),
    ("round_trip", "deep_dense_sigmoidal"),
    ("determinant_forward", "crs_coupling_context"),
    ("determinant", "glow_levels"),
    ("bins", "abs_flow"),
    ("leaves_move", "scan"),
    ("called_in_any_way", "sum_of_squares"),
    ("samples", "flowpp"),
    ("rows_are_separate", "deep_dense_sigmoidal"),
    ("determinant_forward", "sum_of_squares"),
    ("round_trip", "glow_levels"),
    ("leaves_move", "spline_16"),
    ("finite", "spline_16"),
    ("round_trip", "naf"),
    ("round_trip_float32", "deep_dense_sigmoidal"),
    ("called_in_any_way", "mixture_cdf"),
)
"""Pairs that take more than three seconds to compile: left to the slow run."""


DEFAULT = [
    name
    for name in CASES
    if not name.endswith("_context") or name.removesuffix("_context") not in CASES
]
"""Cases of the default run: not those that add a context to another."""


def _pairs():
    """Yield every pair; the default run has one law of each case of `DEFAULT`, in turn."""
    for name, case in CASES.items():
        mine = [law for law in GRID if name in law.cases]
        cheap = [law for law in mine if (law.name, name) not in DEAR]
        default = cheap[-DEFAULT.index(name) % len(cheap)] if name in DEFAULT else None
        for law in (*mine, *(law for law in ONLY_SLOW if name in law.cases)):
            marks = [] if law is default else [pytest.mark.slow]
            if (law.name, name) in EXCEPTIONS:
                reason = EXCEPTIONS[law.name, name]
                marks.append(pytest.mark.xfail(reason=reason, strict=True))
            yield pytest.param(law, case, id=f"{law.name}-{name}", marks=marks)


@pytest.mark.parametrize(("law", "case"), list(_pairs()))
def test_law(law, case, rng):
    with jax.enable_x64(law.wide):
        thing = case.make(jax.random.key(int(rng.integers(2**31))))
        assert (thing.support == "real") == (not np.isfinite(case.edges).any())
        if law.spread == "sharp":
            thing = laws.sharp(thing, rng)
        elif law.spread == "step":
            thing = laws.after_a_step(case, laws.perturbed(thing, rng, 0.1), rng)
        else:
            thing = laws.perturbed(thing, rng, law.spread)
        law.check(case, thing, rng)


def test_number_of_pairs():
    pairs = list(_pairs())
    default = [pair.id for pair in pairs if not any(m.name == "slow" for m in pair.marks)]
    assert len(CASES) == 209
    assert len(pairs) == 5350
    assert len(default) == 184
    assert [name.split("-")[1] for name in default] == DEFAULT
    assert {name.split("-")[0] for name in default} == {law.name for law in GRID}
