"""Fit several models of one table on one split, and say which explains it best."""

import dataclasses

import jax
import numpy as np
from scipy import stats

from pushforward.core.errors import FitError, OptionError
from pushforward.densities.pushforward import Pushforward
from pushforward.judge.rows import TableRows
from pushforward.judge.selection import TableFit, fit_table
from pushforward.judge.settings import Settings
from pushforward.metrics import c2st
from pushforward.models.registry import names
from pushforward.tables.schema import Schema

LADDER = ("gaussian", "realnvp", "maf", "nsf")
"""Models that are fitted, cheapest first; baselines (mixture, kernels) come with the first."""

_SAMPLES = 5_000
"""Rows of each kind that a classifier tries to tell apart, and whose latents are tested."""


@dataclasses.dataclass(frozen=True)
class Rung:
    """Hold one model's place in a comparison.

    Parameters
    ----------
    name : the model.
    nats, se : mean log-density of the hold-out rows and its standard error; none if it failed.
    evidence : what the number is.
    c2st : area by which a classifier tells samples from hold-out rows; 0.5 is not at all.
    pit : least p-value of the latents' normality times their number; small where the shape of a
        column given the others is wrong. None where values are recorded on a grid or coded.
    seconds : to fit.
    said : why there is no number, if there is none.
    """

    name: str
    nats: float | None
    se: float | None
    evidence: str
    c2st: float | None = None
    pit: float | None = None
    seconds: float | None = None
    said: str = ""


def compare(
    rows: TableRows, schema: Schema, settings: Settings, models: tuple[str, ...] = LADDER
) -> list[Rung]:
    """Fit the models within `settings.max_time` seconds in all; best hold-out score first.

    All learn from the same rows and report on the same others. Where values can be absent,
    mixtures and kernels have no place.
    """
    unknown = [name for name in models if name not in names()]
    if unknown or not models:
        raise OptionError(f"models {unknown or 'none'}", f"some of {', '.join(names())}")
    flows = max(sum(name != "gaussian" for name in models), 1)
    share = None if settings.max_time is None else settings.max_time / flows
    rungs: list[Rung] = []
    for name in models:
        each = dataclasses.replace(settings.anew(share), model=name)
        try:
            fitted = fit_table(rows, schema, each)
        except (FitError, OptionError) as error:
            rungs.append(Rung(name, None, None, "", said=error.given))
            continue
        if len(rungs) == sum(rung.nats is None for rung in rungs):
            rungs += _baselines(fitted, {*models})
        rungs.append(_rung(name, fitted, rows, settings.seed))
    return sorted(rungs, key=lambda rung: -np.inf if rung.nats is None else rung.nats)[::-1]


def verdict(rungs: list[Rung]) -> str:
    """Return in a sentence which model explains the rows best, and which do as well."""
    known = [rung for rung in rungs if rung.nats is not None and rung.se is not None]
    if not known:
        return "No model could be fitted."
    best = known[0]
    close = [
        rung.name
        for rung in known[1:]
        if best.nats - rung.nats <= 2 * np.hypot(best.se, rung.se)  # type: ignore[operator]
    ]
    said = f"{best.name} explains the hold-out rows best"
    if not close:
        return f"{said}, by more than two standard errors."
    return f"{said}; within two standard errors of it: {', '.join(close)}."


def _baselines(fitted: TableFit, shown: set[str]) -> list[Rung]:
    card = fitted.card
    return [
        Rung(name, nats, card["baseline_se"][name], card["evidence"])
        if nats is not None
        else Rung(name, None, None, "", said="failed or out of time")
        for name, nats in card["baselines"].items()
        if name not in shown
    ]


def _rung(name: str, fitted: TableFit, rows: TableRows, seed: int) -> Rung:
    card, model = fitted.card, fitted.model
    places = np.random.default_rng(seed).permutation(fitted.holdout)[:_SAMPLES]
    held = rows[rows.weights > 0][places].values
    drawn = model.sample(jax.random.key(seed), len(held))
    told = c2st(held, drawn, key=jax.random.key(seed)).value if len(held) >= 10 else None
    pit = None
    if isinstance(model.density, Pushforward) and not model.schema.is_discretized:
        latents = model.transform(held)
        least = min(float(stats.kstest(column, "norm").pvalue) for column in latents.T)
        pit = min(1.0, least * latents.shape[1])
    return Rung(
        name,
        card["holdout_nats"],
        card["holdout_se"],
        card["evidence"],
        told,
        pit,
        card["seconds"],
    )
