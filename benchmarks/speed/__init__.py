"""How fast: against peers on the same work, as sizes grow, and against what the machine allows.

python -m benchmarks speed environments       an environment of its own for each peer
python -m benchmarks speed cells              what is missing of the paired measurements
python -m benchmarks speed growth             cost against columns, layers, bins, rows and batch
python -m benchmarks speed limits             achieved time over what the machine allows
python -m benchmarks speed profile            where the rest of the time goes
python -m benchmarks speed quality            from a fresh process to a peer's best validation

Each part appends JSON lines to results/speed_PART.jsonl, and writes its table from them.
"""

import importlib
import sys

PARTS = ("environments", "cells", "growth", "limits", "profile", "quality")


def main(arguments):
    """Run a part."""
    if not arguments or arguments[0] not in PARTS:
        sys.exit(f"usage: python -m benchmarks speed {' | '.join(PARTS)} [options]")
    importlib.import_module(f"benchmarks.speed.{arguments[0]}").main(arguments[1:])
