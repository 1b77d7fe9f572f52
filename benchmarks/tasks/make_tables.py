"""Derive the task file of the table benchmark from the data, by rules that are stated in it.

Run from the repository root: python -m benchmarks.tasks.make_tables DATA_FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

SETS = {
    "california": "california/california.npz",
    "power_minutes": "power_minutes/power_minutes.npz",
    "airfoil": "uci_density_dev/airfoil.npz",
    "bike": "uci_density_dev/bike.npz",
    "breastcancer": "uci_density_dev/breastcancer.npz",
    "elevators": "uci_density_dev/elevators.npz",
    "keggdirected": "uci_density_dev/keggdirected.npz",
    "redwine": "rnade_uci/redwine.npz",
    "whitewine": "rnade_uci/whitewine.npz",
    "miniboone_head": "miniboone_head/miniboone_head.npz",
}
GIVEN_WIDTHS = {
    "california": {
        "MedInc": 1e-4,
        "HouseAge": 1,
        "Population": 1,
        "Latitude": 0.01,
        "Longitude": 0.01,
        "MedHouseVal": 0.001,
    }
}
RULES = [
    "Columns are dropped if one value fills at least 95 % of rows, or if they are a linear "
    "combination (with constant) of columns kept before them: residual sd below 1e-4 of their own, "
    "by least squares on the split-0 rows.",
    "A column is recorded on a grid if it has fewer distinct values than half its rows: the width "
    "is the coarsest of 1, 0.5, 0.1, 0.05, 0.01, ... 1e-5 of which 99 % of values are multiples "
    "(to float32 precision, at most 1e5 steps from zero), which tells the values apart and has 2 % "
    "of its steps in use; a column with as few values but no such "
    "grid (z-scored counts, say) gets the lower quartile of the gaps between its distinct values.",
    "Noise: numpy.random.default_rng(0).random((rows, file columns)) times the widths, added "
    "to the float64 of the file's float32.",
    "Test rows (split 2) that equal a row of split 0 or 1 in the kept columns, before noise, are "
    "removed.",
    "Scores are log-densities per split-0 standard deviation: log p(x) + sum of log sd.",
]
GRIDS = [1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 1e-4, 1e-5]


def main(folder: Path) -> None:
    """Write tables.json beside this file."""
    tasks = {}
    for name, path in SETS.items():
        data = np.load(folder / path)
        values, split = data["X"].astype(np.float64), data["split"]
        columns = [str(c) for c in data["cols"]][: values.shape[1]]
        dropped = _dropped(values[split == 0], columns)
        kept = [c for c in columns if c not in dropped]
        given = GIVEN_WIDTHS.get(name)
        widths = {
            c: given.get(c, 0) if given is not None else _width(values[:, columns.index(c)])
            for c in kept
        }
        kept_values = values[:, [columns.index(c) for c in kept]]
        known = {row.tobytes() for row in kept_values[split < 2]}
        repeated = [i for i in np.flatnonzero(split == 2) if kept_values[i].tobytes() in known]
        tasks[name] = {
            "path": path,
            "columns": columns,
            "dropped": dropped,
            "noise": {c: w for c, w in widths.items() if w},
            "test_rows_removed": len(repeated),
        }
    target = Path(__file__).with_name("tables.json")
    target.write_text(json.dumps({"rules": RULES, "tasks": tasks}, indent=1) + "\n")


def _dropped(train: np.ndarray, columns: list[str]) -> dict[str, str]:
    dropped: dict[str, str] = {}
    kept: list[np.ndarray] = [np.ones(len(train))]
    for i, name in enumerate(columns):
        column = train[:, i]
        _, counts = np.unique(column, return_counts=True)
        if counts.max() >= 0.95 * len(column):
            dropped[name] = f"one value in {counts.max() / len(column):.1%} of rows"
            continue
        centred = (column - column.mean()) / column.std()
        basis = np.stack(kept, 1)
        residual = centred - basis @ np.linalg.lstsq(basis, centred, rcond=None)[0]
        if residual.std() < 1e-4:
            dropped[name] = "linear combination of the columns before it"
            continue
        kept.append(centred)
    return dropped


def _width(column: np.ndarray) -> float:
    distinct = np.unique(column)
    if len(distinct) >= len(column) / 2:
        return 0.0
    for grid in GRIDS:
        steps = column / grid
        on_grid = np.abs(steps).max() < 1e5 and (np.abs(steps - np.round(steps)) < 1e-2).mean()
        # A grid must tell the values apart (any wide enough grid "holds" them all at zero), and
        # a good part of it must be in use (any fine enough grid holds them all, too).
        apart = len(np.unique(np.round(steps))) > 0.9 * len(distinct)
        used = len(distinct) / (np.ptp(steps) + 1) > 0.02
        if on_grid > 0.99 and apart and used:
            return grid
    return float(np.quantile(np.diff(distinct), 0.25))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
