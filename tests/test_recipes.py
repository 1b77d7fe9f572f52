"""Every recipe, with its own defaults and by one call, learns two moons and clusters in six
dimensions that follow a context; then laws 7 to 9 hold for what was learned.

What lives on another space learns the same rows on it, moved there by a known map.
"""

import dataclasses

import jax
import numpy as np
import pytest

import laws
import pushforward as pf
from cases import Case
from laws.anything import buffers
from oracles.clusters import Clusters
from oracles.planar import PLANAR
from oracles.pushed import ONTO
from pushforward.models.registry import options_of

ROWS, FRESH = 4000, 2000
GAIN = 0.1
"""Nats a row that learning must be worth at least."""

RECIPES = [name for name in pf.models.names() if name != "discrete_flow"]
GIVEN = [name for name in RECIPES if "context_dim" in options_of(name)]
QUICK = ("gaussian",)


def marked(names):
    return [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in names]


@dataclasses.dataclass
class Rows:
    """Rows that a known law gave, on the model's space, with their contexts and log p."""

    x: np.ndarray
    context: np.ndarray | None
    log_p: np.ndarray


def moons(rng, n, onto):
    w = PLANAR["moons"].sample(rng, n)
    x, log_slope = onto(w)
    return Rows(x, None, PLANAR["moons"].log_prob(w) - log_slope)


def clusters(law, rng, n, onto):
    context = law.contexts(rng, n)
    w = law.sample(rng, context)
    x, log_slope = onto(w)
    return Rows(x, context, law.log_prob(w, context) - log_slope)


@pytest.mark.parametrize("name", marked(RECIPES))
def test_two_moons(name, rng):
    model = pf.models.build(name, 2, key=jax.random.key(0))
    onto = ONTO[model.support]
    learn_and_check(model, moons(rng, ROWS, onto), moons(rng, FRESH, onto), rng)


@pytest.mark.parametrize("name", marked(n for n in GIVEN if n != "sphere_flow"))
def test_clusters_with_a_context(name, rng):
    model = pf.models.build(name, 6, key=jax.random.key(0), context_dim=2)
    onto, law = ONTO[model.support], Clusters(rng, 6, 2)
    learn_and_check(model, clusters(law, rng, ROWS, onto), clusters(law, rng, FRESH, onto), rng)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "context_dim"), [(2, 0), (6, 2)])
def test_discrete_flow(dim, context_dim, rng):
    """The same for codes, whose law is a table over all their combinations."""
    codes = np.stack(np.meshgrid(*[np.arange(3)] * dim, indexing="ij"), -1).reshape(-1, dim)
    logits = rng.normal(0, 1.5, len(codes))
    slopes = rng.normal(0, 0.5, (len(codes), context_dim))

    def draw(n):
        context = rng.standard_normal((n, context_dim))
        table = logits + context @ slopes.T
        table -= np.logaddexp.reduce(table, 1, keepdims=True)
        picked = (table + rng.gumbel(size=table.shape)).argmax(1)
        return Rows(codes[picked], context if context_dim else None, table[np.arange(n), picked])

    model = pf.models.discrete_flow(
        dim, key=jax.random.key(0), context_dim=context_dim, categories=3
    )
    fresh = draw(FRESH)
    learned = learn(model, draw(ROWS), fresh, gain=0.02)
    given = None if fresh.context is None else fresh.context[0]
    p = np.exp(np.asarray(learned.log_prob(codes, given), np.float64))
    assert abs(p.sum() - 1) < 1e-4  # a sum of 3^dim terms in float32
    drawn = np.asarray(learned.sample(jax.random.key(2), 20_000, given)).astype(int)
    counts = np.bincount(drawn @ 3 ** np.arange(dim)[::-1], minlength=len(codes))
    few = p * 20_000 < 10
    expected = np.r_[p[~few], p[few].sum()] * 20_000
    seen = np.r_[counts[~few], counts[few].sum()]
    statistic = ((seen - expected) ** 2 / np.maximum(expected, 1)).sum()
    assert statistic < len(seen) + 6 * np.sqrt(2 * len(seen))  # chi-square, 6 sd


def learn_and_check(model, rows, fresh, rng):
    learned = exact_twin(learn(model, rows, fresh, GAIN))
    ends = {"real": (-np.inf, np.inf), "nonnegative": (0.0, np.inf), "simplex": (0.0, 1.0)}
    ends |= {"circle": (-np.pi, np.pi), "bounded": (np.array([-1, -np.pi]), np.array([1, np.pi]))}
    case = Case(lambda key: learned, model.dim, model.context_dim, support=ends[learned.support])
    laws.samples_have_the_density(case, learned, rng)
    if model.dim == 2 and model.support != "simplex":  # the square is not the simplex
        laws.mass_is_one(case, learned, rng)
        laws.samples_fill_bins(case, learned, rng)


def learn(model, rows, fresh, gain):
    """Law 9: every leaf moves and no buffer; better than untrained, not better than the truth."""
    key = jax.random.key(1)
    learned = pf.fit(model, rows.x, key=key, context=rows.context, max_epochs=20).model
    before, after = (jax.tree.leaves(pf.partition(m)[0]) for m in (model, learned))
    assert all((np.asarray(a) != np.asarray(b)).any() for a, b in zip(before, after, strict=True))
    if buffers(model):  # layers that are found, not learned, begin with none
        for a, b in zip(buffers(model), buffers(learned), strict=True):
            np.testing.assert_array_equal(a, b)
    first, last = (log_prob(m, fresh) for m in (model, learned))
    assert (last - first).mean() > gain, (first.mean(), last.mean())
    gap = fresh.log_p - last
    assert gap.mean() >= -3 * gap.std() / np.sqrt(len(gap)), gap.mean()
    return learned


def log_prob(model, rows):
    if model.evidence == pf.core.Evidence.ESTIMATE:
        estimate = model.estimate_log_prob(rows.x, rows.context, key=jax.random.key(3), n=4)
        return np.asarray(estimate.value, np.float64)
    return np.asarray(model.log_prob(rows.x, rows.context), np.float64)


def exact_twin(model):
    """Return a residual flow's parameters in the recipe whose determinant is exact."""
    if model.evidence != pf.core.Evidence.ESTIMATE:
        return model
    twin = pf.models.iresnet(model.dim, key=jax.random.key(0), context_dim=model.context_dim)
    return jax.tree.unflatten(jax.tree.structure(twin), jax.tree.leaves(model))
