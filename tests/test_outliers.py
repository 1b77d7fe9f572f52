"""Outlier detection: rates that hold, scores that see, reasons that point at the right column."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

import pushforward as pf
from pushforward.core.errors import OptionError, SchemaMismatchError
from pushforward.judge.blurred import LEVELS, BlurOptions, fit_blurred
from pushforward.judge.kernels import fit_kernels
from pushforward.judge.outliers import SCORES
from pushforward.judge.p_values import rejected
from pushforward.tables import from_frame, infer_schema
from pushforward.tables.context import fit_context


def _ring(rng, n):
    """A ring of radius 2 in two columns and a third that is twice the first, with noise."""
    angle, radius = rng.uniform(0, 2 * np.pi, n), 2 + 0.1 * rng.normal(size=n)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.stack([x, y, 2 * x + 0.1 * rng.normal(size=n)], 1)


@pytest.fixture(scope="module")
def ring():
    rng = np.random.default_rng(11)
    detector = pf.OutlierDetector(random_state=0, max_epochs=40, max_time=None)
    return detector.fit(_ring(rng, 1500)), rng


def test_false_alarms_come_at_the_rate_asked_for(ring):
    """Flags on fresh regular rows follow the beta-binomial law of a conformal threshold."""
    detector, rng = ring
    fresh = _ring(rng, 4000)
    p, m = detector.p_values(fresh), len(detector.model_.calibration[0])
    for rate in (0.01, 0.05, 0.2):
        k = int(rate * (m + 1))
        low, high = stats.betabinom.ppf((0.0005, 0.9995), len(fresh), k, m + 1 - k)
        assert low <= (p <= rate).sum() <= high
    flagged = detector.predict(fresh) == -1
    np.testing.assert_array_equal(flagged, p <= detector.false_alarm_rate)


@pytest.mark.parametrize("score", SCORES)
def test_scores_find_the_hole_in_the_ring_and_what_is_far_out(ring, score):
    """The length of the latent need not see a hole: only what is far out."""
    detector, rng = ring
    odd = rng.normal(0, 0.3, (100, 3)) if score != "latent_radius" else 2 * _ring(rng, 100)
    rows = np.concatenate([_ring(rng, 400), odd])
    model = detector.model_
    area = roc_auc_score(np.repeat([0, 1], [400, 100]), model.oddness(rows, score))
    assert area > 0.95


def test_broken_relations_are_odd_though_each_column_is_not(ring):
    detector, rng = ring
    rows = _ring(rng, 300)
    broken = rows.copy()
    broken[:, 2] = -rows[:, 2]
    far = np.abs(rows[:, 2]) > 1
    assert (detector.predict(broken[far]) == -1).mean() > 0.9


def test_the_reason_is_the_column_that_was_changed(ring):
    detector, rng = ring
    rows = _ring(rng, 40)
    rows[:, 2] += np.where(rows[:, 0] > 0, -3.0, 3.0)
    surprise, plausible = detector.explain(rows)
    assert (surprise.argmax(1) == 2).mean() > 0.9
    assert (surprise >= 0).all()
    assert np.median(np.abs(plausible[:, 2] - 2 * rows[:, 0])) < 0.4


def test_small_tables_calibrate_in_turn():
    """With 150 rows every row calibrates a member that has not seen it."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(150, 2))
    detector = pf.OutlierDetector(random_state=0, max_epochs=10, max_time=None).fit(rows)
    model = detector.model_
    assert len(model.members) == 5
    assert sum(map(len, model.calibration)) == 150
    p = detector.p_values(rng.normal(size=(4000, 2)))
    low, high = stats.betabinom.ppf((0.0005, 0.9995), 4000, 7, 144)
    assert low <= (p <= 0.05).sum() <= high
    assert detector.p_values([[9.0, -9.0]])[0] == pytest.approx(1 / 151)


def test_texts_missing_cells_and_constants(rng):
    """What never occurred in a column is odd: a text, a value of a constant column."""
    n = 600
    group = rng.choice(["a", "b"], n)
    table = pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n) + 4 * (group == "b")),
            "group": group,
            "unit": 1.0,
        }
    )
    detector = pf.OutlierDetector(random_state=0, max_epochs=30, max_time=None).fit(table)
    asked = pd.DataFrame(
        {
            "x": [0.0, 4.0, 4.0, 0.0, 0.0],
            "group": ["a", "a", "b", "z", "a"],
            "unit": [1.0, 1.0, 1.0, 1.0, 9.0],
        }
    )
    p = detector.p_values(asked)
    assert (p[[0, 2]] > 0.05).all()
    assert (p[[1, 3, 4]] <= 0.02).all()
    with pytest.raises(SchemaMismatchError):
        detector.predict(table[["group", "x", "unit"]])


@pytest.mark.slow
def test_units_do_not_matter(rng):
    """The order of rows is the same in metres and in millimetres."""
    rows = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.8], [0.0, 0.4]])
    scaled = rows * [1000.0, 0.01]
    options = {"random_state": 0, "max_epochs": 5, "max_time": None}
    one, other = (pf.OutlierDetector(**options).fit(r) for r in (rows, scaled))
    np.testing.assert_allclose(one.score_samples(rows), other.score_samples(scaled), atol=2e-3)


@pytest.mark.slow
def test_trimming_finds_outliers_among_the_training_rows():
    rng = np.random.default_rng(4)
    angle, radius = rng.uniform(0, 2 * np.pi, 60), rng.uniform(6, 12, 60)
    odd = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    rows = np.concatenate([rng.normal(size=(600, 2)), odd])
    options = {"random_state": 0, "max_epochs": 30, "max_time": None}
    plain = pf.OutlierDetector(**options).fit(rows)
    trimmed = pf.OutlierDetector(trim=0.1, **options).fit(rows)
    found = [(d.predict(rows[-60:]) == -1).mean() for d in (plain, trimmed)]
    assert found[1] > 0.95
    assert found[1] > found[0]


def test_discoveries_hold_the_share_of_false_ones(rng):
    """Step-up rule against its definition, and its promise on uniform p-values."""
    p = np.concatenate([rng.random(900), rng.random(100) * 1e-4])
    found = rejected(p, 0.1)
    order = np.sort(p)
    k = max((i + 1 for i in range(1000) if order[i] <= 0.1 * (i + 1) / 1000), default=0)
    assert found.sum() == k
    shares = []
    for _ in range(300):
        p = np.concatenate([rng.random(90), rng.random(10) * 1e-3])
        found = rejected(p, 0.1)
        shares.append(found[:90].sum() / max(found.sum(), 1))
    assert np.mean(shares) <= 0.09 + 4 * np.std(shares) / np.sqrt(300)  # rate × share of regular
    assert not rejected(np.ones(5), 0.1).any()


def test_saved_and_loaded(ring, tmp_path):
    detector, rng = ring
    rows = _ring(rng, 50)
    detector.save(tmp_path / "detector")
    again = pf.load(tmp_path / "detector")
    assert (again.score_samples(rows) == detector.score_samples(rows)).all()
    assert (again.p_values(rows) == detector.p_values(rows)).all()


@pytest.mark.parametrize("bad", [{"false_alarm_rate": 0.0}, {"trim": 0.7}, {"statistic": "magic"}])
def test_refuses_options_that_make_no_sense(rng, bad):
    with pytest.raises(OptionError):
        pf.OutlierDetector(max_epochs=1, **bad).fit(rng.normal(size=(60, 2)))


def test_pyod_face(rng):
    pytest.importorskip("pyod", reason="pyod is not installed")
    from pushforward.pyod import FlowDetector

    rows = np.concatenate([rng.normal(size=(190, 2)), rng.normal(size=(10, 2)) + 8])
    detector = FlowDetector(contamination=0.05, max_epochs=5, random_state=0).fit(rows)
    assert detector.labels_.sum() == 10
    assert roc_auc_score(np.repeat([0, 1], [190, 10]), detector.decision_scores_) > 0.95


def test_the_blurred_density_before_learning_is_gaussian(rng):
    """70 columns, no epoch: 64 components of variance 1 + σ², six of s² + σ² that are left."""
    rows = rng.normal(size=(300, 70)) * np.r_[np.ones(64), np.full(6, 0.5)]
    schema = infer_schema(rows, tuple(f"x{i}" for i in range(70)))
    columns = fit_context(rows, schema, np.ones(300), False, single_values=False)
    options = BlurOptions(max_time=None, max_epochs=0, seed=0, progress=False)
    law = fit_blurred(columns, rows[:250], np.ones(250), rows[250:], options)
    numbers = columns.encode(rows)
    components = numbers @ law.rotation.T
    left = (numbers**2).sum(1) - (components**2).sum(1)
    for level in LEVELS:
        known = stats.norm(0, np.hypot(1, level)).logpdf(components).sum(1)
        variance = law.variance + level**2
        known += -0.5 * left / variance - 3 * np.log(2 * np.pi * variance)
        flow = law.flow_log_prob(numbers, np.zeros(300), level)
        np.testing.assert_allclose(flow, known, rtol=1e-4)


def test_kernels_are_a_sum_of_gaussians(rng):
    """Against the sum itself, near and far; a learning row is scored by the other rows alone."""
    known, weights = rng.normal(size=(60, 3)), rng.uniform(0.5, 2, 60)
    kernels = fit_kernels(known, weights, LEVELS[0], len(LEVELS), 0)
    x = np.concatenate([rng.normal(size=(40, 3)), 10 * rng.normal(size=(10, 3)), known[:5]])
    beside = np.r_[np.zeros(50), np.arange(5.0)]
    squares = ((x[:, None] - known) ** 2).sum(2)
    squares[50 + np.arange(5), np.arange(5)] = np.inf
    share = np.log(weights / weights.sum())
    for k, level in enumerate(LEVELS):
        exact = logsumexp(share - squares / (2 * level**2), axis=1) - beside / (2 * level**2)
        exact -= 1.5 * np.log(2 * np.pi * level**2)
        np.testing.assert_allclose(kernels.log_prob(x, beside)[:, k], exact, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_the_blurred_law_of_a_gaussian_is_known(rng):
    """N(0, Σ) through noise is N(0, Σ + σ²): learned within 0.05 nats, and never better."""
    mixing = np.array([[1.0, 0.9], [0.0, 0.3]])
    rows, fresh = rng.normal(size=(4000, 2)) @ mixing, rng.normal(size=(2000, 2)) @ mixing
    schema = infer_schema(rows, ("a", "b"))
    columns = fit_context(rows, schema, np.ones(4000), False, single_values=False)
    options = BlurOptions(max_time=None, max_epochs=150, seed=0, progress=False)
    law = fit_blurred(columns, rows[:3600], np.ones(3600), rows[3600:], options)
    covariance = np.cov(columns.encode(rows).T)
    means, sds = np.array(columns.moments).T
    own = columns.schema.columns
    for k, level in enumerate(LEVELS):
        noisy = columns.encode(fresh) + level * rng.normal(size=fresh.shape)
        u = noisy * sds + means
        rows = u * [c.scale for c in own] + [c.centre for c in own]
        exact = stats.multivariate_normal([0, 0], covariance + level**2 * np.eye(2))
        gap = exact.logpdf(noisy) - law.log_prob(rows)[:, 0, k]
        assert -4 * gap.std() / np.sqrt(len(gap)) - 0.002 < gap.mean() < 0.05


def test_a_whole_schema_keeps_its_list_of_texts(rng):
    """Texts that the training rows lack do not move the others' places."""
    table = pd.DataFrame({"x": rng.normal(size=300), "g": rng.choice(["b", "c"], 300)})
    wide = pd.concat([table, pd.DataFrame({"x": [0.0], "g": ["a"]})])
    frame = from_frame(wide)
    schema = infer_schema(frame.values, frame.names, sources=frame.sources)
    detector = pf.OutlierDetector(schema=schema, random_state=0, max_epochs=5, max_time=None)
    p = detector.fit(table).p_values(table)
    assert (p <= 0.05).mean() < 0.15
