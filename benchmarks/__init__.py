"""Benchmarks: tasks, peers, results and their tables. Never imported by the package."""
