"""How every flow of torch learns."""

import time

import numpy as np
import torch

from benchmarks.peers.recipes.common import CLIP, RATE, best_epoch

PART = 256
"""Rows scored at a time: integrands hold a net's activations at every point of every feature."""


def learn(build, train, validation, test, seed, seconds, log_prob):
    """Fit `build(dim)` and return the scores of the test rows by `log_prob(flow, rows)`."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    flow = build(train.shape[1])
    train, validation, test = map(torch.as_tensor, (train, validation, test))
    free = [p for p in flow.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(free, lr=RATE)

    def step(rows):
        flow.train()
        loss = -log_prob(flow, train[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(free, CLIP)
        if torch.isfinite(loss) and torch.isfinite(norm):
            optimizer.step()

    def scores(rows):
        flow.eval()
        with torch.no_grad():
            return torch.cat([log_prob(flow, part).detach() for part in rows.split(PART)])

    best, info = best_epoch(
        len(train),
        step,
        lambda: float(scores(validation).mean()),
        lambda: {name: value.clone() for name, value in flow.state_dict().items()},
        seed,
        began,
        seconds,
    )
    flow.load_state_dict(best)
    return {
        "log_prob": scores(test).numpy().astype(np.float64),
        "parameters": sum(p.numel() for p in free),
        **info,
    }
