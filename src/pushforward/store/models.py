"""Save and load models as data."""

import json
from pathlib import Path
from typing import Any

import safetensors
from safetensors.numpy import load_file, save_file

from pushforward import __version__
from pushforward.core.errors import ModelFileError
from pushforward.store.files import (
    FORMAT,
    MODEL,
    PARAMS,
    SCHEMA_VERSION,
    new_directory,
    read_verified,
)
from pushforward.store.tree import from_tree, to_tree


def save(model: Any, path: str | Path, overwrite: bool = False) -> None:
    """Write a model, or a fitted estimator, to a directory of plain data.

    Parameters
    ----------
    model : any model made of pushforward's classes, or a fitted estimator.
    path : directory to make; it appears complete or not at all.
    overwrite : replace a model that stands there.

    Raises
    ------
    OutputError : the place is taken or cannot be written; nothing is left behind.
    OptionError : the model holds a function or a class of the user's (named).
    """
    tree, arrays = to_tree(model)
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "pushforward": __version__,
        "model": tree,
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    with new_directory(Path(path), overwrite) as folder:
        (folder / MODEL).write_text(text)
        try:
            save_file(arrays, folder / PARAMS)
        except safetensors.SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: str | Path) -> Any:
    """Read what `save` wrote, after checking it; nothing in the files is executed.

    Raises
    ------
    ModelFileError : the directory is missing, damaged, altered or from another schema version.
    """
    document, params = read_verified(Path(path))
    try:
        arrays = load_file(params)
    except (safetensors.SafetensorError, ValueError) as error:
        raise ModelFileError(f"{params}: {error}", "a complete safetensors file") from error
    try:
        return from_tree(document["model"], arrays)
    except KeyError as error:
        raise ModelFileError(f"{path}: no entry {error}") from error
