"""Work shared by threads, whose results do not depend on how many there are."""

import collections
import concurrent.futures
import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # where a process cannot be held to some
        return os.cpu_count() or 1


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Yield a function's results in the order of the items, a few of them ahead.

    Matrix products stay on the thread that asks for them: how many share one would change its
    last digits.
    """
    threads = threads or cores()
    with one_core_each():
        if threads == 1:
            yield from map(function, items)
            return
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            rest = iter(items)
            waiting = collections.deque(
                pool.submit(function, item) for item in itertools.islice(rest, 2 * threads)
            )
            try:
                while waiting:
                    done = waiting.popleft().result()
                    waiting.extend(
                        pool.submit(function, item) for item in itertools.islice(rest, 1)
                    )
                    yield done
            finally:
                for each in waiting:
                    each.cancel()


@contextlib.contextmanager
def one_core_each() -> Iterator[None]:
    """Keep matrix products to the thread that asks for them."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
