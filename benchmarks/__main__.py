"""Run a benchmark: python -m benchmarks TASK --help, with a task of TASKS."""

import importlib
import sys

TASKS = (
    "tables",
    "transforms",
    "recipes",
    "posteriors",
    "agreement",
    "conditional",
    "large",
    "outliers",
    "samples",
    "information",
    "gaussianization",
    "speed",
)

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        sys.exit(f"usage: python -m benchmarks {' | '.join(TASKS)} [options]")
    importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
