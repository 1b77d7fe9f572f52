"""Run a benchmark: python -m benchmarks tables | transforms --help."""

import sys

from benchmarks import tables, transforms

COMMANDS = {"tables": tables.main, "transforms": transforms.main}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python -m benchmarks {' | '.join(COMMANDS)} [options]")
    COMMANDS[sys.argv[1]](sys.argv[2:])
