"""Regression: least squares where rows abound, the ridge that left-out rows choose, label laws."""

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

import pushforward as pf
from pushforward.fitting import regression
from pushforward.fitting.regression import _RIDGES, regression_slopes


def test_slopes_are_those_of_the_ridge_that_left_out_rows_choose(rng):
    """Rows are left out one by one, by hand, in a solver of its own; weights, NaN and all."""
    chosen = set()
    for noise, n in ((0.1, 60), (1.0, 25), (5.0, 25), (30.0, 25)):
        x = rng.normal(size=(n, 6))
        y = np.stack([x @ rng.normal(size=6), x @ rng.normal(size=6)], 1)
        y += noise * rng.normal(size=y.shape)
        y[: n // 5, 1] = np.nan
        weights = rng.uniform(0.5, 2.0, n)
        slopes = regression_slopes(y, x, weights)
        for j in range(2):
            there = ~np.isnan(y[:, j])
            own, column, share = x[there], y[there, j], weights[there] / weights[there].sum()

            def fitted(ridge, kept, own=own, column=column, share=share):
                return Ridge(ridge).fit(own[kept], column[kept], share[kept])

            errors = []
            for ridge in _RIDGES:
                left = [
                    column[i] - fitted(ridge, np.arange(len(own)) != i).predict(own[[i]])[0]
                    for i in range(len(own))
                ]
                errors.append(share @ np.square(left))
            best = _RIDGES[int(np.argmin(errors))]
            chosen.add(best)
            expected = fitted(best, np.ones(len(own), bool)).coef_
            np.testing.assert_allclose(slopes[j], expected, rtol=1e-7, atol=1e-9)
    assert len(chosen) > 1


def test_many_rows_are_added_up_in_blocks(rng, monkeypatch):
    """The slopes are still a ridge's of all rows."""
    monkeypatch.setattr(regression, "_BLOCK", 40)
    x, weights = rng.normal(size=(150, 4)) + 5, rng.uniform(0.5, 2.0, 150)
    y = x @ rng.normal(size=(4, 2)) + rng.normal(size=(150, 2))
    slopes = regression_slopes(y, x, weights)
    for j in range(2):
        gaps = [
            np.abs(Ridge(ridge).fit(x, y[:, j], weights / weights.sum()).coef_ - slopes[j]).max()
            for ridge in _RIDGES
        ]
        assert min(gaps) < 1e-8


def test_nothing_to_learn_from_gives_no_slope(rng):
    x = rng.normal(size=(9, 2))
    assert not regression_slopes(np.full((9, 1), np.nan), x, np.ones(9)).any()
    assert not regression_slopes(np.full((9, 1), 3.0), x, np.ones(9)).any()
    assert regression_slopes(rng.normal(size=(9, 2)), x[:, :0], np.ones(9)).shape == (2, 0)


def test_the_gaussian_of_values_follows_the_labels(rng):
    """A label's rows have their own mean in samples; a label seen once is no certainty."""
    means = {"a": -3.0, "b": 0.0, "c": 4.0}
    label = rng.choice(list(means), 400)
    table = pd.DataFrame({"x": np.vectorize(means.get)(label) + rng.normal(size=400), "of": label})
    table.loc[0, "of"] = "once"
    law = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    drawn = law.sample(20_000, random_state=1)
    for name, mean in means.items():
        # The mean of 130 rows errs by 0.09, that of the drawn ones by 0.012.
        assert abs(drawn["x"][drawn["of"] == name].mean() - mean) < 0.4
    spread = drawn["x"][drawn["of"] == "a"].std()
    assert 0.9 < spread < 1.15
    assert np.isfinite(law.score_samples(table)).all()
