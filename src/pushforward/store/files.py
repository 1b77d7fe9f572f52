"""The files of a model directory: written whole or not at all, checked before anything is read."""

import contextlib
import ctypes
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pushforward.core.errors import ModelFileError, OutputError

FORMAT = "pushforward-model"
SCHEMA_VERSION = 1
MODEL, PARAMS, SUMS = "model.json", "params.safetensors", "SHA256SUMS"
_FILES = (MODEL, PARAMS, SUMS)
_AT_CWD, _EXCHANGE = -100, 2
"""Linux's `AT_FDCWD` and `RENAME_EXCHANGE`, for `renameat2`."""


@contextlib.contextmanager
def new_directory(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary directory beside `path` that takes its name once all is written.

    Raises
    ------
    OutputError : the name is taken (without overwrite), or the place cannot be written.
    """
    check_free(path, overwrite)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield temporary
        (temporary / SUMS).write_text(_sums(temporary))
        mask = _umask()
        for file in temporary.iterdir():
            os.chmod(file, 0o666 & ~mask)
            _sync(file)
        os.chmod(temporary, 0o777 & ~mask)
        _swap(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_free(path: Path, overwrite: bool) -> None:
    """Raise unless a model may be written to `path`; only a model directory is ever replaced."""
    if not path.exists():
        if not path.parent.is_dir():
            raise OutputError(f"{path}: no folder {path.parent}", "an existing folder")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path}: folder {path.parent} cannot be written", "write access")
        return
    if not overwrite:
        raise OutputError(f"{path} exists", "a new name", "pass --overwrite (overwrite=True)")
    inside = {item.name for item in path.iterdir()} if path.is_dir() else {path.name}
    if inside - set(_FILES):
        raise OutputError(
            f"{path} holds {sorted(inside - set(_FILES))[:3]}",
            "a model directory to replace",
            "choose another name: nothing but a model is overwritten",
        )


def read_verified(path: Path) -> tuple[dict[str, Any], Path]:
    """Check a model directory against its sums; return the structure and the arrays' file.

    Raises
    ------
    ModelFileError : it is missing, incomplete, altered, or of another schema version.
    """
    if not path.is_dir():
        raise ModelFileError(f"{path}: no model directory", "what `pushforward fit -o` wrote")
    inside = sorted(item.name for item in path.iterdir())
    if inside != sorted(_FILES):
        raise ModelFileError(
            f"{path} holds {', '.join(inside) or 'nothing'}",
            f"exactly {', '.join(_FILES)}",
            "restore the directory from where it was saved",
        )
    try:
        sums = (path / SUMS).read_text()
        data = _parsed((path / MODEL).read_bytes()) if sums == _sums(path) else None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: {error}", "readable files") from error
    if data is None:
        raise ModelFileError(
            f"{path}: the files do not match {SUMS}",
            "files as they were written",
            "copy the model again: it was damaged or altered",
        )
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION or data.get("format") != FORMAT:
        raise ModelFileError(
            f"{path}: schema version {version!r}",
            f"{FORMAT} schema version {SCHEMA_VERSION}",
            "upgrade pushforward to read models of newer versions",
        )
    return data, path / PARAMS


def unwritable(path: Path, error: OSError) -> OutputError:
    """Return the error to raise for a place that cannot be written."""
    return OutputError(
        f"{path}: {error.strerror or error}", "a writable place with room", "nothing was written"
    )


def _parsed(text: bytes) -> Any:
    """Return strict JSON: no NaN, no infinity, written out or by overflow."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is not a finite JSON number")
    return float(text)


def _sums(folder: Path) -> str:
    lines = []
    for name in (MODEL, PARAMS):
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def _swap(new: Path, path: Path) -> None:
    """Put `new` at `path`; what stood there goes only once the new one stands.

    One exchange where the system has it, so that at any moment one whole model has the name;
    what stood there is then under the name of `new`. Elsewhere two renames, undone on failure.
    """
    if not path.exists():
        new.rename(path)
        return
    if _exchanged(new, path):
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(old / "model")
        new.rename(path)
    except BaseException:
        if (old / "model").exists() and not path.exists():
            (old / "model").rename(path)
        with contextlib.suppress(OSError):
            old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return rename(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE) == 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
