"""Objects as plain data: a structure tree of registry names, static fields and array references."""

import dataclasses
import importlib
import inspect
import math
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator

from pushforward.core.errors import ModelFileError, OptionError, PushforwardError
from pushforward.store.registry import NUMPYRO, class_of, name_of

_MAX_DEPTH = 100
_INVALID = (PushforwardError, TypeError, ValueError, AttributeError, IndexError)
"""What a constructor or a class's own check raises on fields that make no sense."""


def to_tree(value: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a value as JSON-able data and the arrays that it refers to.

    Raises
    ------
    OptionError : the value holds something that is not data (a function, a class of the user's).
    """
    arrays: dict[str, np.ndarray] = {}
    return _encode(value, arrays, 0), arrays


def from_tree(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return the value that `to_tree` took apart; every array must be used once."""
    unused = dict(arrays)
    value = _decode(tree, unused, 0)
    if unused:
        raise ModelFileError(f"arrays that the structure does not name: {sorted(unused)}")
    return value


def _encode(value: Any, arrays: dict[str, np.ndarray], depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise OptionError(
            "a model that is nested too deeply to save",
            f"{_MAX_DEPTH} levels at most",
            "put the layers side by side in one Chain",
        )
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return _encode(value.item(), arrays, depth)
    if isinstance(value, jax.Array | np.ndarray):
        return _encode_array(value, arrays)
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_encode(item, arrays, depth + 1) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item, arrays, depth + 1) for key, item in value.items()}}
    return _encode_object(value, arrays, depth)


def _encode_array(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        raise OptionError("a random key inside a model", "keys that are passed, never stored")
    array = np.asarray(value)
    if array.dtype.kind == "O":
        if not all(isinstance(item, str) for item in array.flat):
            raise OptionError(f"an array of {array.dtype}", "numbers, or strings")
        return {"strings": array.tolist()}
    if array.dtype.kind not in "biufV" or array.dtype.names is not None:
        raise OptionError(f"an array of {array.dtype} in a model to save", "real numbers or flags")
    name = f"a{len(arrays)}"
    array = array.astype(array.dtype.newbyteorder("="), order="C")
    arrays[name] = array
    kind = "jax" if isinstance(value, jax.Array) else "numpy"
    return {"array": name, "kind": kind, "dtype": str(array.dtype), "shape": list(array.shape)}


def _encode_object(value: Any, arrays: dict[str, np.ndarray], depth: int) -> Any:
    cls = type(value)
    laws = sys.modules.get("numpyro.distributions")
    if laws is not None and isinstance(value, laws.Distribution):
        return _encode_law(value, arrays, depth)
    name = name_of(cls)
    function = getattr(value, "__qualname__", None)
    if name is None and function is not None and cls is not type:
        raise OptionError(
            f"the function {value.__module__}.{function} in a model to save",
            "arrays, plain data and pushforward's own classes: files hold no code",
            "save the parameters of pf.partition(model) and keep the function's source yourself",
        )
    if name is None:
        raise OptionError(
            f"a {cls.__module__}.{cls.__qualname__} in a model to save",
            "arrays, plain data and pushforward's own classes",
            "replace it, or save the parameters of pf.partition(model) yourself",
        )
    if isinstance(value, BaseEstimator):
        fitted = {k: v for k, v in vars(value).items() if k.endswith("_")}
        return {
            "class": name,
            "options": {
                k: _encode(v, arrays, depth + 1) for k, v in value.get_params(deep=False).items()
            },
            "fitted": {k: _encode(v, arrays, depth + 1) for k, v in fitted.items()},
        }
    try:
        _check(value)
    except _INVALID as error:
        raise OptionError(
            f"a {name} that breaks its own rules: {error}", "a valid model"
        ) from error
    names = [field.name for field in dataclasses.fields(value)]
    fields = {key: _encode(getattr(value, key), arrays, depth + 1) for key in names}
    return {"class": name, "fields": fields}


def _check(value: Any) -> None:
    """Run the checks of its fields that a class's `__init__` would have run."""
    for name in ("__post_init__", "__check_init__"):
        check = getattr(value, name, None)
        if check is not None:
            check()


def _encode_law(law: Any, arrays: dict[str, np.ndarray], depth: int) -> Any:
    """Return a NumPyro distribution as its arguments, if those rebuild it exactly."""
    cls = type(law)
    names = [p for p in inspect.signature(cls).parameters if p != "validate_args"]
    arguments = {name: vars(law)[name] for name in names if name in vars(law)}
    same = getattr(sys.modules["numpyro.distributions"], cls.__name__, None) is cls
    if same:
        try:
            parts = zip(jax.tree.leaves(cls(**arguments)), jax.tree.leaves(law), strict=True)
            same = all(np.array_equal(a, b) for a, b in parts)
        except (TypeError, ValueError):
            same = False
    if not same:
        raise OptionError(
            f"a NumPyro {cls.__name__} in a model to save",
            "a public numpyro distribution that its arguments rebuild",
        )
    fields = {name: _encode(value, arrays, depth + 1) for name, value in arguments.items()}
    return {"class": NUMPYRO + cls.__name__, "fields": fields}


def _decode(tree: Any, arrays: dict[str, np.ndarray], depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ModelFileError(
            "a structure that is nested too deeply", f"{_MAX_DEPTH} levels at most"
        )
    if tree is None or isinstance(tree, bool | str | int | float):
        return tree
    if not isinstance(tree, dict):
        raise ModelFileError(f"a {type(tree).__name__} in the structure", "an object with a kind")
    inner = lambda item: _decode(item, arrays, depth + 1)  # noqa: E731
    match tree:
        case {"float": "inf" | "-inf" | "nan" as text}:
            return float(text)
        case {"list": list(items)}:
            return [inner(item) for item in items]
        case {"tuple": list(items)}:
            return tuple(inner(item) for item in items)
        case {"dict": dict(items)}:
            return {key: inner(item) for key, item in items.items()}
        case {"strings": list(items)}:
            return np.array(items, object)
        case {"array": str(name), "kind": kind, "dtype": dtype, "shape": shape}:
            return _decode_array(arrays, name, kind, dtype, shape)
        case {"class": str(name), "fields": dict(fields)}:
            return _decode_object(name, {k: inner(v) for k, v in fields.items()})
        case {"class": str(name), "options": dict(options), "fitted": dict(fitted)}:
            options = {k: inner(v) for k, v in options.items()}
            return _decode_estimator(name, options, {k: inner(v) for k, v in fitted.items()})
    raise ModelFileError(f"an entry with the keys {sorted(tree)}", "a known kind of entry")


def _decode_array(
    arrays: dict[str, np.ndarray], name: str, kind: Any, dtype: Any, shape: Any
) -> Any:
    array = arrays.pop(name, None)
    if array is None or str(array.dtype) != dtype or list(array.shape) != shape:
        found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise ModelFileError(f"array {name!r}: {found}", f"{dtype} {shape}")
    if kind == "numpy":
        return array
    with jax.enable_x64(array.dtype.itemsize == 8):
        return jnp.asarray(array)


def _decode_object(name: str, fields: dict[str, Any]) -> Any:
    if name.startswith(NUMPYRO):
        laws = importlib.import_module("numpyro.distributions")
        cls = getattr(laws, name.removeprefix(NUMPYRO), None)
        if not isinstance(cls, type) or not issubclass(cls, laws.Distribution):
            raise ModelFileError(f"a model file that names {name!r}", "a NumPyro distribution")
        try:
            return cls(**fields)
        except _INVALID as error:
            raise ModelFileError(f"arguments of {name}: {error}") from error
    cls = class_of(name)
    if not dataclasses.is_dataclass(cls):
        raise ModelFileError(f"{name} written as a plain object", "the form it is saved in")
    known = {field.name for field in dataclasses.fields(cls)}
    if set(fields) != known:
        raise ModelFileError(f"{name} with fields {sorted(fields)}", f"fields {sorted(known)}")
    value = object.__new__(cls)
    for key, item in fields.items():
        object.__setattr__(value, key, item)
    try:
        _check(value)
    except _INVALID as error:
        raise ModelFileError(f"{name} with fields that do not fit: {error}") from error
    return value


def _decode_estimator(name: str, options: dict[str, Any], fitted: dict[str, Any]) -> Any:
    cls = class_of(name)
    if not issubclass(cls, BaseEstimator):
        raise ModelFileError(f"{name} written as an estimator", "the form it is saved in")
    try:
        estimator = cls(**options)
    except TypeError as error:
        raise ModelFileError(f"options of {name}: {error}") from error
    for key, item in fitted.items():
        if not key.endswith("_") or key.startswith("_"):
            raise ModelFileError(f"a fitted attribute {key!r}", "a name that ends in _")
        setattr(estimator, key, item)
    return estimator
