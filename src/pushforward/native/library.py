"""The compiled library, made known to XLA when it is first asked for."""

import ctypes
import functools
from pathlib import Path

import jax

PATH = Path(__file__).with_name("kernels.so")
TARGETS = ("PushforwardMoved", "PushforwardGradient")


@functools.cache
def loaded() -> ctypes.CDLL | None:
    """Return the library, or none where it was not built."""
    try:
        return ctypes.CDLL(str(PATH))
    except OSError:
        return None


@functools.cache
def is_there() -> bool:
    """Tell whether the library was built for the jaxlib that runs, and knows this processor."""
    library = loaded()
    if library is None:
        return False
    try:
        library.PushforwardServes.restype = ctypes.c_bool
        if not library.PushforwardServes():
            return False
        for name in TARGETS:
            capsule = jax.ffi.pycapsule(getattr(library, name))
            jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    except (AttributeError, jax.errors.JaxRuntimeError):
        return False
    return True
