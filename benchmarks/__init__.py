"""Benchmarks: tasks, peers, results and the tables made from them. Never imported by the package."""
