"""F12: discrete data. A discrete flow permutes the states: no volume term, and what is lost."""

import itertools
import sys
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure

import pushforward as pf

CODES = 4
STATES = np.array(list(itertools.product(range(CODES), repeat=2)))


def main(folder: Path, epochs: int = 40) -> dict:
    """Learn two tables of 4 × 4 states: one that a permutation makes a product, one not."""
    rng = np.random.default_rng(0)
    first, noise = [0.4, 0.3, 0.2, 0.1], [0.85, 0.05, 0.05, 0.05]
    shifted = np.array([first[a] * np.roll(noise, a) for a in range(CODES)])
    # Five equal states of sixteen: no product law has five equal masses and eleven zeros.
    five = np.zeros((CODES, CODES))
    five[[0, 0, 1, 2, 3], [0, 2, 0, 1, 3]] = 1 / 5

    numbers, pictures = {}, []
    for name, truth in (("a shifted product", shifted), ("five states", five)):
        rows = STATES[rng.choice(16, 4000, p=truth.ravel())]
        flow = pf.models.discrete_flow(2, key=jax.random.key(0), categories=CODES, layers=1)
        fitted = pf.fit(flow, rows, key=jax.random.key(1), max_epochs=epochs, learning_rate=1e-2)
        mass = np.exp(np.asarray(fitted.model.log_prob(STATES), np.float64))
        seen = truth.ravel() > 0
        entropy = -(truth.ravel()[seen] * np.log(truth.ravel()[seen])).sum()
        cross = -(truth.ravel()[seen] * np.log(mass[seen])).sum()
        numbers[f"largest difference of the 16 masses' sum from one, {name}"] = float(
            abs(mass.sum() - 1)
        )
        numbers[f"{name}: entropy, nats"] = float(entropy)
        numbers[f"{name}: flow, nats"] = float(cross)
        pictures += [(f"{name}: truth", truth), ("flow", mass.reshape(CODES, CODES))]
    numbers["five states: the least that any permuted product can reach"] = _least(5)

    figure = Figure(figsize=(9.5, 2.6))
    for k, (title, table) in enumerate(pictures):
        axes = figure.add_subplot(1, 4, k + 1)
        axes.imshow(table, cmap="magma_r", vmin=0)
        axes.set(title=title, xticks=range(CODES), yticks=range(CODES))
    figure.tight_layout()
    figure.savefig(folder / "F12_discrete_data.png", dpi=110)
    return numbers


def _least(count: int) -> float:
    """Return the least cross-entropy of `count` equal states under any permuted product law.

    A permutation moves masses and keeps them. The states belong on the product's largest masses,
    which fill a staircase of rows r₁ ≥ r₂ ≥ …; the best product then has the staircase's own
    marginal laws, and the cross-entropy is the sum of their entropies.
    """
    least = np.inf
    for rows in itertools.product(range(CODES + 1), repeat=CODES):
        if sum(rows) == count and list(rows) == sorted(rows, reverse=True):
            columns = [sum(r > j for r in rows) for j in range(CODES)]
            shares = np.array([r / count for r in (*rows, *columns) if r])
            least = min(least, -(shares * np.log(shares)).sum())
    return float(least)


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
