"""Codes and values together: total mass, samples, what is absent, what is learned."""

import itertools

import jax
import numpy as np
import pandas as pd
import pytest

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities import CategoricalAutoregressive, Mixed

SIZES, PRESENCE = (3, 2), (0, -1)
"""Two codes and two values; the first value is there where the first code is 0."""

GRID = np.linspace(-10, 10, 401)
CODES = np.array(list(itertools.product(*map(range, SIZES))))


def build(context_dim=0, **options):
    codes = CategoricalAutoregressive(
        SIZES, key=jax.random.key(0), context_dim=context_dim, hidden=(8, 8)
    )
    options = {"layers": 2, "hidden": (16, 16), "partial": True, "linear": True, **options}
    values = pf.models.nsf(
        2, key=jax.random.key(1), context_dim=codes.n_flags + context_dim, **options
    )
    return Mixed(codes, values, PRESENCE)


def masses(model, context=None):
    """Return per pair of codes its mass and the mean of the second value, by quadrature."""
    step, found = GRID[1] - GRID[0], []
    for pair in CODES:
        first = GRID if pair[0] == 0 else np.array([7.0])  # what stands there is ignored
        mesh = np.stack(np.meshgrid(first, GRID, indexing="ij"), -1).reshape(-1, 2)
        rows = np.concatenate([np.tile(pair, (len(mesh), 1)), mesh], 1)
        p = np.exp(np.asarray(model.log_prob(rows, context), np.float64))
        p *= step ** (1 + (pair[0] == 0))
        found.append((p.sum(), (p * mesh[:, 1]).sum()))
    mass, first_moment = np.array(found).T
    return mass, first_moment / mass


@pytest.mark.parametrize("context_dim", [0, 1])
def test_mass_is_one_and_samples_are_its_own(context_dim, rng):
    model = perturbed(build(context_dim), rng, 0.1)
    context = rng.standard_normal(context_dim) if context_dim else None
    mass, mean = masses(model, context)
    assert abs(mass.sum() - 1) < 2e-3  # kinks of splines under the trapezoid rule
    drawn = np.asarray(model.sample(jax.random.key(3), 20_000, context), np.float64)
    assert np.isfinite(drawn).all()
    assert (drawn[drawn[:, 0] > 0, 2] == 0).all()
    place = np.ravel_multi_index(drawn[:, :2].astype(int).T, SIZES)
    share = np.bincount(place, minlength=len(mass)) / len(drawn)
    assert (np.abs(share - mass) < 5 * np.sqrt(mass / len(drawn)) + 1e-4).all()
    for k in np.flatnonzero(share * len(drawn) > 200):
        values = drawn[place == k, 3]
        assert abs(values.mean() - mean[k]) < 5 * values.std() / np.sqrt(len(values))


def test_impossible_codes_and_unknown_values(rng):
    model = perturbed(build(), rng, 0.1)
    rows = np.array(
        [[0, 0, 1, 1], [1, 0, 1, 1], [1, 0, np.nan, 1], [3, 0, 1, 1], [0, 0, np.nan, 1]], float
    )
    log_p = np.asarray(model.log_prob(rows))
    assert np.isfinite(log_p[:3]).all()
    assert log_p[1] == log_p[2]
    assert log_p[3] == -np.inf
    assert np.isnan(log_p[4])


def test_what_does_not_fit_is_refused():
    codes = CategoricalAutoregressive(SIZES, key=jax.random.key(0))
    whole = pf.models.nsf(2, key=jax.random.key(1), context_dim=codes.n_flags, layers=1)
    assert Mixed(codes, whole, (-1, -1)).dim == 4
    with pytest.raises(OptionError, match="partial"):
        Mixed(codes, whole, PRESENCE)
    with pytest.raises(ShapeError, match="presence"):
        Mixed(codes, whole, (-1,))
    with pytest.raises(ShapeError, match="flags"):
        Mixed(codes, pf.models.nsf(2, key=jax.random.key(1), layers=1), (-1, -1))
    alone = Mixed(codes, None, ())
    np.testing.assert_allclose(np.exp(alone.log_prob(CODES)).sum(), 1, rtol=1e-5)


def test_it_learns_values_that_follow_codes(rng):
    """Held-out nats come close to the truth's: x1 | code, absent half the time, x2 | x1, code."""

    def draw(n):
        codes = np.stack([rng.choice(3, n, p=[0.5, 0.3, 0.2]), rng.integers(2, size=n)], 1)
        there = codes[:, 0] == 0
        x1 = np.where(there, 2.0 * codes[:, 1] - 1 + 0.3 * rng.standard_normal(n), 0.0)
        centre = np.where(there, x1, codes[:, 0])
        x2 = centre + 0.5 * rng.standard_normal(n)
        log_p = np.log(np.array([0.5, 0.3, 0.2])[codes[:, 0]] / 2)
        log_p += -0.5 * ((x2 - centre) / 0.5) ** 2 - np.log(0.5 * np.sqrt(2 * np.pi))
        first = -0.5 * ((x1 - 2 * codes[:, 1] + 1) / 0.3) ** 2 - np.log(0.3 * np.sqrt(2 * np.pi))
        return np.column_stack([codes, x1, x2]), log_p + np.where(there, first, 0.0)

    rows, _ = draw(8000)
    fresh, truth = draw(4000)
    model = pf.fit(build(hidden=(32, 32)), rows, key=jax.random.key(2), max_epochs=20).model
    gap = truth - np.asarray(model.log_prob(fresh))
    error = gap.std() / np.sqrt(len(gap))
    assert -3 * error < gap.mean() < 0.08 + 3 * error, gap.mean()


def test_saved_and_loaded(rng, tmp_path):
    model = perturbed(build(), rng, 0.1)
    pf.save(model, tmp_path / "m")
    rows = np.asarray(model.sample(jax.random.key(0), 20))
    np.testing.assert_array_equal(pf.load(tmp_path / "m").log_prob(rows), model.log_prob(rows))


def test_a_code_that_no_row_has_is_as_good_as_impossible():
    learned = CategoricalAutoregressive((3,), key=jax.random.key(0), hidden=(8,))
    masses = np.array([0.6, 0.0, 0.4])
    counted = learned.counted(masses, np.array([[0.0], [2.0]]), np.array([0.6, 0.4]))
    found = np.exp(counted.log_prob(np.arange(3.0)[:, None]))
    np.testing.assert_allclose(found, masses, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("sizes", [(3,), (3, 2), (3, 4)])
def test_counted_masses(sizes, rng):
    """The first code's law is its masses; the second's mean over the rows is its share in them;
    and with their own shares the rows get no less likely."""
    learned = perturbed(
        CategoricalAutoregressive(sizes, key=jax.random.key(0), hidden=(8,)), rng, 0.5
    )
    every = np.array(list(itertools.product(*map(range, sizes))), float)
    rows = every[rng.choice(len(every), 400, p=rng.dirichlet(np.ones(len(every))))]
    weights = rng.uniform(0.5, 2, 400)
    masses = rng.dirichlet(np.ones(3))
    counted = learned.counted(masses, rows, weights)
    before, after = (np.exp(law.log_prob(every)).reshape(3, -1) for law in (learned, counted))
    np.testing.assert_allclose(after.sum(1), masses, rtol=1e-4)  # float32
    first = np.bincount(rows[:, 0].astype(int), weights, 3) / weights.sum()
    if len(sizes) > 1:
        given = after / after.sum(1, keepdims=True)  # p(second | first)
        second = np.bincount(rows[:, 1].astype(int), weights, sizes[1]) / weights.sum()
        np.testing.assert_allclose((first @ given)[second > 0], second[second > 0], rtol=1e-3)
        odds = [p[:, 1:] / p[:, :1] for p in (before, after)]
        moved = odds[1] / odds[0]  # biases move odds alike in all rows, up to the bound of logits
        np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), rtol=0.05)
    own = learned.counted(first, rows, weights)
    gain = np.average(own.log_prob(rows) - learned.log_prob(rows), weights=weights)
    assert gain > -1e-5
    conditional = CategoricalAutoregressive(sizes, key=jax.random.key(0), context_dim=1)
    with pytest.raises(OptionError, match="context"):
        conditional.counted(masses, rows, weights)


def test_the_first_column_of_codes_is_counted(rng):
    """Its shares among all rows but the hold-out, each state half a row more."""
    group = np.repeat(["a", "b", "c"], [30, 40, 50])
    table = pd.DataFrame({"group": group, "x": rng.normal(size=120)})
    fitted = pf.DensityEstimator("nsf", random_state=0, max_epochs=2).fit(table)
    masses = (np.array([30, 40, 50]) + 0.5) / 121.5
    law = fitted.model_.density.codes
    np.testing.assert_allclose(np.exp(law.log_prob(np.arange(3.0)[:, None])), masses, rtol=1e-5)
