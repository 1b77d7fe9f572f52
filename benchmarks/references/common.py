"""What every reference does: read each case's arrays, evaluate its own map, write the results.

A reference runs as a script in its own environment: python REFERENCE IN.npz OUT.npz. IN.npz holds
`case/name` arrays; points `x` are data and `z` latents, rows of a batch. OUT.npz holds
`case/direction/value` and `case/direction/log_det`, the log-determinant of that direction.
"""

import sys
from types import SimpleNamespace

import numpy as np


def run(cases, evaluate, convert, version, only):
    """Run `evaluate(build(p), direction, rows) -> (value, log_det)` for each case.

    `cases` maps names to functions of the case's arrays, `only` those that have one direction.
    """
    data = np.load(sys.argv[1])
    arrays = {}
    for key in data.files:
        case, name = key.split("/")
        arrays.setdefault(case, {})[name] = convert(data[key])
    out = {"version": version}
    for case, build in cases.items():
        if case not in arrays:
            continue
        p = SimpleNamespace(**arrays[case])
        for direction, points in (("inverse", "x"), ("forward", "z")):
            if points in arrays[case] and only.get(case, direction) == direction:
                value, log_det = evaluate(build(p), direction, arrays[case][points])
                log_det = np.asarray(log_det, np.float64)
                out[f"{case}/{direction}/value"] = np.asarray(value, np.float64)
                out[f"{case}/{direction}/log_det"] = (
                    log_det.sum(-1) if log_det.ndim > 1 else log_det
                )
    np.savez(sys.argv[2], **out)


def net(p, x):
    """Return what the net that a case shares makes of x: (…, features, parameters of each)."""
    h = x @ p.w0.T + p.b0
    if hasattr(p, "wc"):
        h = h + p.c @ p.wc.T
    h = h * (h > 0)
    h = h @ p.w1.T + p.b1
    h = h * (h > 0)
    last = p.w2.reshape(-1, p.w2.shape[-1])
    return (h @ last.T).reshape(*x.shape[:-1], *p.b2.shape) + p.b2


def part(p, name):
    """Return the arrays of a case that is part of another, `name_…` there."""
    own = {k.removeprefix(f"{name}_"): v for k, v in vars(p).items() if k.startswith(f"{name}_")}
    return SimpleNamespace(**own)
