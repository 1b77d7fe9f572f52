"""A process of one library that holds a flow and waits for work."""

import json
import os
import subprocess

from benchmarks.speed.environments import HERE, OWN, python_of


class Worker:
    """One library's flow in a process of its own, confined to so many threads."""

    def __init__(self, library, recipe, dim, seed, threads, **options):
        """Start the process; `options` go to the recipe."""
        module = f"benchmarks.peers.speed.{'ours' if library in OWN else library}"
        command = [python_of(library), "-m", module, recipe, str(dim), str(seed)]
        limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self._process = subprocess.Popen(
            [*command, json.dumps(options)],
            cwd=HERE.parent,
            env=os.environ | dict.fromkeys(limits, str(threads)) | OWN.get(library, {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.about = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def seconds(self, work, rows, calls=1):
        """Return the seconds that so many calls take."""
        self._process.stdin.write(f"{work} {rows} {calls}\n")
        return self._answer()["seconds"]

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return json.loads(line)


def calls_for(seconds, burst=0.2, most=100):
    """Return how often to do a work of so many seconds, so that starting it is no part of it."""
    return max(1, min(most, round(burst / seconds)))
