"""Discrete flows: masses of all states sum to one, samples have them, layers are permutations."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import OptionError


def build(rng, dim=3, categories=3, context_dim=0, coupling=False, spread=0.7):
    model = pf.models.discrete_flow(
        dim,
        key=jax.random.key(0),
        context_dim=context_dim,
        categories=categories,
        coupling=coupling,
        hidden=(8, 8),
    )
    return perturbed(model, rng, spread)


def states(dim, categories):
    return np.array(list(itertools.product(range(categories), repeat=dim)))


@pytest.mark.parametrize("coupling", [True, False])
@pytest.mark.parametrize("context_dim", [0, 2])
def test_masses_and_samples(coupling, context_dim, rng):
    """All 27 states: masses sum to one; 20,000 samples fill them; the multiset is a product's."""
    model = build(rng, context_dim=context_dim, coupling=coupling)
    context = rng.standard_normal(context_dim) if context_dim else None
    every = states(3, 3)
    mass = np.exp(np.asarray(model.log_prob(every, context), np.float64))
    assert abs(mass.sum() - 1) < 1e-5
    factors = np.asarray(jax.nn.softmax(model.logits, 0))
    product = np.einsum("i,j,k->ijk", *factors.T).ravel()
    np.testing.assert_allclose(np.sort(mass), np.sort(product), rtol=1e-4)
    drawn = np.asarray(model.sample(jax.random.key(1), 20_000, context)).astype(int)
    counts = np.bincount(drawn @ [9, 3, 1], minlength=27)
    expected = mass / mass.sum() * len(drawn)
    few = expected < 10
    counts, expected = (np.r_[v[~few], v[few].sum()] for v in (counts, expected))
    assert ((counts - expected) ** 2 / (expected + 0.1)).sum() < stats.chi2.isf(1e-6, len(counts))


@pytest.mark.parametrize("coupling", [True, False])
def test_layers_are_permutations(coupling, rng):
    moved = []
    for _ in range(3):  # one layer may be the identity by chance
        model = build(rng, coupling=coupling, spread=1.0)
        layer = jax.tree.map(lambda leaf: leaf[0], model.stacked)
        flags = jax.nn.one_hot(states(3, 3).T, 3, axis=0)
        z = layer.encode(flags)
        np.testing.assert_array_equal(layer.decode(z), flags)
        codes = np.asarray(z.argmax(0)).T
        assert len(np.unique(codes, axis=0)) == 27
        moved.append((codes != states(3, 3)).any())
    assert any(moved)


def test_what_is_no_code_has_no_mass(rng):
    model = build(rng)
    rows = np.array([[0, 1, 2], [0, 1, 3], [0, 0.5, 1], [-1, 0, 0], [np.inf, 0, 0], [np.nan, 0, 0]])
    log_p = np.asarray(model.log_prob(rows))
    assert np.isfinite(log_p[0])
    assert (log_p[1:5] == -np.inf).all()
    assert np.isnan(log_p[5])
    np.testing.assert_array_equal(log_p[0], model.log_prob(rows[0].astype(int)))


def test_slopes_are_finite_and_reach_every_leaf(rng):
    model = build(rng, context_dim=1)
    params, rest = pf.partition(model)
    x, context = states(3, 3), rng.standard_normal((27, 1))

    def loss(params):
        return pf.combine(params, rest).log_prob(x, context).mean()

    for leaf in jax.tree.leaves(jax.grad(loss)(params)):
        assert np.isfinite(np.asarray(leaf)).all()
        assert np.asarray(leaf).any()


@pytest.mark.slow
def test_learning_what_a_product_cannot_say(rng):
    """x₂ = x₁ + noise (mod 4): one layer makes the two independent, as learning finds."""
    noise = np.array([0.85, 0.05, 0.05, 0.05])
    first = rng.choice(4, 4000, p=[0.4, 0.3, 0.2, 0.1])
    x = np.stack([first, (first + rng.choice(4, 4000, p=noise)) % 4], 1)
    entropy = stats.entropy([0.4, 0.3, 0.2, 0.1]) + stats.entropy(noise)
    apart = stats.entropy(np.bincount(x[:, 0])) + stats.entropy(np.bincount(x[:, 1]))
    model = pf.models.discrete_flow(2, key=jax.random.key(0), categories=4, layers=1, hidden=(32,))
    fitted = pf.fit(model, x, key=jax.random.key(1), max_epochs=60, learning_rate=1e-2).model
    loss = -float(np.asarray(fitted.log_prob(x)).mean())
    assert apart - entropy > 0.5
    assert loss < entropy + 0.1


def test_sizes_that_cannot_be():
    with pytest.raises(OptionError, match="categories"):
        pf.models.discrete_flow(2, key=jax.random.key(0), categories=1)
    with pytest.raises(OptionError, match="layers"):
        pf.models.discrete_flow(2, key=jax.random.key(0), layers=0)
    assert jnp.isfinite(pf.models.discrete_flow(1, key=jax.random.key(0)).log_prob(np.zeros(1)))
