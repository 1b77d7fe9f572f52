"""Our maps and densities against other libraries', as the same function in float64.

python -m benchmarks agreement --python zuko=PATH --python flowjax=PATH ... [--seed 0] [--cases a,b]
    draws parameters and points, lets each library evaluate its own implementation in its own
    environment (requirements beside the references), and compares values and log-determinants:
    one JSON line a comparison, the newest of each, and a table. --table only writes the table.

A difference counts relative to max(1, |ours|); one above 1e-9 fails, and so does the command.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
REFERENCES = HERE / "references"
LINES = HERE / "results" / "agreement.jsonl"
TABLE = HERE / "results" / "agreement.md"
LIBRARIES = ("zuko", "nflows", "normflows", "flowjax", "distrax")
TOLERANCE = 1e-9


def main(arguments):
    """Compare with every library that has an interpreter, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks agreement", description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="LIBRARY=PATH")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", default="", help="all by default")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    pythons = dict(pair.split("=", 1) for pair in options.python)
    if set(pythons) - set(LIBRARIES):
        parser.error(f"--python of one of {', '.join(LIBRARIES)}")
    failed = False
    if not options.table:
        failed = compare(pythons, options.seed, [c for c in options.cases.split(",") if c])
    write_table()
    sys.exit(failed)


def compare(pythons, seed, names):
    """Run the libraries on the same cases, keep a line a comparison; tell whether any failed."""
    import jax

    print(f"seed {seed}", flush=True)
    with jax.enable_x64(True), tempfile.TemporaryDirectory() as folder:
        cases, arrays = drawn(seed, names)
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **arrays)
        results, failed = {}, False
        for library in LIBRARIES:
            if library not in pythons:
                print(f"{library}: skipped, no --python {library}=PATH", flush=True)
                continue
            command = [pythons[library], REFERENCES / f"{library}.py", source, target]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                failed = True
                print(f"{library}: failed\n{done.stderr.strip()}", flush=True)
            else:
                results[library] = dict(np.load(target))
        lines = [line for name in cases for line in compared(name, *cases[name], results, seed)]
    for line in lines:
        print(json.dumps(line), flush=True)
    keep(lines)
    return failed or not lines or not all(line["pass"] for line in lines)


def drawn(seed, names):
    """Return each case's (ours, arrays), and all arrays by `case/name`."""
    from benchmarks.references.cases import CASES

    cases = {}
    for name in names or CASES:
        cases[name] = CASES[name](np.random.default_rng([seed, *name.encode()]))
    arrays = {f"{name}/{k}": v for name, (_, p) in cases.items() for k, v in p.items()}
    return cases, arrays


def compared(name, ours, p, results, seed):
    """Yield a line for each library and direction that evaluated this case."""
    from pushforward.core import Transform

    for direction, points in (("inverse", "x"), ("forward", "z")):
        with_it = [
            library for library in results if f"{name}/{direction}/value" in results[library]
        ]
        if not with_it:
            continue
        if isinstance(ours, Transform):
            value, dlogp = getattr(ours, direction)(p[points].T, _turned(p.get("c")))
            what = "data → latent" if direction == "inverse" else "latent → data"
            log_det = dlogp if direction == "inverse" else -dlogp
            ours_are = {"value": np.asarray(value).T, "log_det": np.asarray(log_det)}
        else:
            what, ours_are = "log density", {"value": np.asarray(ours.log_prob(p[points]))}
        for library in with_it:
            line = {"name": name, "library": library, "version": str(results[library]["version"])}
            line |= {"what": what, "points": len(p[points]), "seed": seed}
            for key, mine in ours_are.items():
                theirs = results[library][f"{name}/{direction}/{key}"]
                line[key] = _difference(mine, np.broadcast_to(theirs, mine.shape))
            line["pass"] = all(line[key] <= TOLERANCE for key in ours_are)
            yield line


def _turned(context):
    return None if context is None else context.T


def _difference(ours, theirs):
    """Return the worst difference, in units of max(1, |ours|); NaN where anything is not finite."""
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(ours))))


def keep(lines):
    """Write the newest line of each comparison."""
    LINES.write_text("".join(json.dumps(v) + "\n" for v in (newest() | _keyed(lines)).values()))


def newest():
    """Return the lines on disk by case, library and direction."""
    text = LINES.read_text() if LINES.exists() else ""
    return _keyed(map(json.loads, text.splitlines()))


def _keyed(lines):
    return {(line["name"], line["library"], line["what"]): line for line in lines}


def write_table():
    """Write the lines as a table: a row a case and direction, a column a library."""
    known = newest()
    versions = {line["library"]: line["version"] for line in known.values()}
    libraries = [library for library in LIBRARIES if library in versions]
    passed = sum(line["pass"] for line in known.values())
    out = [
        "The same function in float64 here and in other libraries: worst difference of values and",
        f"of log-determinants, relative to max(1, |value|). {passed} of {len(known)} comparisons",
        f"agree to {TOLERANCE:g}.",
        "",
        "| case | what | " + " | ".join(f"{name} {versions[name]}" for name in libraries) + " |",
        "|" + "---|" * (len(libraries) + 2),
    ]
    for name, what in dict.fromkeys((name, what) for name, _, what in known):
        cells = [_cell(known.get((name, library, what))) for library in libraries]
        out.append("| " + " | ".join([name.replace("_", " "), what, *cells]) + " |")
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def _cell(line):
    if line is None:
        return ""
    numbers = ", ".join(f"{line[key]:.0e}" for key in ("value", "log_det") if key in line)
    return numbers if line["pass"] else f"**{numbers}**"
