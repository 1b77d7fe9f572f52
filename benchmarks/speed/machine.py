"""The machine that a measurement ran on, and how fast it is at what flows are made of."""

import os
import platform
import time

import jax
import jax.numpy as jnp
import numpy as np


def machine():
    """Return the processor's name, and the cores and memory that are there."""
    names = _entries("/proc/cpuinfo", "model name")
    memory = _entries("/proc/meminfo", "MemTotal")
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[0].split()[0]) / 2**20) if memory else None,
        "python": platform.python_version(),
    }


def _entries(path, name):
    try:
        with open(path) as file:
            return [line.split(":", 1)[1].strip() for line in file if line.startswith(name)]
    except OSError:
        return []


def rates():
    """Return operations of matrix products, exponentials and bytes moved, a second, at best.

    The best of XLA and numpy, in float32, on arrays far larger than the cache for bytes.
    """
    rng = np.random.default_rng(0)
    square = rng.standard_normal((2048, 2048), np.float32)
    some, many = square.ravel()[:1_000_000], np.zeros(100_000_000, np.float32)
    product, exp, copy = jax.jit(jnp.matmul), jax.jit(jnp.exp), jax.jit(lambda x: x + 1)
    on_device = [jnp.asarray(part) for part in (square, some, many)]
    flops = 2 * 2048**3
    return {
        "flops": flops
        / min(_least(product, *on_device[:1] * 2), _least(np.matmul, square, square)),
        "exponentials": some.size / min(_least(exp, on_device[1]), _least(np.exp, some)),
        "bytes": 2 * many.nbytes / min(_least(copy, on_device[2]), _least(np.copy, many)),
    }


def _least(function, *arrays, times=29):
    """Return the least seconds of a call, after one that compiles."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        jax.block_until_ready(function(*arrays))
        took.append(time.perf_counter() - began)
    return min(took[1:])
