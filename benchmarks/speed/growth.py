"""How cost grows: with columns, layers, bins, rows and batch, as log-log slopes and a picture.

python -m benchmarks speed growth [--only columns,layers] [--again]

Of our own flows, from the sizes of the cells (five layers, eight columns and bins) along one axis
at a time: milliseconds of a call, and seconds of compiling, which the first call takes besides. A
slope of one means in proportion; it is fitted to the larger half of the sizes.
"""

import argparse
import json
import os
import statistics

import numpy as np

from benchmarks.speed.environments import HERE
from benchmarks.speed.machine import machine
from benchmarks.speed.worker import Worker, calls_for

LINES = HERE / "results" / "speed_growth.jsonl"
TABLE = HERE / "results" / "speed_growth.md"
PICTURE = HERE / "results" / "speed_growth.svg"
RECIPES = ("maf", "nsf", "nsf_coupling")
WORKS = {"train": 512, "log_prob": 20_000, "sample": 20_000}
DIM = 8
AXES = {
    "columns": (2, 4, 8, 16, 32, 64, 128, 256),
    "layers": (1, 2, 4, 8, 16, 32),
    "bins": (2, 4, 8, 16, 32),
    "rows": (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    "batch": (64, 256, 1024, 4096, 16_384),
}
TURNS = 5


def main(arguments):
    """Measure what is missing, then write table and picture."""
    parser = argparse.ArgumentParser(prog="benchmarks speed growth", description=__doc__)
    parser.add_argument("--only", default=",".join(AXES), help="axes")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write table and picture")
    options = parser.parse_args(arguments)
    known = newest()
    for axis in [] if options.table else options.only.split(","):
        for recipe in options.recipes.split(","):
            for size in AXES[axis]:
                works = _works(axis, recipe, size)
                if works and (
                    options.again or any((axis, recipe, size, w) not in known for w in works)
                ):
                    measure(axis, recipe, size, works, options.threads)
    write_table()


def _works(axis, recipe, size):
    """Return the works to do at a size, and their rows."""
    if axis == "bins" and recipe == "maf":
        return {}
    if axis == "batch":
        return {"train": size}
    return {"log_prob": size, "sample": size} if axis == "rows" else WORKS


def measure(axis, recipe, size, works, threads):
    """Measure works in a fresh process and append a line for each."""
    options = {axis: size} if axis in ("layers", "bins") else {}
    with Worker(
        "ours", recipe, size if axis == "columns" else DIM, 0, threads, **options
    ) as worker:
        for work, rows in works.items():
            first, again = (worker.seconds(work, rows) for _ in range(2))
            calls = calls_for(again)
            turns = [worker.seconds(work, rows, calls) / calls for _ in range(TURNS)]
            line = {"axis": axis, "recipe": recipe, "size": size, "work": work, "rows": rows}
            line |= {
                "first": first,
                "turns": turns,
                "threads": threads,
                **worker.about,
                **machine(),
            }
            print(json.dumps(line), flush=True)
            with LINES.open("a") as file:
                file.write(json.dumps(line) + "\n")


def newest():
    """Return the newest line of each axis, recipe, size and work."""
    lines = map(json.loads, LINES.read_text().splitlines() if LINES.exists() else [])
    return {tuple(line[k] for k in ("axis", "recipe", "size", "work")): line for line in lines}


def curves():
    """Return sizes, seconds of a call and of compiling, of each axis, recipe and work."""
    found = {}
    for (axis, recipe, size, work), line in sorted(newest().items()):
        call = statistics.median(line["turns"])
        point = size, call, line["first"] - call
        found.setdefault((axis, recipe, work), []).append(point)
    return {key: np.array(points).T for key, points in found.items()}


def slope(sizes, seconds):
    """Return the log-log slope over the larger half of the sizes."""
    upper = slice(len(sizes) // 2 - 1 if len(sizes) > 2 else 0, None)
    return np.polyfit(np.log(sizes[upper]), np.log(seconds[upper]), 1)[0]


def write_table():
    """Write the slopes and the picture."""
    rows = []
    for (axis, recipe, work), (sizes, seconds, compiling) in curves().items():
        if len(sizes) > 1:
            span = f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}"
            times = f"{1e3 * seconds[0]:.3g} to {1e3 * seconds[-1]:.3g}"
            cells = [axis, recipe, work, span, times, f"{slope(sizes, seconds):.2f}"]
            cells += [f"{compiling[0]:.2g} to {compiling[-1]:.2g}"]
            cells += [f"{slope(sizes, compiling):.2f}"]
            rows.append("| " + " | ".join(cells) + " |")
    out = [
        "Cost against size: milliseconds of a call, seconds of compiling (first less another),",
        "log-log slopes over the larger half of the sizes. Picture: speed_growth.svg.",
        "",
        "| axis | flow | work | sizes | ms | slope | compiling, s | slope |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    TABLE.write_text("\n".join(out) + "\n")
    draw()
    print(TABLE.read_text())


def draw():
    """Draw a panel for each axis and recipe."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(
        len(RECIPES), len(AXES), figsize=(3 * len(AXES), 2.6 * len(RECIPES)), layout="constrained"
    )
    for (axis, recipe, work), (sizes, seconds, compiling) in curves().items():
        panel = panels[RECIPES.index(recipe), list(AXES).index(axis)]
        colour = f"C{list(WORKS).index(work)}"
        panel.loglog(sizes, 1e3 * seconds, "o-", ms=3, color=colour, label=work)
        panel.loglog(sizes, 1e3 * compiling, ":", color=colour)
        ticks = sizes[:: (len(sizes) + 5) // 6]
        panel.set_xticks(ticks, [f"{size:g}" for size in ticks])
        panel.xaxis.set_minor_locator(ticker.NullLocator())
        panel.set_title(f"{recipe}: {axis}", fontsize=9)
        panel.tick_params(labelsize=7)
    for panel in panels[:, 0]:
        panel.set_ylabel("milliseconds\n(dotted: compiling)", fontsize=8)
    panels[0, 0].legend(fontsize=7)
    for panel in panels.flat:
        panel.set_visible(panel.has_data())
    figure.savefig(PICTURE, metadata={"Date": None})
    pyplot.close(figure)
