"""Run a benchmark: python -m benchmarks tables --help."""

import sys

from benchmarks import tables

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] != "tables":
        sys.exit("usage: python -m benchmarks tables [options]")
    tables.main(sys.argv[2:])
