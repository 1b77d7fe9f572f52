"""Codes given those before them: masses of all states, samples, who depends on whom."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import OptionError
from pushforward.densities import CategoricalAutoregressive

SIZES = (3, 1, 4, 2)
STATES = np.array(list(itertools.product(*map(range, SIZES))))


def build(rng, context_dim=0, spread=0.7):
    law = CategoricalAutoregressive(
        SIZES, key=jax.random.key(0), context_dim=context_dim, hidden=(16, 16), residual=True
    )
    return perturbed(law, rng, spread)


def chi_square(counts, expected):
    few = expected < 10
    counts, expected = (np.r_[v[~few], v[few].sum()] for v in (counts, expected))
    return ((counts - expected) ** 2 / (expected + 0.1)).sum() / stats.chi2.isf(1e-6, len(counts))


@pytest.mark.parametrize("context_dim", [0, 2])
def test_masses_and_samples(context_dim, rng):
    """Masses of all 24 states sum to one, and 20,000 samples fill them."""
    law = build(rng, context_dim)
    context = rng.standard_normal(context_dim) if context_dim else None
    mass = np.exp(np.asarray(law.log_prob(STATES, context), np.float64))
    assert abs(mass.sum() - 1) < 1e-5
    drawn = np.asarray(law.sample(jax.random.key(1), 20_000, context)).astype(int)
    counts = np.bincount(np.ravel_multi_index(drawn.T, SIZES), minlength=len(STATES))
    assert chi_square(counts, mass / mass.sum() * len(drawn)) < 1


def test_a_code_sees_those_before_it(rng):
    """Moving what the law says of later codes leaves the earlier codes' joint masses alone."""
    law = build(rng, spread=0.2)
    mass = np.exp(np.asarray(law.log_prob(STATES), np.float64)).reshape(SIZES)
    owners = np.repeat(np.arange(len(SIZES)), SIZES)
    for j in (2, 3):
        bias = law.bias + np.where(owners >= j, rng.uniform(-3, 3, len(owners)), 0.0)
        moved = eqx.tree_at(lambda m: m.bias, law, jnp.asarray(bias, law.bias.dtype))
        again = np.exp(np.asarray(moved.log_prob(STATES), np.float64)).reshape(SIZES)
        later = tuple(range(j, len(SIZES)))
        np.testing.assert_allclose(again.sum(later), mass.sum(later), rtol=1e-4)
        assert np.abs(again - mass).max() > 1e-3


def test_it_learns_a_table_of_masses(rng):
    """Held-out nats come within three standard errors, and 0.01, of those of the truth."""
    table = np.log(rng.dirichlet(np.full(len(STATES), 0.5)))
    rows, fresh = (STATES[rng.choice(len(STATES), n, p=np.exp(table))] for n in (20_000, 5_000))
    masses = [np.bincount(rows[:, j], minlength=size) + 1.0 for j, size in enumerate(SIZES)]
    masses = [m / m.sum() for m in masses]
    start = CategoricalAutoregressive(SIZES, key=jax.random.key(0), masses=masses)
    product = sum(np.log(m)[fresh[:, j]] for j, m in enumerate(masses))
    np.testing.assert_allclose(start.log_prob(fresh), product, atol=1e-4)
    law = pf.fit(start, rows.astype(float), key=jax.random.key(1), max_epochs=15).model
    gap = table[np.ravel_multi_index(fresh.T, SIZES)] - np.asarray(law.log_prob(fresh))
    assert gap.mean() > -3 * gap.std() / np.sqrt(len(gap))
    assert gap.mean() < 0.02 + 3 * gap.std() / np.sqrt(len(gap)), gap.mean()


def test_what_cannot_be_is_impossible(rng):
    law = build(rng)
    rows = np.array([[0, 0, 0, 0], [3, 0, 0, 0], [0, 1, 0, 0], [0.5, 0, 0, 0], [-1, 0, 0, 0]])
    log_p = np.asarray(law.log_prob(rows))
    assert np.isfinite(log_p[0])
    assert (log_p[1:] == -np.inf).all()
    assert np.isnan(law.log_prob(np.array([np.nan, 0, 0, 0])))
    with pytest.raises(OptionError, match="sizes"):
        CategoricalAutoregressive((), key=jax.random.key(0))
    with pytest.raises(OptionError, match="masses"):
        CategoricalAutoregressive((2,), key=jax.random.key(0), masses=[np.array([1.0, 0.0])])
    one = CategoricalAutoregressive((1,), key=jax.random.key(0))
    assert one.log_prob(np.zeros(1)) == 0.0
    assert (np.asarray(one.sample(jax.random.key(0), 5)) == 0).all()


def test_saved_and_loaded(rng, tmp_path):
    law = build(rng, 2)
    pf.save(law, tmp_path / "m")
    context = rng.standard_normal((len(STATES), 2))
    again = pf.load(tmp_path / "m").log_prob(STATES, context)
    np.testing.assert_array_equal(again, law.log_prob(STATES, context))
