"""Which rows learn, choose and report: all of them once, groups whole, time in order."""

import numpy as np
import pandas as pd
import pytest

import pushforward as pf
from pushforward.core.errors import DataError, OptionError
from pushforward.fitting.outcome import Fit
from pushforward.judge import selection
from pushforward.judge.learning import learn_gaussian
from pushforward.judge.rows import TableRows
from pushforward.judge.selection import _member_parts, fit_table
from pushforward.judge.settings import Settings, Task
from pushforward.judge.split import Arrangement, rotations, split_rows
from pushforward.tables import infer_schema


def groups_of(rng, n):
    """Return group numbers of very different sizes, in no order."""
    return rng.permutation(np.repeat(np.arange(n), rng.geometric(0.1, n))[:n])


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_every_row_has_one_place_and_groups_stay_whole(grouped, ordered, rng):
    n = 1000
    units = groups_of(rng, n) if grouped else np.arange(n)
    arrangement = Arrangement(units if grouped else None, ordered)
    split = split_rows(n, 0.1, 0.2, rng, arrangement)
    parts = (split.train, split.validation, split.holdout)
    assert sorted(np.concatenate(parts)) == list(range(n))
    assert [abs(len(p) - m) <= 120 for p, m in zip(parts, (700, 100, 200), strict=True)]
    assert sum(len(set(units[p])) for p in parts) == len(set(units))
    if ordered and not grouped:
        assert split.train.max() < split.validation.min()
        assert split.validation.max() < split.holdout.min()
    rows = rng.permutation(n)[:600]
    turns = rotations(rows, 5, rng, arrangement)
    assert sorted(np.concatenate([part for _, part in turns])) == sorted(rows)
    assert len({len(others) for others, _ in turns}) == 1
    for others, part in turns:
        assert not set(units[others]) & set(units[part])
        assert set(others) <= set(rows)


def test_ordered_groups_are_placed_by_their_last_row(rng):
    units = np.repeat(np.arange(100), 10)
    split = split_rows(1000, 0.1, 0.1, rng, Arrangement(units, ordered=True))
    assert list(split.holdout) == list(range(900, 1000))
    assert list(split.validation) == list(range(800, 900))


def test_members_share_no_group_between_learning_choosing_and_reporting(rng):
    n = 300
    units = groups_of(rng, n)
    values = rng.normal(size=(n, 2))
    rows = TableRows(values, np.ones(n), units=units)
    task = Task(rows, infer_schema(values, ("a", "b"), rows.weights), None, Settings())
    split = split_rows(n, 0.1, 0.1, rng, task.arrangement)
    assert not len(split.holdout)  # too few rows: members report
    for part in _member_parts(task, split, 5):
        sides = [set(units[p]) for p in (part.train, part.validation, part.holdout)]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert not sides[one] & sides[other]


@pytest.mark.slow
def test_copies_of_a_row_are_no_evidence_when_grouped(rng):
    rows = np.repeat(rng.normal(size=(60, 1)), 20, 0)
    schema = infer_schema(rows, ("a",), declared={"a": {"kind": "continuous"}})
    settings = Settings(model="nsf", max_epochs=60)

    def reported(units):
        fitted = fit_table(TableRows(rows, np.ones(len(rows)), units=units), schema, settings)
        return fitted.card["train_nats"] - fitted.card["holdout_nats"]

    apart = reported(np.repeat(np.arange(60), 20))
    assert apart > reported(None)


def test_groups_and_order_reach_the_fit(rng):
    table = pd.DataFrame({"a": np.arange(600.0) + rng.normal(size=600), "b": rng.normal(size=600)})
    label = np.array(["left", "right", "middle"])[rng.integers(0, 3, 600)]
    estimator = pf.DensityEstimator("gaussian", split="ordered", random_state=0)
    later = estimator.fit(table).card_["holdout_nats"]
    mixed = pf.DensityEstimator("gaussian", random_state=0).fit(table).card_["holdout_nats"]
    assert later < mixed - 0.5  # what comes last lies outside of what was seen
    assert estimator.fit(table, groups=label).card_["splits"]["holdout"] > 100
    with pytest.raises(DataError, match="groups of shape"):
        estimator.fit(table, groups=label[:5])
    with pytest.raises(DataError, match="groups so large"):
        pf.DensityEstimator("gaussian").fit(table, groups=np.zeros(600))
    with pytest.raises(OptionError, match="'ordered'"):
        pf.DensityEstimator(split="blocks").fit(table)


def test_a_small_table_chooses_by_all_of_its_rows_in_turn(rng, monkeypatch):
    """No fit is judged by a row that it learned from; one law under two names has one score."""
    seen, judged = [], []

    def learn(task, columns, split, candidate, **options):
        seen.append((split, options.get("epochs")))
        history = {"epoch": [1], "train": [0.0], "validation": [0.0], "skipped": [0]}
        return learn_gaussian(task, split.train), Fit(None, history, "max_epochs")

    def score(task, model, part):
        judged.append(part.validation)
        return original(task, model, part)

    original = selection._validation_scores
    monkeypatch.setattr(selection, "learn_flow", learn)
    monkeypatch.setattr(selection, "_validation_scores", score)
    card = pf.DensityEstimator(random_state=0).fit(rng.normal(size=(200, 2))).card_
    assert card["candidates"]["gaussian"] == card["candidates"]["nsf"]
    _, *turns = [split for split, epochs in seen if epochs is None]
    mine = judged[-len(turns) :]
    np.testing.assert_array_equal(np.sort(np.concatenate(mine)), np.arange(200))
    for split, rows in zip(turns, mine, strict=True):
        assert not np.isin(rows, split.train).any()
    refits = [split for split, epochs in seen if epochs is not None]
    assert all(not np.isin(split.holdout, split.train).any() for split in refits)


def test_shares_are_counted_over_rows_of_the_whole_table(rng, monkeypatch):
    """Rows sorted by a text, of which few are counted: what follows from it still does."""
    monkeypatch.setattr("pushforward.judge.learning._COUNTED_ROWS", 200)
    group = np.repeat(["a", "b"], 500)
    table = pd.DataFrame({"group": group, "same": group, "x": rng.normal(size=1000)})
    law = pf.DensityEstimator("nsf", random_state=0, max_epochs=4).fit(table)
    drawn = law.sample(2000, random_state=0)
    shares = drawn.groupby("group")["same"].value_counts(normalize=True)
    assert abs((drawn["same"] == "a").mean() - 0.5) < 0.15
    assert shares["a"]["a"] > shares["b"]["a"] + 0.1  # learning has begun; not undone


def test_a_common_factor_of_weights_changes_no_share(rng):
    table = pd.DataFrame({"g": np.repeat(["a", "b"], [900, 100]), "x": rng.normal(size=1000)})
    for factor in (1.0, 1e-3):
        law = pf.DensityEstimator("gaussian", random_state=0)
        law.fit(table, sample_weight=np.full(1000, factor))
        assert abs((law.sample(4000, random_state=0)["g"] == "b").mean() - 0.1) < 0.03
