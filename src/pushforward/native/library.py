"""The compiled library, made known to XLA when it is first asked for."""

import ctypes
import functools
from pathlib import Path

import jax

PATH = Path(__file__).with_name("kernels.so")
TARGETS = ("PushforwardMoved", "PushforwardGradient")


@functools.cache
def is_there() -> bool:
    """Tell whether the library was built for the jaxlib that runs, and knows this processor."""
    try:
        library = ctypes.CDLL(str(PATH))
        library.PushforwardServes.restype = ctypes.c_bool
        if not library.PushforwardServes():
            return False
        for name in TARGETS:
            capsule = jax.ffi.pycapsule(getattr(library, name))
            jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    except (OSError, AttributeError, jax.errors.JaxRuntimeError):
        return False
    return True
