"""An environment of its own for each peer, from its pinned requirements.

python -m benchmarks speed environments [--peers zuko,nflows]
    builds what is missing under benchmarks/.cache/environments.
"""

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent.parent
FOLDER = HERE / ".cache" / "environments"
OWN = {"ours": {}, "plain": {"PUSHFORWARD_NATIVE": "none"}}
"""This library, with native code and by JAX alone, and what their processes are told."""

PEERS = {
    "flowjax": HERE / "peers" / "requirements-flowjax.txt",
    "zuko": HERE / "peers" / "requirements-zuko.txt",
    "nflows": HERE / "references" / "requirements-nflows.txt",
    "normflows": HERE / "references" / "requirements-normflows.txt",
}


def main(arguments):
    """Build the environments that are missing."""
    parser = argparse.ArgumentParser(prog="benchmarks speed environments", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS))
    for peer in parser.parse_args(arguments).peers.split(","):
        python_of(peer)


def python_of(library):
    """Return the interpreter of a library's environment, built where it is missing."""
    if library in OWN:
        return sys.executable
    folder = FOLDER / library
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "-r", PEERS[library]]
        subprocess.run(install, check=True)
        done.touch()
    return str(python)
