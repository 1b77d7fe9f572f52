"""Outliers: scores of rows under a blurred law, and what a false-alarm rate asks of them."""

import dataclasses

import equinox as eqx
import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError
from pushforward.judge.blurred import BlurOptions, BlurredDensity, fit_blurred
from pushforward.judge.p_values import conformal_p_values
from pushforward.judge.split import rotations
from pushforward.judge.surprise import surprises, tried_values
from pushforward.tables.context import fit_context
from pushforward.tables.inference import infer_schema
from pushforward.tables.schema import Schema

SCORES = ("blended", "log_density", "typicality", "latent_radius")
"""What a row may be scored by; see `OutlierModel.oddness`."""

_CALIBRATION, _LEAST_CALIBRATION, _MOST_CALIBRATION = 0.1, 100, 0.2
"""Share of rows that calibrate, no fewer than 100, which a rate of 1 % needs; at most a fifth."""

_MEMBERS = 5
"""Parts that calibrate in turn where a fifth of the rows is fewer than a hundred."""

_VALIDATION = 0.1
"""Share of the other rows that choose the epoch."""

_LEAST_SD = 1e-9
"""Least sd of a level's log-densities."""

Rows = Float[np.ndarray, "n columns"]
Weights = Float[np.ndarray, " n"]


class OutlierModel(eqx.Module):
    """Score rows by one or several blurred laws, each with the rows that it has not seen.

    Parameters
    ----------
    members : the laws; several where the rows are few, each learned without another part.
    moments : per member the mean and sd of its two laws' log-densities at each level, over the
        rows that chose its epoch, `(2, 2, levels)`.
    calibration : per member the log-densities at each level of its own unseen rows.
    radii : per member the lengths of those rows' latents.
    tried : per column the values that are tried in a row's place.
    """

    members: tuple[BlurredDensity, ...]
    moments: tuple[np.ndarray, ...]
    calibration: tuple[np.ndarray, ...]
    radii: tuple[np.ndarray, ...]
    tried: tuple[np.ndarray, ...]

    @property
    def schema(self) -> Schema:
        return self.members[0].columns.schema

    def oddness(self, values: Rows, score: str) -> Float[np.ndarray, " n"]:
        """Return how odd rows look, the mean over members; larger is odder.

        "log_density": −log p at the finest level. "typicality": |log p − its mean|, which also
        finds rows that are too regular. "latent_radius": the length of the latent. "blended":
        (mean − log p)/sd, at each level by the law that finds the row odder, the mean over levels.
        Means and sd are over rows that the laws have not learned from; log p is the flow's where
        nothing else is said.

        Source nalisnick2019typicality
        """
        return self._each(values, score).mean(1)

    def p_values(self, values: Rows, score: str) -> Float[np.ndarray, " n"]:
        """Return the share of unseen rows that look as odd to the member that has not seen them.

        p = (1 + Σ_k #{rows of part k at least as odd to member k}) / (1 + all parts' rows): with
        one member conformal, P(p ≤ α) ≤ α; with several cross-conformal, as good in practice.

        Source vovk2005conformal, vovk2015crossconformal
        """
        each = self._each(values, score)
        total, count = np.zeros(len(values)), 0
        for k in range(len(self.members)):
            own = np.sort(-self._unseen(k, score))
            p = conformal_p_values(-each[:, k], own)
            total = total + p * (len(own) + 1) - 1
            count += len(own)
        return (1 + total) / (1 + count)

    def threshold(self, rate: float, score: str) -> float:
        """Return the oddness that a share `rate` of regular rows exceeds.

        With one member rows beyond it are those with p ≤ rate; with several, nearly those: the
        mean over members is compared with unseen rows' own members. Infinite where there are too
        few unseen rows to tell.
        """
        own = np.sort(np.concatenate([self._unseen(k, score) for k in range(len(self.members))]))
        place = int(rate * (len(own) + 1))
        return float(own[-place]) if place else np.inf

    def surprise(self, values: Rows, score: str) -> tuple[np.ndarray, np.ndarray]:
        """Return how much less odd each row would be with another value in a column, and which.

        Cost: 33 scores of a row for each column.
        """
        return surprises(lambda rows: self.oddness(rows, score), values, self.tried, self.schema)

    def _each(self, values: Rows, score: str) -> Float[np.ndarray, "n members"]:
        found = [
            member.radius(values)
            if score == "latent_radius"
            else _oddness(member.log_prob(values), own, score)
            for member, own in zip(self.members, self.moments, strict=True)
        ]
        return np.stack(found, 1)

    def _unseen(self, k: int, score: str) -> np.ndarray:
        if score == "latent_radius":
            return self.radii[k]
        return _oddness(self.calibration[k], self.moments[k], score)


def fit_outliers(
    values: Rows, weights: Weights, schema: Schema, options: BlurOptions, trim: float = 0.0
) -> OutlierModel:
    """Fit blurred laws; with `trim` once more without the share of rows that were oddest.

    Raises
    ------
    DataError : there are too few rows.
    """
    if len(values) < 2 * _MEMBERS:
        raise DataError(f"{len(values)} rows", f"at least {2 * _MEMBERS}")
    model = _fit(values, weights, schema, options)
    if not trim:
        return model
    odd = model.oddness(values, "blended")
    kept = odd <= np.quantile(odd, 1 - trim)
    return _fit(values[kept], weights[kept], schema, options)


def _fit(values: Rows, weights: Weights, schema: Schema, options: BlurOptions) -> OutlierModel:
    rng = np.random.default_rng(options.seed)
    n = len(values)
    n_held = max(round(_CALIBRATION * n), _LEAST_CALIBRATION)
    if n_held <= _MOST_CALIBRATION * n:
        order = rng.permutation(n)
        parts = [(np.sort(order[n_held:]), np.sort(order[:n_held]))]
    else:
        parts = rotations(np.arange(n), _MEMBERS, rng)
    members, moments, calibration, radii = [], [], [], []
    for k, (learn, held) in enumerate(parts):
        order = rng.permutation(learn)
        n_chosen = max(1, round(_VALIDATION * len(learn)))
        chosen, train = order[:n_chosen], order[n_chosen:]
        shared = dataclasses.replace(
            options,
            seed=options.seed + k,
            max_time=None if options.max_time is None else options.max_time / len(parts),
        )
        own = infer_schema(values[learn], schema.names, weights[learn], declared=schema)
        columns = fit_context(values[learn], own, weights[learn], False, single_values=False)
        member = fit_blurred(columns, values[train], weights[train], values[chosen], shared)
        log_p = member.log_prob(values[chosen])
        members.append(member)
        moments.append(np.stack([log_p.mean(0), log_p.std(0) + _LEAST_SD]))
        calibration.append(member.log_prob(values[held]))
        radii.append(member.radius(values[held]))
    tried = tried_values(values, schema)
    return OutlierModel(tuple(members), tuple(moments), tuple(calibration), tuple(radii), tried)


def _oddness(log_p: np.ndarray, moments: np.ndarray, score: str) -> Float[np.ndarray, " n"]:
    mean, sd = moments
    if score == "log_density":
        return -log_p[:, 0, 0]
    if score == "typicality":
        return np.abs(log_p[:, 0, 0] - mean[0, 0])
    return ((mean - log_p) / sd).max(1).mean(1)
