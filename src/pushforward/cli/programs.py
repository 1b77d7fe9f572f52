"""Compiled programs, kept on disk between commands in a folder that is the user's alone.

They are code: a folder that someone else owns, or may write to or read, is left alone, and nothing
is kept. (On Windows folders are the user's by default; that is not checked.)
"""

import contextlib
import hashlib
import os
import platform
import stat
import sys
from importlib.metadata import version
from pathlib import Path

from pushforward import __version__

_MOST_BYTES = 1 << 30
_MARK = "-jaxlib"
"""Stands in the name of each folder of programs: no other file is ever touched."""

_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
}


def keep_programs() -> None:
    """Tell JAX, before it is imported, where programs are kept; unless the user has told it.

    Where there is no home, or no folder can be made, nothing is kept.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder = home() / f"{__version__}{_MARK}{version('jaxlib')}-{_processor()}"
    except RuntimeError:  # no home
        return
    if not (_own(folder.parent) and _own(folder)):
        return
    _forget_oldest(folder.parent)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def home() -> Path:
    """Return the folder of programs of all versions: PUSHFORWARD_CACHE, or the user's cache."""
    if given := os.environ.get("PUSHFORWARD_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "pushforward")


def _processor() -> str:
    """Return a digest of what the processor can do: programs of another may not run on it."""
    about = [platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about += [line for line in lines if line.startswith(("flags", "Features"))][:1]
    except OSError:
        pass
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:12]


def _own(folder: Path) -> bool:
    """Make a folder if it is missing; tell whether nobody else can put anything into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    if sys.platform == "win32":
        return stat.S_ISDIR(found.st_mode)
    is_mine = found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
    return stat.S_ISDIR(found.st_mode) and is_mine


def _forget_oldest(folder: Path) -> None:
    """Delete the programs that were used longest ago where all of them are too large."""
    files = []
    for path in folder.glob(f"*{_MARK}*/*"):
        try:
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            files.append((max(found.st_atime, found.st_mtime), found.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files) if total > _MOST_BYTES else []:
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
        if total < _MOST_BYTES // 2:
            return
