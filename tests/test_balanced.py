"""Balanced draws: each row has the law, and together they stand for it evenly."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import pushforward as pf
from pushforward.core.errors import OptionError
from pushforward.tables.balanced import one_of_each


def test_each_row_of_the_pool_is_as_likely_to_be_kept(rng):
    """Counts over 4000 picks of 7 of 40 rows, some of them equal, are those of even chances."""
    codes = rng.integers(3, size=(40, 1)).astype(float)
    values = np.concatenate([rng.normal(size=(28, 2)), np.zeros((12, 2))])
    picks = np.stack([one_of_each(codes, values, 7, rng) for _ in range(4000)])
    assert all(len(set(row)) == 7 for row in picks)
    # Kept rows of one pick are fewer alike than independent ones: the test errs on the strict side.
    assert stats.chisquare(np.bincount(picks.ravel(), minlength=40)).pvalue > 1e-4
    assert stats.chisquare(np.bincount(picks[:, 0], minlength=40)).pvalue > 1e-4


def test_codes_come_in_their_shares(rng):
    """A state of share s has ⌊7s⌋ or ⌈7s⌉ of 7 rows; so do rows without values or without codes."""
    codes = rng.integers(3, size=(60, 1)).astype(float)
    shares = 7 * np.bincount(codes[:, 0].astype(int)) / 60
    for values in (rng.normal(size=(60, 2)), np.empty((60, 0))):
        kept = codes[one_of_each(codes, values, 7, rng), 0].astype(int)
        counts = np.bincount(kept, minlength=3)
        assert counts.sum() == 7
        assert (np.floor(shares) <= counts).all()
        assert (counts <= np.ceil(shares)).all()
    assert len(set(one_of_each(np.empty((60, 0)), rng.normal(size=(60, 1)), 7, rng))) == 7


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(5)
    group = rng.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1])
    x = rng.normal(size=300) + (group == "b")
    table = pd.DataFrame({"x": x, "y": x + rng.normal(size=300), "group": group})
    return pf.DensityEstimator("gaussian", random_state=0).fit(table)


def test_balanced_rows_have_the_law_and_spread_evenly(fitted):
    """Means over draws agree with those of independent rows, and vary far less between draws."""
    numbers = lambda t: np.stack([t["x"], t["y"], t["group"] == "c"], 1).astype(float)  # noqa: E731
    draws = {
        balanced: np.stack(
            [numbers(fitted.sample(50, k, balanced=balanced)).mean(0) for k in range(60)]
        )
        for balanced in (False, True)
    }
    many = numbers(fitted.sample(20_000, random_state=99))
    error = np.hypot(draws[True].std(0) / np.sqrt(60), many.std(0) / np.sqrt(20_000))
    assert (np.abs(draws[True].mean(0) - many.mean(0)) < 4.5 * error).all()
    # 60 sd of 60 draws: the ratio of two equal ones stays above 0.6 at 4 sigma.
    assert (draws[True].std(0) < 0.5 * draws[False].std(0)).all()
    one = np.concatenate([numbers(fitted.sample(3, k, balanced=True))[:1] for k in range(400)])
    assert stats.ks_2samp(one[:, 1], many[:, 1]).pvalue > 1e-4


def test_balanced_rows_in_pieces(fitted):
    """More rows than one pool gives come in whole, and nothing else changes."""
    law = fitted.model_
    rows = law.sample(jax.random.key(0), 2500, balanced=True)
    assert rows.shape == (2500, 3)
    assert np.isfinite(law.log_prob(rows)).all()
    assert len(law.sample(jax.random.key(0), 0, balanced=True)) == 0


def test_balanced_rows_are_of_the_whole_law(fitted):
    with pytest.raises(OptionError, match="balanced"):
        fitted.sample(3, given=pd.DataFrame({"group": ["a"]}), balanced=True)
