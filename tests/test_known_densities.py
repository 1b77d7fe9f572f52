"""Fits to laws whose density is known: mass one, never above the truth, close to it."""

import numpy as np
import pytest
from scipy import stats

import pushforward as pf
from oracles.planar import PLANAR

SIDE = 700


def mass(estimator, low, high, rng):
    """Integrate a fitted density over a box that holds nearly all of it, a random row a cell.

    Rows in the middle of cells would all be on one side of an edge that runs along the cells.
    """
    width = (high - low) / SIDE
    cells = np.stack([axis.ravel() for axis in np.indices((SIDE, SIDE))], -1)
    rows = low + width * (cells + rng.random(cells.shape))
    return float(np.exp(estimator.score_samples(rows)).sum() * np.prod(width))


@pytest.mark.parametrize("name", list(PLANAR))
def test_the_oracles_are_laws(name, rng):
    """The known densities integrate to one and their samples agree with them."""
    law = PLANAR[name]
    side = np.linspace(-4, 4, 401)
    middle = (side[1:] + side[:-1]) / 2
    rows = np.stack([m.ravel() for m in np.meshgrid(middle, middle)], -1)
    total = np.exp(law.log_prob(rows)).sum() * (side[1] - side[0]) ** 2
    assert abs(total - 1) < 1e-3
    x = law.sample(rng, 20_000)
    r = stats.norm.logpdf(x - x[0], scale=0.1).sum(1)
    if name != "checkerboard":  # where every sample has the same density
        ratio = np.exp(r - law.log_prob(x))
        assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(x))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PLANAR))
def test_fit_is_close_to_the_truth(name, seed):
    """20,000 rows: −3 s.e. ≤ mean(log p_true − log p_model) ≤ 0.05 nats on fresh rows."""
    law, rng = PLANAR[name], np.random.default_rng(seed)
    estimator = pf.DensityEstimator(random_state=0).fit(law.sample(rng, 20_000))
    fresh = law.sample(rng, 20_000)
    gap = law.log_prob(fresh) - estimator.score_samples(fresh)
    error = gap.std() / np.sqrt(len(gap))
    total = mass(estimator, fresh.min(0) - 2, fresh.max(0) + 2, rng)
    print(f"{name}: gap {gap.mean():.4f} ± {error:.4f} nats, mass {total:.4f}")
    assert abs(total - 1) < 0.005
    assert gap.mean() >= -3 * error
    assert gap.mean() <= 0.05


@pytest.mark.slow
def test_mass_of_a_fitted_line(rng):
    """A bimodal column, heavy on one side: the quadrature gives 1 ± 0.005."""
    x = np.r_[rng.normal(-3, 0.5, 600), np.exp(rng.normal(1, 0.6, 600))][:, None]
    estimator = pf.DensityEstimator("nsf", random_state=0, max_epochs=15).fit(x)
    edges = np.sinh(np.linspace(-9, 9, 20001))
    middle = (edges[1:] + edges[:-1]) / 2
    total = (np.exp(estimator.score_samples(middle[:, None])) * np.diff(edges)).sum()
    assert abs(total - 1) < 0.005
