"""zuko: neural spline flow on z-scores, best validation epoch."""

import sys
import time
from pathlib import Path

sys.path = [p for p in sys.path if p != str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import zuko  # noqa: E402

sys.path.append(str(Path(__file__).parent))
from common import run, standardized  # noqa: E402

SECONDS = 60
PATIENCE = 20


def fit_and_score(train, validation, test, seed):
    torch.manual_seed(seed)
    (x, log_scale), (v, _) = standardized(train, train), standardized(validation, train)
    t, _ = standardized(test, train)
    x, v, t = (torch.as_tensor(a, dtype=torch.float32) for a in (x, v, t))
    flow = zuko.flows.NSF(x.shape[1], transforms=5, hidden_features=(64, 64), bins=8)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
    best, best_score, since, began = None, -np.inf, 0, time.perf_counter()
    while since < PATIENCE and time.perf_counter() - began < SECONDS:
        for rows in torch.randperm(len(x)).split(256):
            loss = -flow().log_prob(x[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
            optimizer.step()
        score = float(scores(flow, v).mean())
        since += 1
        if score > best_score:
            best = {k: p.clone() for k, p in flow.state_dict().items()}
            best_score, since = score, 0
    flow.load_state_dict(best)
    return scores(flow, t).numpy() - log_scale, zuko.__version__


def scores(flow, rows):
    with torch.no_grad():
        return torch.cat([flow().log_prob(part) for part in rows.split(2000)])


run(fit_and_score)
