"""What a model directory says of itself, read without building the model."""

from pathlib import Path
from typing import Any

from pushforward.core.errors import ModelFileError
from pushforward.store.files import MODEL, PARAMS, SUMS, read_verified


def describe(path: str | Path) -> dict[str, Any]:
    """Return a verified model directory's class, options, card, columns and sums, as plain data.

    Raises
    ------
    ModelFileError : the directory is missing, damaged or from another schema version.
    """
    folder = Path(path)
    document, _ = read_verified(folder)
    try:
        tree = document["model"]
        fitted = tree.get("fitted", {})
        sums = [line.split() for line in (folder / SUMS).read_text().splitlines()]
        return {
            "class": tree["class"],
            "pushforward": document["pushforward"],
            "options": {k: _plain(v) for k, v in tree.get("options", {}).items()},
            "card": _plain(fitted.get("card_")),
            "schema": _plain(fitted.get("schema_")),
            "sha256": {name: digest for digest, name in sums},
            "bytes": sum((folder / name).stat().st_size for name in (MODEL, PARAMS)),
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: a structure that cannot be read: {error}") from error


def _plain(tree: Any) -> Any:
    """Return a structure tree as plain data: arrays by name and shape, objects by their fields."""
    if not isinstance(tree, dict):
        return tree
    match tree:
        case {"float": text}:
            return float(text)
        case {"list": items} | {"tuple": items} | {"strings": items}:
            return [_plain(item) for item in items]
        case {"dict": items} | {"fields": items}:
            return {key: _plain(item) for key, item in items.items()}
    return tree
