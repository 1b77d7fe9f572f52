"""G8: odd rows by density on a real table, and generation given a label, p(x | label)."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

import pushforward as pf

TABLE = Path(__file__).parents[1] / "data" / "california.parquet"
COLUMNS = ["MedInc", "AveRooms", "AveOccup", "Latitude", "Longitude", "MedHouseVal"]
LABELS = ("north", "south")
BORDER = 36.0
"""Degrees of latitude between the two labels, in a stretch where few people live."""


def main(folder: Path, epochs: int = 60, rows_of_table: int = 6000) -> dict:
    """Find rows whose latitude is another's, say why, and draw house values given the label."""
    rng = np.random.default_rng(0)
    table = pq.read_table(TABLE, columns=COLUMNS).to_pandas()
    table = table.sample(rows_of_table, random_state=0).reset_index(drop=True)
    learn, fresh = table[: -rows_of_table // 3], table[-rows_of_table // 3 :]

    # Every broken latitude is one that occurs; only its row makes it odd.
    broken = fresh.copy()
    broken["Latitude"] = rng.permutation(fresh["Latitude"])
    broken = broken[np.abs(broken["Latitude"] - fresh["Latitude"]) > 2]
    detector = pf.OutlierDetector(random_state=0, max_epochs=epochs, max_time=None).fit(learn)
    labels = np.repeat([0, 1], [len(fresh), len(broken)])
    odd = -np.concatenate([detector.score_samples(rows) for rows in (fresh, broken)])
    alarms = (detector.p_values(fresh) <= 0.05).mean()
    worst = broken.iloc[np.argsort(detector.score_samples(broken))[:50]]
    surprise, _ = detector.explain(worst)
    place = [COLUMNS.index("Latitude"), COLUMNS.index("Longitude")]
    blamed = np.isin(surprise.argmax(1), place).mean()

    # p(x | label): the label is the only column that is given.
    label = np.where(learn["Latitude"] > BORDER, *LABELS)
    given = learn[[]].assign(label=label)
    target = learn[["MedHouseVal"]]
    law = pf.ConditionalDensityEstimator(random_state=0, max_epochs=epochs).fit(given, target)
    asked = given[:1]
    grid = np.arange(100, 4901) / 1000
    figure = Figure(figsize=(9, 3))
    axes, gap = figure.add_subplot(1, 2, 1), 0.0
    for name, colour in zip(LABELS, ("#1f6f8b", "#d1603d"), strict=True):
        asked = asked.assign(label=name)
        rows = asked.loc[asked.index.repeat(len(grid))]
        density = np.exp(law.log_prob(rows, grid[:, None]))
        # House values are recorded to 0.001: a recorded value's chance is its density times that.
        chances = np.cumsum(0.001 * density)
        cdf = law.cdf(rows, grid[:, None])
        gap = max(gap, float(np.abs(cdf - cdf[0] - (chances - chances[0])).max()))
        drawn = law.sample(asked, 4000, random_state=1)[0, :, 0]
        axes.hist(drawn, 60, range=(0, 5.2), density=True, color=colour, alpha=0.3, label=name)
        axes.plot(grid, density, color=colour, lw=1)
    axes.set(title="p(house value | label): drawn, and its density", xlabel="100,000 dollars")
    axes.legend(frameon=False)
    axes = figure.add_subplot(1, 2, 2)
    for rows, colour, name in ((fresh, "#1f6f8b", "as they are"), (broken, "#d1603d", "swapped")):
        axes.hist(
            detector.p_values(rows),
            20,
            range=(0, 1),
            density=True,
            color=colour,
            alpha=0.4,
            label=name,
        )
    axes.set(title="p-values of fresh rows", xlabel="small is odd", yticks=[])
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(folder / "G8_odd_rows.png", dpi=110)
    return {
        "area under the curve, swapped latitudes": float(roc_auc_score(labels, odd)),
        "false alarms among fresh rows at 5 %": float(alarms),
        "oddest swapped rows whose place is blamed": float(blamed),
        "largest difference of the distribution function and the sum of chances": gap,
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
