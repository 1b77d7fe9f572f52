"""How near to what the machine can do: achieved time over the least that the work would take.

python -m benchmarks speed limits

The least is a sum: the matrix products that masks leave, at the machine's best rate of products;
the elementary functions, at the best rate of exponentials of XLA and numpy (those of the native
layers are faster, so that a ratio can be below one); and the rows and parameters that have to be
read and written once, at its bandwidth. Rates and times are of one run, with the flows of `cells`
alone on the machine. A training step has three times the products, reads and writes the parameters
and Adam's two moments, and needs the slopes' sigmoids besides.
"""

import argparse
import json
import os
import statistics

import jax
import numpy as np

from benchmarks.speed import cells
from benchmarks.speed.environments import HERE
from benchmarks.speed.machine import machine, rates
from benchmarks.speed.worker import Worker

LINES = HERE / "results" / "speed_limits.jsonl"
TABLE = HERE / "results" / "speed_limits.md"
TURNS = 5
FUNCTIONS = {"maf": 2, "nsf": 21, "nsf_coupling": 21}
"""Elementary functions of one feature's scalar map: tanh and exp, or 16 exponentials, two
logarithms of a sum with their exponentials, and the log of the slope."""


def main(arguments):
    """Measure the machine's rates, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks speed limits", description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    if not options.table:
        rate = rates()
        for recipe in cells.RECIPES:
            for dim in cells.DIMS:
                measure(recipe, dim, rate, options.threads)
    write_table()


def measure(recipe, dim, rate, threads):
    """Measure a flow's works in a fresh process and append a line for each."""
    with Worker("ours", recipe, dim, 0, threads) as worker:
        for work in cells.WORKS:
            turns = cells.in_turn({"ours": worker}, work, TURNS, 0)["ours"][1]
            line = {"recipe": recipe, "dim": dim, "work": work, "turns": turns, "rates": rate}
            line |= {"threads": threads, **worker.about, **machine()}
            print(json.dumps(line), flush=True)
            with LINES.open("a") as file:
                file.write(json.dumps(line) + "\n")


def newest():
    """Return the newest line of each recipe, size and work."""
    lines = map(json.loads, LINES.read_text().splitlines() if LINES.exists() else [])
    return {(line["recipe"], line["dim"], line["work"]): line for line in lines}


def achieved(line):
    """Return the seconds of a call, and the least: of products, functions and bytes."""
    work = line["recipe"], line["dim"], line["work"]
    return statistics.median(line["turns"]), least(*work, line["rates"])


def counts(recipe, dim):
    """Return multiplications of a row's products, functions of a row, and free parameters."""
    import pushforward as pf
    from benchmarks.peers.speed.ours import RECIPES
    from pushforward.transforms import Coupling, MaskedAutoregressive
    from pushforward.transforms.compose import Scan

    model = RECIPES[recipe](dim, key=jax.random.key(0))
    kinds = (Coupling, MaskedAutoregressive)
    is_scan = lambda node: isinstance(node, Scan)  # noqa: E731
    chained = jax.tree.map(lambda n: n.unstack() if is_scan(n) else n, model, is_leaf=is_scan)
    nodes = jax.tree.leaves(chained, is_leaf=lambda node: isinstance(node, kinds))
    products = functions = 0
    for layer in (node for node in nodes if isinstance(node, kinds)):
        first, weights = layer.trunk.masked()
        products += sum(int(np.count_nonzero(w)) for w in (first, *weights))
        per_unit = sum(w[..., 0, 0].size for w in layer.heads.weights)
        n_features, width = layer.heads.weights[0].shape[-2:]
        mask = layer.trunk.head_mask(dim)
        share = 1.0 if mask is None else mask.mean()
        products += per_unit * n_features * width * share
        functions += FUNCTIONS[recipe] * n_features
    return products, functions, pf.core.count_parameters(model)


def least(recipe, dim, work, rate):
    """Return the least seconds of a work: of products, functions and bytes."""
    products, functions, parameters = counts(recipe, dim)
    kind, rows = cells.WORKS[work]
    trains = kind == "train"
    numbers = rows * (dim + 1) + parameters * (8 if trains else 1)
    return (
        rows * 2 * products * (3 if trains else 1) / rate["flops"],
        rows * functions * (1.1 if trains else 1.0) / rate["exponentials"],
        4 * numbers / rate["bytes"],
    )


def write_table():
    """Write achieved over least."""
    rows, lines = [], newest()
    for (recipe, dim, work), line in lines.items():
        took, parts = achieved(line)
        shares = [f"{1e3 * part:.3g}" for part in parts]
        row = [recipe, str(dim), work, f"{1e3 * took:.3g}", *shares]
        rows.append("| " + " | ".join([*row, f"**{took / sum(parts):.1f}**"]) + " |")
    last = list(lines.values())[-1]
    rate = last["rates"]
    out = [
        f"{last['processor']}, {last['cores']} cores: products {rate['flops'] / 1e9:.0f} GFLOP/s,",
        f"exponentials {rate['exponentials'] / 1e9:.2f} G/s, bytes {rate['bytes'] / 1e9:.0f} GB/s.",
        "Milliseconds of a call, the least by products, functions and bytes, and achieved / least.",
        "",
        "| flow | columns | work | achieved | products | functions | bytes | ratio |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())
