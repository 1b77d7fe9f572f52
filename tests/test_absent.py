"""Absent features: for each set of them a flow is a flow of the others."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import OptionError
from pushforward.transforms import Affine, Chain, Coupling, MarginalSpline, Present, Warp

FLOWS = {
    "nsf": ("nsf", {}),
    "nsf_coupling": ("nsf", {"coupling": True}),
    "nsf_linear": ("nsf", {"linear": True}),
    "maf_linear": ("maf", {"linear": True}),
    "realnvp": ("realnvp", {}),
}
DEFAULT = ("nsf_linear", "nsf_coupling")
NAMES = [n if n in DEFAULT else pytest.param(n, marks=pytest.mark.slow) for n in FLOWS]
PATTERNS = [p for p in itertools.product([False, True], repeat=3) if not all(p)]


def build(name, rng, spread=0.2, context_dim=1, **more):
    recipe, options = FLOWS[name]
    options = {"layers": 3, "hidden": (8, 8), **options, **more}
    flow = pf.models.build(recipe, 3, key=jax.random.key(0), context_dim=context_dim, **options)
    return perturbed(flow, rng, spread)


@pytest.mark.parametrize("name", NAMES)
def test_volume_and_round_trip_of_what_is_there(name, rng):
    """dlogp = log|det ∂z/∂x| over the features that are there; absent ones stay absent."""
    with jax.enable_x64(True):
        flow = build(name, rng, partial=True)
        inverse = jax.jit(lambda v, c: flow.transform.inverse(v, c))
        for absent in map(np.array, PATTERNS):
            x = jnp.asarray(np.where(absent, np.nan, rng.normal(0, 2, 3)))
            context = jnp.asarray(rng.standard_normal(1))
            z, dlogp = inverse(x, context)
            latent = np.flatnonzero(~np.isnan(z))  # layers change the features' order
            assert len(latent) == (~absent).sum()
            back, again = flow.transform.forward(z, context)
            np.testing.assert_allclose(back, x, rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(dlogp, again, rtol=1e-8, atol=1e-8)
            there = np.flatnonzero(~absent)

            def of_those(part, x=x, there=there, latent=latent, context=context):
                return inverse(x.at[there].set(part), context)[0][latent]

            matrix = np.asarray(jax.jacrev(of_those)(x[there]))
            np.testing.assert_allclose(dlogp, np.linalg.slogdet(matrix)[1], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_with_everything_there_it_is_the_plain_flow(name, rng):
    seed = int(rng.integers(2**31))
    partial, plain = (
        build(name, np.random.default_rng(seed), partial=flag) for flag in (True, False)
    )
    x, context = rng.standard_normal((50, 3)), rng.standard_normal((50, 1))
    np.testing.assert_allclose(
        partial.log_prob(x, context), plain.log_prob(x, context), rtol=1e-5, atol=1e-5
    )
    assert np.isnan(plain.log_prob(np.full((1, 3), np.nan), context[:1])).all()


@pytest.mark.parametrize("name", ["nsf_linear", "nsf_coupling"])
def test_mass_of_what_is_there_is_one(name, rng):
    flow = build(name, rng, 0.1, partial=True, context_dim=0)
    # The bulk fits on ±12 with room, and nothing is sharp: little moved from the standard normal.
    grid = np.linspace(-12, 12, 801)
    step = grid[1] - grid[0]
    for absent in map(np.array, PATTERNS):
        n = int((~absent).sum())
        if n == 3:
            continue
        mesh = np.stack(np.meshgrid(*[grid] * n, indexing="ij"), -1).reshape(-1, n)
        x = np.full((len(mesh), 3), np.nan)
        x[:, ~absent] = mesh
        mass = np.exp(np.asarray(flow.log_prob(x), np.float64)).sum() * step**n
        # Splines have kinks, at which the trapezoid rule errs by O(step²) of a bin's mass.
        assert abs(mass - 1) < 5e-3, (absent, mass)


@pytest.mark.parametrize("name", FLOWS)
def test_no_rows(name, rng):
    flow = build(name, rng, partial=True)
    context = np.zeros((0, 1))
    assert flow.log_prob(np.zeros((0, 3)), context).shape == (0,)
    assert flow.sample(jax.random.key(0), None, context).shape == (0, 3)


def test_learning_passes_absent_features(rng):
    flow = build("nsf_linear", rng, partial=True)
    x, context = rng.standard_normal((64, 3)), rng.standard_normal((64, 1))
    x[rng.random(x.shape) < 0.5] = np.nan
    params, rest = pf.partition(flow)
    gradient = jax.grad(lambda p: -pf.combine(p, rest).log_prob(x, context).mean())(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_columns_that_are_there(rng):
    """`Present` gives what the map gives for those features alone."""
    with jax.enable_x64(True):
        knots = (np.array([-1.0, 0.5, 2.0]), np.array([-2.0, 0.0, 1.0]), np.array([0.5, 1.0, 2.0]))
        parts = lambda n: Chain(  # noqa: E731
            [
                MarginalSpline([knots] * n),
                Affine(np.full(n, 0.3), np.full(n, 2.0)),
                Warp(("arcsinh",) * n),
            ]
        )
        x = rng.normal(0, 3, (3, 20))
        absent = rng.random(x.shape) < 0.4
        z, dlogp = Present(parts(3)).inverse(jnp.where(absent, jnp.nan, x))
        np.testing.assert_array_equal(np.isnan(z), absent)
        for i in range(x.shape[1]):
            there = np.flatnonzero(~absent[:, i])
            alone = parts(len(there)).inverse(jnp.asarray(x[there, i])) if len(there) else ([], 0.0)
            np.testing.assert_allclose(z[there, i], alone[0], atol=1e-10)
            np.testing.assert_allclose(dlogp[i], alone[1], atol=1e-10)
        back, again = Present(parts(3)).forward(z)
        np.testing.assert_allclose(back, np.where(absent, np.nan, x), atol=1e-8)
        np.testing.assert_allclose(again, dlogp, atol=1e-8)
    coupling = Coupling(2, Affine(), key=jax.random.key(0), context_dim=1)
    with pytest.raises(OptionError, match="context"):
        Present(coupling)
