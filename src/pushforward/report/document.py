"""What there is to say about a fitted model and a table, as plain data."""

import dataclasses
from typing import Any

import jax
import narwhals as nw
import numpy as np
from scipy import stats

from pushforward import __version__
from pushforward.estimators.checks import matching_frame
from pushforward.judge.predict import is_univariate
from pushforward.judge.surprise import surprises, tried_values
from pushforward.metrics import c2st
from pushforward.report.compare import marginals, missing_patterns, worst_pairs
from pushforward.tables.frames import from_frame
from pushforward.tables.integrated import Integrated
from pushforward.tables.univariate import integral_transform

PICTURED_ROWS = 20_000
"""Rows that pictures and comparisons are made from; odd rows are looked for among all."""

_ODDEST, _REASONS, _LEAST_GAIN, _MOST_GAIN = 10, 3, 1.0, 1e6
"""Rows that are shown, reasons for each, the nats that count as one, and what stands for ∞."""

_TESTED = 50
"""Rows from which on a classifier is asked to tell samples from them."""

_COVERAGES, _TOLD = (0.5, 0.8, 0.9, 0.95, 0.99), 0.9
"""Central intervals whose coverage is counted, and the one that is told in words."""

_TOLD_APART = 0.01
"""p-value up to which samples can be told from rows."""

_NEVER = 1e-9
"""PIT values this near to 0 or 1 are drawn as latents of six sd."""

_BINS = 20
_QUANTILES = np.linspace(0.005, 0.995, 67)


def findings(estimator: Any, table: Any, seed: int = 0) -> dict[str, Any]:
    """Compare a fitted estimator with a table and return what was found, as plain data.

    Parameters
    ----------
    estimator : a fitted `DensityEstimator` or `ConditionalDensityEstimator`.
    table : rows with the columns it was fitted on, in any kind of frame; for a conditional law
        one with column names, those given and those of the target.
    seed : seed of the samples and of the choice of rows for pictures.

    Returns
    -------
    A JSON-able document: summary (sentences), card, columns, marginals, pairs, latents,
    calibration, coverage of intervals (one target column of numbers), oddest rows, and how they
    were made.
    """
    schema, model = estimator.schema_, estimator.model_
    context, values, scores, p_values = _read(estimator, table)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(values))[:PICTURED_ROWS])
    recorded, given = values[chosen], None if context is None else context[chosen]
    real, pit = recorded, None
    with jax.enable_x64(estimator.float64):
        if isinstance(model, Integrated):  # its samples are whole rows
            real = model.filled(recorded, seed)
        sampled = model.sample(jax.random.key(seed), len(chosen), given)
        if context is None:
            z = model.transform(real) if schema.valued else real[:, :0]
        elif model.given is not None and is_univariate(model):
            pit = integral_transform(model, real[:, 0], given, rng)
            z = stats.norm.ppf(np.clip(pit, _NEVER, 1 - _NEVER))[:, None]
        else:
            z = real[:, :0]
    found = {
        "pushforward": __version__,
        "seed": seed,
        "card": estimator.card_,
        "columns": schema.to_json()["columns"],
        "nodes": estimator.nodes,
        "rows": {
            "scored": len(values),
            "pictured": len(chosen),
            "mean_log_prob": float(scores[np.isfinite(scores)].mean())
            if np.isfinite(scores).any()
            else None,
            "n_nonfinite": int((~np.isfinite(scores)).sum()),
            "n_odd": int((p_values <= 0.01).sum()),
        },
        "marginals": marginals(real, sampled, schema),
        "pairs": worst_pairs(real, sampled, schema),
        "missing": missing_patterns(recorded, sampled, schema),
        "two_sample": _told_apart(real, sampled, given, seed),
        "latents": _latents(z),
        "calibration": _calibration(z, p_values),
        "coverage": [] if pit is None else _coverage(pit),
        "oddest": _oddest(estimator, context, values, scores, p_values),
    }
    found["summary"] = _summary(found)
    return found


def _read(
    estimator: Any, table: Any
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray, np.ndarray]:
    """Return a table's given cells or sizes of errors, or none, its cells, scores and p-values."""
    schema = estimator.schema_
    if not estimator.model_.given:
        named = "feature_names_in_" in vars(estimator)
        who, errors = type(estimator).__name__, estimator.errors
        frame, sizes = matching_frame(table, schema, named, who, errors)
        return sizes, frame.values, *estimator.scores_and_p_values(table)
    given = estimator.model_.given.schema
    frame = nw.from_native(table, eager_only=True)
    parts = [frame.select(list(part.table_names)).to_native() for part in (given, schema)]
    context, values = (
        from_frame(part, columns).values
        for part, columns in zip(parts, (given, schema), strict=True)
    )
    return context, values, *estimator.scores_and_p_values(*parts)


def _coverage(pit: np.ndarray) -> list[dict[str, float]]:
    """Return how many values central intervals hold."""
    return [
        {"nominal": share, "actual": float((np.abs(pit - 0.5) <= share / 2).mean())}
        for share in _COVERAGES
    ]


def _latents(z: np.ndarray) -> list[dict[str, Any]]:
    """Return each latent's moments, its distance from the standard normal, and its quantiles."""
    return [
        {
            "name": f"z{j}",
            "mean": float(column.mean()),
            "sd": float(column.std()),
            "ks": float(stats.kstest(column, "norm").statistic),
            "quantiles": np.quantile(column, _QUANTILES).tolist(),
        }
        for j, column in enumerate(_there(z))
        if len(column)
    ]


def _there(z: np.ndarray) -> list[np.ndarray]:
    """Return each latent of the rows that have it."""
    return [column[~np.isnan(column)] for column in z.T]


def _calibration(z: np.ndarray, p_values: np.ndarray) -> dict[str, Any]:
    """Return histograms that are flat where the model holds: of Φ(z) per latent, of p-values."""
    edges = np.linspace(0, 1, _BINS + 1)
    return {
        "edges": edges.tolist(),
        "pit": [np.histogram(stats.norm.cdf(column), edges)[0].tolist() for column in _there(z)],
        "p_values": np.histogram(p_values, edges)[0].tolist(),
        "normal_quantiles": stats.norm.ppf(_QUANTILES).tolist(),
    }


def _told_apart(
    real: np.ndarray, sampled: np.ndarray, given: np.ndarray | None, seed: int
) -> dict[str, Any] | None:
    """Return whether a classifier tells samples from rows; none where there are too few."""
    if len(real) < _TESTED:
        return None
    both = (rows if given is None else np.concatenate([given, rows], 1) for rows in (real, sampled))
    return dataclasses.asdict(c2st(*both, key=jax.random.key(seed)))


def _oddest(
    estimator: Any,
    context: np.ndarray | None,
    values: np.ndarray,
    scores: np.ndarray,
    p_values: np.ndarray,
) -> list[dict[str, Any]]:
    """Return the oddest rows, with the cells that make them so."""
    schema, model = estimator.schema_, estimator.model_
    order = np.argsort(np.where(np.isnan(scores), -np.inf, scores), kind="stable")[:_ODDEST]

    def oddness(rows: np.ndarray) -> np.ndarray:
        given = context
        if given is not None:
            given = np.repeat(given[order], len(rows) // len(order), 0)
        return -(model.log_prob(rows, given) + model.log_scale(rows))

    with jax.enable_x64(estimator.float64):
        gain, likely = surprises(oddness, values[order], tried_values(values, schema), schema)
    return [
        {
            "row": int(i),
            "log_prob": float(scores[i]),
            "p_value": float(p_values[i]),
            "values": {
                column.name: column.shown(value)
                for column, value in zip(schema.columns, values[i], strict=True)
            },
            "reasons": [
                {
                    "column": schema.columns[j].name,
                    "nats": float(min(gain[k, j], _MOST_GAIN)),
                    "plausible": schema.columns[j].shown(likely[k, j]),
                }
                for j in np.argsort(-gain[k])[:_REASONS]
                if gain[k, j] > _LEAST_GAIN
            ],
        }
        for k, i in enumerate(order)
    ]


def _summary(found: dict[str, Any]) -> list[str]:
    """Return the findings in sentences, the most important first."""
    card, rows = found["card"], found["rows"]
    said = [
        f"{card['model']} describes {card['holdout_kind']} rows with {card['holdout_nats']:.3f} "
        f"± {card['holdout_se']:.3f} nats per row ({card['evidence']})."
    ]
    known = {name: nats for name, nats in card["baselines"].items() if nats is not None}
    if known:
        best = max(known, key=lambda name: known[name])
        gain = card["holdout_nats"] - known[best]
        verdict = "better" if gain >= 0 else "worse"
        said.append(
            f"That is {abs(gain):.3f} nats {verdict} than the best baseline ({best}, "
            f"{known[best]:.3f})."
        )
    failed = [name for name, nats in card["baselines"].items() if nats is None]
    if failed:
        said.append(f"Baselines that failed or ran out of time: {', '.join(failed)}.")
    kinds = ("constant", "dependent")
    set_aside = {kind: [c for c in found["columns"] if c["kind"] == kind] for kind in kinds}
    for line in found["coverage"]:
        if line["nominal"] == _TOLD:
            said.append(
                f"Central intervals of {line['nominal']:.0%} hold {line['actual']:.1%} of this "
                "table's values."
            )
    gridded = [c["name"] for c in found["columns"] if c["resolution"] > 0]
    if gridded:
        said.append(
            f"{len(gridded)} of {len(found['columns'])} columns are recorded on a grid; their "
            + (
                "density is the whole recorded cell's."
                if card["evidence"] == "exact"
                else "density is taken at the middle of the recorded cell."
                if found["nodes"] == 1
                else f"density is the mean of {found['nodes']} nodes in the recorded cell."
            )
        )
    if set_aside["constant"]:
        names = ", ".join(column["name"] for column in set_aside["constant"])
        said.append(f"Constant columns, set aside: {names}.")
    if set_aside["dependent"]:
        told = "; ".join(
            f"{column['name']} {column['reason']}" for column in set_aside["dependent"]
        )
        said.append(f"Columns that follow from others, set aside: {told}.")
    if found["two_sample"]:
        area, p = found["two_sample"]["value"], found["two_sample"]["p_value"]
        told = "can" if p <= _TOLD_APART else "cannot"
        said.append(
            f"A classifier {told} tell samples from this table's rows (area under its curve "
            f"{area:.3f}, 0.5 by chance; p = {p:.2g})."
        )
    if found["missing"]:
        lost = sum(line["real"] for line in found["missing"] if line["columns"])
        drawn = sum(line["sampled"] for line in found["missing"] if line["columns"])
        said.append(f"{lost:.1%} of the rows lack cells, and {drawn:.1%} of the samples.")
    if found["marginals"]:
        worst = found["marginals"][0]
        measure = "largest difference of the two distribution functions"
        if "labels" in worst:
            measure = "half the summed difference of the shares"
        said.append(
            f"The marginal that samples match least is {worst['name']} ({measure}: "
            f"{worst['ks']:.3f})."
        )
    said.append(
        f"{rows['n_odd']:,} of {rows['scored']:,} rows have a p-value of at most 0.01; "
        f"about {rows['scored'] * 0.01:,.0f} would by chance alone."
    )
    if rows["n_nonfinite"]:
        said.append(f"{rows['n_nonfinite']:,} rows have no finite log-density.")
    return said
