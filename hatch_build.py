"""Build the native layers where a compiler is there; without one the package works without them."""

import importlib.util
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-w")


class NativeHook(BuildHookInterface):
    """Compile `kernels.cc` against the headers of the jaxlib that is installed."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Add the library to the wheel, or say in a line why there is none."""
        folder = Path(self.root, "src", "pushforward", "native")
        target = folder / "kernels.so"
        reason = _build(folder / "kernels.cc", target)
        if reason:
            target.unlink(missing_ok=True)
            self.app.display_warning(
                f"pushforward: no native code ({reason}); JAX does all the work"
            )
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append("src/pushforward/native/kernels.so")


def _build(source: Path, target: Path) -> str:
    """Compile; return what stood in the way, or nothing."""
    compiler = shlex.split(os.environ.get("CXX") or shutil.which("g++") or "")
    if not compiler:
        return "no g++, and no other compiler in CXX"
    found = importlib.util.find_spec("jaxlib")
    if found is None or not found.submodule_search_locations:
        return "no jaxlib to build against"
    include = Path(next(iter(found.submodule_search_locations)), "include")
    part = target.with_suffix(".part")
    command = [*compiler, *FLAGS, f"-I{include}", str(source), "-o", str(part)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    if done.returncode:
        part.unlink(missing_ok=True)
        lines = done.stderr.strip().splitlines() or ["the compiler failed"]
        return next((line for line in lines if "error" in line), lines[0])
    part.replace(target)
    return ""
