"""Settings of the test run: seeds, two pretend devices, shapes checked against annotations."""

import itertools
import os
import secrets
import zlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Two devices, so that sharding can be tested; no optimization, because tests compile thousands
# of small programs and run each of them once (a third less time, measured). Set XLA_FLAGS
# yourself for tests that run longer than they compile.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_force_host_platform_device_count=2"
    " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

import jax
import jaxtyping
import numpy as np
import pytest

if os.environ.get("PUSHFORWARD_TYPECHECK", "1") == "1":
    # Not the estimators: scikit-learn's own checks hand their constructors nonsense on purpose.
    folders = [
        "core",
        "nets",
        "transforms",
        "densities",
        "models",
        "fitting",
        "tables",
        "store",
        "judge",
        "report",
    ]
    jaxtyping.install_import_hook([f"pushforward.{f}" for f in folders], "beartype.beartype")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=None, help="seed of randomized inputs")


def pytest_configure(config):
    if config.getoption("--seed") is None:
        worker = getattr(config, "workerinput", None)
        config.option.seed = worker["seed"] if worker else secrets.randbelow(2**31)


def pytest_configure_node(node):
    node.workerinput["seed"] = node.config.getoption("--seed")


def pytest_report_header(config):
    return f"seed: {config.getoption('--seed')} (repeat with --seed)"


@pytest.fixture
def seed(request):
    """A seed of the test's own, derived from the run's seed and the test's name."""
    return (request.config.getoption("--seed") + zlib.crc32(request.node.nodeid.encode())) % 2**31


@pytest.fixture
def rng(seed):
    print("seed of this test:", seed)
    return np.random.default_rng(seed)


_finished = itertools.count(1)
_KEPT = 60
"""Tests after which compiled programs are dropped: a thousand exhaust a process's memory maps."""


def pytest_runtest_teardown():
    """Drop compiled programs from time to time; without it XLA's compiler crashes in a long run."""
    if next(_finished) % _KEPT == 0:
        jax.clear_caches()
