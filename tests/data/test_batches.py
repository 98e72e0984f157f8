"""GroupedBatches: one kind a batch, dealt out by weight, cut to a token budget, the same for every rank and seed."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from smart_train.data import Group, GroupedBatches
from smart_train.errors import DataError

TWO = [Group("a", range(0, 20)), Group("b", range(20, 27))]


def kinds(batches: list[list[int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in batches:
        names = {"a" if row < 20 else "b" for row in batch}
        assert len(names) == 1, "a batch holds one kind"
        found.update(names)
    return found


def test_without_weights_an_epoch_is_one_pass() -> None:
    sampler = GroupedBatches(TWO, batch_size=4, drop_last=False)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 5 + 2
    assert sorted(itertools.chain(*batches)) == list(range(27))
    assert kinds(batches) == {"a": 5, "b": 2}
    dropped = GroupedBatches(TWO, batch_size=4)
    assert len(list(dropped)) == len(dropped) == 5 + 1 and all(len(batch) == 4 for batch in dropped)


def test_kinds_take_turns_at_random() -> None:
    order = [batch[0] < 20 for batch in GroupedBatches(TWO, batch_size=1)]
    assert order != sorted(order) and order != sorted(order, reverse=True)


def test_the_order_is_that_of_seed_and_epoch() -> None:
    def epoch(number: int, **options: Any) -> list[list[int]]:
        sampler = GroupedBatches(TWO, batch_size=4, **options)
        sampler.set_epoch(number)
        return list(sampler)

    assert epoch(1, seed=5) == epoch(1, seed=5) != epoch(2, seed=5)
    assert epoch(1, seed=5) != epoch(1, seed=6)


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("like", [{}, {"max_tokens": 700}, {"by_length": True}])
def test_ranks_share_every_step(drop_last: bool, like: dict[str, Any]) -> None:
    groups = [
        Group(group.name, group.rows, lengths=[100 + 7 * row for row in group.rows] if like else None) for group in TWO
    ]
    options: dict[str, Any] = {"batch_size": 3, "drop_last": drop_last, **like}
    first = GroupedBatches(groups, processes=2, **options)
    second = first.for_rank(1)
    steps = list(zip(first, second, strict=True))
    assert len(steps) == len(first) == len(second)
    for own, other in steps:
        assert len(own) == len(other), "all processes have as many rows"
        kinds([own + other])
    assert [sorted(own + other) for own, other in steps] == [sorted(batch) for batch in first.epoch_batches()]
    if not drop_last:
        assert {row for step in steps for batch in step for row in batch} == set(range(27))


def test_weights_deal_out_the_batches_of_an_epoch() -> None:
    groups = [Group("a", range(0, 20), weight=1.0), Group("b", range(20, 27), weight=3.0)]
    sampler = GroupedBatches(groups, batch_size=2, drop_last=False)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 14
    assert kinds(batches) == {"a": 4, "b": 10}  # 14 * 1 / 4 = 3.5, 14 * 3 / 4 = 10.5: the first of equals is rounded up
    often = Counter(itertools.chain(*(batch for batch in batches if batch[0] >= 20)))
    assert set(often) == set(range(20, 27)), "a small source is gone through again and again"
    assert max(often.values()) - min(often.values()) <= 1
    seen = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        seen |= {row for batch in sampler for row in batch}
    assert seen == set(range(27)), "other rows of a large source come in other epochs"


def test_every_source_with_a_weight_has_a_batch() -> None:
    groups = [Group("a", range(0, 20), weight=1.0), Group("b", range(20, 27), weight=1e-6)]
    assert kinds(list(GroupedBatches(groups, batch_size=4))) == {"a": 6, "b": 1}


def test_a_token_budget_holds_with_padding_and_negatives() -> None:
    lengths = [10, 500, 20, 480, 30, 1000, 15, 25, 470, 990, 12, 700]
    group = Group("pages", range(12), lengths=lengths, documents=2)
    sampler = GroupedBatches([group], batch_size=4, max_tokens=2200, drop_last=False)
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler), "as many in every epoch"
        assert sorted(itertools.chain(*batches)) == list(range(12))
        for batch in batches:
            padded = len(batch) * 2 * max(lengths[row] for row in batch)
            assert padded <= 2200 or len(batch) == 1
            assert len(batch) <= 4
    assert max(len(batch) for batch in batches) == 4, "short rows fill a batch"


def test_rows_of_a_budget_change_places_between_epochs() -> None:
    group = Group("pages", range(64), lengths=[100 + row % 5 for row in range(64)])
    sampler = GroupedBatches([group], batch_size=8, max_tokens=10_000)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        epochs.append({frozenset(batch) for batch in sampler})
    assert not epochs[0] & epochs[1]


def test_rows_of_one_length_use_the_whole_budget() -> None:
    group = Group("pages", range(64), lengths=[1_160] * 64)
    assert {len(batch) for batch in GroupedBatches([group], batch_size=64, max_tokens=16 * 1_160)} == {16}


def test_by_length_every_row_comes_once_and_batches_stay_full() -> None:
    lengths = [50 + (row * 7919) % 950 for row in range(405)]
    sampler = GroupedBatches([Group("p", range(405), lengths=lengths)], batch_size=10, drop_last=False, by_length=True)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(itertools.chain(*batches)) == list(range(405))
        assert sorted(map(len, batches)) == [5] + [10] * 40
        epochs.append({frozenset(batch) for batch in batches})
    assert not epochs[0] & epochs[1], "other rows are a row's negatives in another epoch"


def test_by_length_a_weight_takes_batches_of_every_length() -> None:
    """A source of which an epoch takes a few batches, by its weight, is not asked for its longest rows alone."""
    groups = [
        Group("a", range(400), weight=1.0, lengths=list(range(400))),
        Group("b", range(400, 440), weight=9.0, lengths=list(range(40))),
    ]
    sampler = GroupedBatches(groups, batch_size=4, by_length=True)
    drawn = Counter[int]()
    for epoch in range(200):
        sampler.set_epoch(epoch)
        drawn.update(row // 100 for batch in sampler for row in batch if row < 400)
    assert min(drawn.values()) > 0.8 * max(drawn.values()), "by quarters of the lengths"


def test_by_length_leaves_out_rows_of_any_length() -> None:
    lengths = list(range(100, 149))  # 12 batches of 4, pools of 3 batches, and one row too many
    sampler = GroupedBatches([Group("p", range(49), lengths=lengths)], batch_size=4, by_length=True)
    left = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        left |= set(range(49)) - set(itertools.chain(*sampler))
    assert len(left) > 10, "not the shortest row alone"


def test_few_rows_are_hardly_sorted() -> None:
    """Two batches are a pool each, so that they are drawn as without lengths."""
    plain = GroupedBatches([Group("p", range(8))], batch_size=4)
    sampler = GroupedBatches([Group("p", range(8), lengths=list(range(1, 9)))], batch_size=4, by_length=True)
    assert sorted(map(sorted, sampler)) == sorted(map(sorted, plain))


def test_a_budget_sorts_by_itself() -> None:
    group = Group("p", range(40), lengths=[10 + row for row in range(40)])
    options: dict[str, Any] = {"batch_size": 8, "max_tokens": 200}
    assert list(GroupedBatches([group], by_length=True, **options)) == list(GroupedBatches([group], **options))


def test_grouping_cuts_padding() -> None:
    lengths = [50 + (row * 7919) % 950 for row in range(400)]

    def waste(**options: Any) -> float:
        batches = list(GroupedBatches([Group("p", range(400), lengths=lengths)], batch_size=16, **options))
        used = sum(lengths[row] for batch in batches for row in batch)
        return 1 - used / sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)

    assert waste(max_tokens=16_000) < 0.1 < 0.35 < waste()
    assert waste(by_length=True) < 0.15


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        (
            TWO,
            {"batch_size": 8},
            "b: 7 rows: fewer than a batch of 8 x 1 process.es., so they would never be used",
        ),
        (TWO, {"batch_size": 4, "processes": 2}, "b: 7 rows: fewer than a batch of 4 x 2"),
        ([TWO[0], Group("b", [20], weight=1.0)], {"batch_size": 1}, "given to some sources but not to a; give all"),
        ([Group("a", [1], weight=0.0)], {"batch_size": 1}, "a: weight is 0.0; it must be above 0"),
        (TWO, {"batch_size": 1, "max_tokens": 0}, "max_tokens_per_batch is 0; it must be at least 1"),
        (TWO, {"batch_size": 1, "max_tokens": 9}, "a: a token budget needs the length of every row"),
        (TWO, {"batch_size": 1, "by_length": True}, "a: by_length needs the length of every row"),
    ],
)
def test_what_makes_no_batches(groups: list[Group], options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        GroupedBatches(groups, **options)


def test_the_smallest_step() -> None:
    assert GroupedBatches(TWO, batch_size=4, drop_last=False).smallest == 3
    assert GroupedBatches(TWO, batch_size=4, drop_last=False, processes=2).smallest == 8
    assert GroupedBatches([Group("a", range(8), documents=3)], batch_size=2).smallest == 6


def test_without_a_row_there_is_no_batch() -> None:
    with pytest.raises(DataError, match="there is not one row to make a batch of"):
        GroupedBatches([], batch_size=4)
