"""How the flows of torch do the works."""

import torch

from benchmarks.peers.speed.common import RATE


def prepare(build, dim, seed, *, log_prob, sample):
    """Return the number of free parameters and what does the works."""
    torch.manual_seed(seed)
    flow = build(dim)
    free = [p for p in flow.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(free, lr=RATE)

    def step(rows):
        optimizer.zero_grad()
        (-log_prob(flow, rows).mean()).backward()
        optimizer.step()

    def work(name, rows, calls):
        rows = torch.as_tensor(rows)
        is_training = name == "train"
        flow.train(is_training)
        with torch.set_grad_enabled(is_training):
            for _ in range(calls):
                if is_training:
                    step(rows)
                elif name == "log_prob":
                    log_prob(flow, rows)
                else:
                    sample(flow, len(rows))

    return sum(p.numel() for p in free), work
