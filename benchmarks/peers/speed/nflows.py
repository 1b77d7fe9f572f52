"""nflows's flows."""

from functools import partial
from importlib.metadata import version

from benchmarks.peers.recipes.nflows import RECIPES
from benchmarks.peers.speed.common import serve
from benchmarks.peers.speed.loop import prepare

if __name__ == "__main__":
    calls = {
        "log_prob": lambda flow, rows: flow.log_prob(rows),
        "sample": lambda flow, n: flow.sample(n),
    }
    serve(RECIPES, version("nflows"), partial(prepare, **calls))
