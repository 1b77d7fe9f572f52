"""How a fit is laid out: batches, epochs, patience and learning rate, with their defaults."""

import dataclasses
import math

from pushforward.core.errors import OptionError

BATCH_SIZE = 512
LEARNING_RATE = 2e-3
TARGET_STEPS = 3500
"""Steps that the default number of epochs aims at."""

_WARM_UP = 0.03
_FINAL_RATE = 0.01
_MOST_STEPS = 256
"""Steps after which validation rows choose, and the clock is looked at."""

_STEPS_PER_CALL = 25
"""Least steps in one compiled call: below it the call's own cost (0.2 ms) would be felt."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Fix the sizes that the compiled loop depends on."""

    steps: int
    batch_size: int
    max_epochs: int
    patience: int
    learning_rate: float
    epochs_per_call: int
    warm_up: float = _WARM_UP
    final_rate: float = _FINAL_RATE


def make_plan(
    n: int,
    *,
    batch_size: int | None = None,
    max_epochs: int | None = None,
    patience: int | None = None,
    learning_rate: float | None = None,
    shards: int = 1,
) -> Plan:
    """Choose what the caller left open for `n` rows.

    Batches are of nearly equal size and every row is seen once an epoch, which has at least four
    steps where there are rows enough. Where it would have more than `_MOST_STEPS`, an epoch is
    so many steps of rows drawn anew.
    """
    for name, value in (("batch_size", batch_size), ("patience", patience)):
        if value is not None and value < 1:
            raise OptionError(f"{name}={value}", "at least 1")
    if max_epochs is not None and max_epochs < 0:
        raise OptionError(f"max_epochs={max_epochs}", "at least 0")
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise OptionError(f"learning_rate={learning_rate}", "a positive number")
    wanted = min(BATCH_SIZE, max(32, n // 4)) if batch_size is None else batch_size
    steps = max(1, math.ceil(n / wanted))
    size = math.ceil(math.ceil(n / steps) / shards) * shards
    passes, steps = steps, min(steps, _MOST_STEPS)
    if max_epochs is None:
        max_epochs = min(1000, math.ceil(max(20 * passes, TARGET_STEPS) / steps))
    return Plan(
        steps=steps,
        batch_size=size,
        max_epochs=max_epochs,
        patience=max(10, max_epochs // 5) if patience is None else patience,
        learning_rate=LEARNING_RATE if learning_rate is None else learning_rate,
        epochs_per_call=max(1, _STEPS_PER_CALL // steps),
    )
