"""F8: what a determinant costs: O(n³) in general, O(n) where the Jacobian is triangular."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

SIZES = (32, 64, 128, 256, 512, 1024)
LONG = (*SIZES, 2**14, 2**18, 2**20, 2**22)
"""Sizes for the triangular case, which below a million is over before it can be timed."""


def seconds(function: Callable, *arguments: jax.Array) -> float:
    """Return the least processor time of several runs: the work, whatever else the machine does."""
    function(*arguments).block_until_ready()
    times = []
    for _ in range(9):
        start = time.process_time()
        function(*arguments).block_until_ready()
        times.append(time.process_time() - start)
    return min(times)


def exponent(sizes: tuple[int, ...], times: list[float]) -> float:
    """Return the slope of log time over log size."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def main(folder: Path, epochs: int = 0) -> dict:
    """Time log|det| of full and of triangular Jacobians against their size."""
    general = jax.jit(lambda a: jnp.linalg.slogdet(a)[1])
    # A triangular layer never forms its Jacobian: it has the diagonal's logarithms at hand.
    triangular = jax.jit(lambda log_diagonal: log_diagonal.sum())
    full, cheap, gaps = [], [], []
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        for n in SIZES:
            matrix = np.tril(rng.normal(size=(n, n)) / np.sqrt(n), -1)
            log_diagonal = jnp.asarray(rng.uniform(-0.5, 0.5, n))
            matrix = jnp.asarray(matrix) + jnp.diag(jnp.exp(log_diagonal))
            full.append(seconds(general, matrix))
            gaps.append(float(jnp.abs(general(matrix) - triangular(log_diagonal))))

        cheap.extend(seconds(triangular, jnp.ones(n)) for n in LONG)

    figure = Figure(figsize=(5, 3.5))
    axes = figure.add_subplot()
    axes.loglog(SIZES, full, "o-", color="#d1603d", label="general Jacobian")
    axes.loglog(LONG, cheap, "o-", color="#1f6f8b", label="triangular Jacobian")
    cubic = full[-1] * (np.array(SIZES) / SIZES[-1]) ** 3.0
    linear = cheap[-1] * np.array(LONG[-4:]) / LONG[-1]
    axes.loglog(SIZES, cubic, ":", color="#d1603d", label="n³")
    axes.loglog(LONG[-4:], linear, ":", color="#1f6f8b", label="n")
    axes.set(
        xlabel="n", ylabel="processor seconds for log|det|", ylim=(min(cheap) / 3, max(full) * 3)
    )
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "F8_cost_of_determinants.png", dpi=110)
    return {
        "general: slope of log time over log n, large n": exponent(SIZES[-3:], full[-3:]),
        "triangular: the same": exponent(LONG[-2:], cheap[-2:]),
        f"general over triangular at n = {SIZES[-1]}": full[-1] / cheap[len(SIZES) - 1],
        "largest difference of the two log-determinants": max(gaps),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
