"""Names that are imported when first asked for, so that `pushforward --help` imports no jax."""

import importlib
from collections.abc import Callable


def lazily(package: str, where: dict[str, str]) -> Callable[[str], object]:
    """Return a package's `__getattr__`: name → the module (below the package) that holds it.

    An empty module means that the name is itself a folder of the package.
    """

    def load(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not where[name]:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(f"{package}.{where[name]}"), name)

    return load
