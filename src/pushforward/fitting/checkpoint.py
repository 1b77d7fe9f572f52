"""A fit's state on disk, so that a killed fit can go on where it was."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pushforward.fitting.batch import Batch
from pushforward.fitting.loop import State
from pushforward.fitting.plan import Plan


def fingerprint(rows_and_key: tuple[Batch, Batch | None, Array], params: PyTree, plan: Plan) -> str:
    """Return a digest of data, key, start and plan: a state only goes on with its own."""
    train, held, key = rows_and_key
    digest = hashlib.sha256(repr(plan).encode())
    for leaf in jax.tree.leaves((train, held, jax.random.key_data(key), params)):
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def write(path: Path, state: State, history: dict[str, list], mark: str) -> None:
    """Write the state under a temporary name, then rename it."""
    state = _key_as_data(state)
    leaves = {f"{i:05d}": np.asarray(v) for i, v in enumerate(jax.tree.leaves(state))}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    save_file(leaves, temporary, {"fingerprint": mark, "history": json.dumps(history)})
    temporary.replace(path)


def read(path: Path, like: State, mark: str) -> tuple[State, dict[str, list]] | None:
    """Return the state and history at `path`, or None if there is none that fits."""
    if not path.exists():
        return None
    leaves, structure = jax.tree.flatten(_key_as_data(like))
    try:
        with safe_open(path, framework="numpy") as file:
            meta: dict[str, Any] = file.metadata() or {}
            stored = [file.get_tensor(name) for name in sorted(file.keys())]
    except (SafetensorError, OSError):
        return None
    shapes = [(np.shape(leaf), np.dtype(leaf.dtype)) for leaf in leaves]
    if meta.get("fingerprint") != mark or [(v.shape, v.dtype) for v in stored] != shapes:
        return None
    state = jax.tree.unflatten(structure, [jnp.asarray(v) for v in stored])
    return _data_as_key(state, like), json.loads(meta["history"])


def _key_as_data(state: State) -> State:
    return _with_key(state, jax.random.key_data(state.key))


def _data_as_key(state: State, like: State) -> State:
    return _with_key(state, jax.random.wrap_key_data(state.key, impl=jax.random.key_impl(like.key)))


def _with_key(state: State, key: Any) -> State:
    fields = {name: getattr(state, name) for name in State.__dataclass_fields__}
    return State(**{**fields, "key": key})
