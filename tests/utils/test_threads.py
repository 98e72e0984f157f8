"""Threads over many small pieces of work: in order, few at a time, ended by the first error."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from smart_train.utils.threads import in_threads


def test_results_come_in_order_whatever_the_numbers() -> None:
    for count in (0, 1, 7, 64, 1000):
        for workers in (1, 3, 16):
            assert list(in_threads(lambda item: item * item, range(count), workers)) == [n * n for n in range(count)]


def test_few_items_wait_however_many_there_are() -> None:
    done: list[int] = []
    results = in_threads(done.append, range(100_000), 2)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(done) <= 64 * (2 * 2 + 1 + 2)


def test_a_few_slow_items_keep_all_threads_busy() -> None:
    together = threading.Barrier(4, timeout=30)
    assert list(in_threads(lambda _: together.wait() >= 0, range(8), 4)) == [True] * 8


def test_the_first_error_ends_the_work() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        done.append(item)
        if item == 3:
            raise ValueError("row 3")

    with pytest.raises(ValueError, match="row 3"):
        list(in_threads(work, range(100_000), 2))
    assert len(done) < 1000


def test_items_are_asked_for_one_by_one() -> None:
    class Rows(Sequence[int]):
        asked = 0

        def __len__(self) -> int:
            return 10_000

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            self.asked += 1
            return index

    rows = Rows()
    results = in_threads(lambda item: item, rows, 1)
    assert next(results) == 0 and rows.asked <= 64 * 4
    results.close()  # type: ignore[attr-defined]
