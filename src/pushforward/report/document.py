"""What there is to say about a fitted model and a table, as plain data."""

from typing import Any

import jax
import numpy as np
from scipy import stats

from pushforward import __version__
from pushforward.report.compare import marginals, worst_pairs
from pushforward.tables.frames import from_frame
from pushforward.tables.schema import Schema

PICTURED_ROWS = 20_000
"""Rows that pictures and comparisons are made from; odd rows are looked for among all."""

_ODDEST = 10
_BINS = 20
_QUANTILES = np.linspace(0.005, 0.995, 67)


def findings(estimator: Any, table: Any, seed: int = 0) -> dict[str, Any]:
    """Compare a fitted estimator with a table and return what was found, as plain data.

    Parameters
    ----------
    estimator : a fitted `DensityEstimator`.
    table : rows with the columns it was fitted on, in any kind of frame.
    seed : seed of the samples and of the choice of rows for pictures.

    Returns
    -------
    A JSON-able document: summary (sentences), card, columns, marginals, pairs, latents,
    calibration, oddest rows, and how they were made.
    """
    frame = from_frame(table, estimator.schema_)
    names = frame.names if "feature_names_in_" in vars(estimator) else None
    estimator.schema_.check_names(names, frame.values.shape[1])
    values, schema = frame.values, estimator.schema_
    scores, p_values = estimator.scores_and_p_values(table)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(values))[:PICTURED_ROWS])
    real = values[chosen]
    with jax.enable_x64(estimator.float64):
        sampled = estimator.model_.sample(jax.random.key(seed), len(chosen))
        z = estimator.model_.transform(values[chosen]) if schema.valued else real[:, :0]
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
        "latents": _latents(z),
        "calibration": _calibration(z, p_values),
        "oddest": _oddest(values, scores, p_values, schema),
    }
    found["summary"] = _summary(found)
    return found


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


def _oddest(
    values: np.ndarray, scores: np.ndarray, p_values: np.ndarray, schema: Schema
) -> list[dict[str, Any]]:
    order = np.argsort(np.where(np.isnan(scores), -np.inf, scores), kind="stable")[:_ODDEST]
    return [
        {
            "row": int(i),
            "log_prob": float(scores[i]),
            "p_value": float(p_values[i]),
            "values": {
                column.name: column.shown(value)
                for column, value in zip(schema.columns, values[i], strict=True)
            },
        }
        for i in order
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
    set_aside = [c["name"] for c in found["columns"] if c["kind"] == "constant"]
    gridded = [c["name"] for c in found["columns"] if c["resolution"] > 0]
    if gridded:
        said.append(
            f"{len(gridded)} of {len(found['columns'])} columns are recorded on a grid; their "
            + (
                "density is taken at the middle of the recorded cell."
                if found["nodes"] == 1
                else f"density is the mean of {found['nodes']} nodes in the recorded cell."
            )
        )
    if set_aside:
        said.append(f"Constant columns, set aside: {', '.join(set_aside)}.")
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
