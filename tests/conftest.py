"""Settings of the test run: seeds, two pretend devices, shapes checked against annotations."""

import itertools
import os
import secrets
import zlib
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Two devices, so that sharding can be tested; no optimization and the plain emitters, because
# tests compile thousands of small programs and run each of them once (less than half the time,
# measured). Set XLA_FLAGS yourself for tests that run longer than they compile, and to test the
# programs that users run: XLA_FLAGS=--xla_force_host_platform_device_count=2.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_force_host_platform_device_count=2"
    " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
# Both processes, and the next run, compile one program once.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

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
_MAPS = Path("/proc/self/maps")
_MOST_MAPS = 40_000
"""Memory maps of a process at which compiled programs are dropped: Linux allows 65,530."""


def pytest_runtest_teardown():
    """Drop compiled programs when they are many; without it XLA crashes in a long run."""
    if next(_finished) % 10 == 0 and _MAPS.exists():
        with _MAPS.open("rb") as maps:
            if sum(1 for _ in maps) > _MOST_MAPS:
                jax.clear_caches()
