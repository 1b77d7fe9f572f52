"""The compiled library, made known to XLA when it is first asked for."""

import ctypes
import functools
from pathlib import Path

import jax

PATH = Path(__file__).with_name("kernels.so")
TARGETS = ("PushforwardMoved", "PushforwardGradient")


@functools.cache
def is_there() -> bool:
    """Tell whether the library was built, loads, and knows this processor."""
    if not PATH.exists():
        return False
    try:
        library = ctypes.CDLL(str(PATH))
    except OSError:
        return False
    library.PushforwardServes.restype = ctypes.c_bool
    if not library.PushforwardServes():
        return False
    for name in TARGETS:
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    return True
