"""Work of many small pieces, by several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_TOGETHER = 64  # most items that are handed to a thread at once


def in_threads(function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int) -> Iterator[_Result]:
    """What `function` gives for each of `items`, in their order; the first error ends the work.

    Only a few items wait at a time. `ThreadPoolExecutor.map` lets all of them wait at once, and makes 2 KB of each: of
    a million rows more memory than the rows.
    """
    together = max(1, min(_TOGETHER, len(items) // (8 * workers)))

    def work(start: int) -> list[_Result]:
        return [function(items[place]) for place in range(start, min(start + together, len(items)))]

    waiting: deque[Future[list[_Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, len(items), together):
                waiting.append(pool.submit(work, start))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
