"""A state that lies on some processes, shared out over others: every value where it was, whatever the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from smart_train.training.zero_resharding import (
    Layout,
    NotDivisible,
    Piece,
    Shard,
    check_kind,
    even_layout,
    reshard,
)

SHAPES = [{"a": (3, 5), "b": (7,)}, {"scale": (1,), "c": (2, 2)}]
WHOLE = {
    name: torch.arange(prod(shape)) + 100.0 * at for at, group in enumerate(SHAPES) for name, shape in group.items()
}
WHOLE["b"] += 50  # no value is that of another parameter


def cut_layout(process: int, processes: int) -> Layout:
    """As ZeRO-1 and 2 do: the parameters of a group in a row, cut into as many parts as there are processes."""
    layout = []
    for group in SHAPES:
        part = ceil(sum(prod(shape) for shape in group.values()) / processes)
        begin, end, at, pieces = process * part, (process + 1) * part, 0, []
        for name, shape in group.items():
            first, last = max(begin, at), min(end, at + prod(shape))
            if first < last:
                pieces.append(Piece(name, first - at, first - begin, last - first))
            at += prod(shape)
        layout.append(pieces)
    return layout


def by_zero3(process: int, processes: int) -> Layout:
    return even_layout(SHAPES, process, processes)


def filled(layout: Layout, factor: float) -> list[Tensor]:
    """The groups of one process, with a place of padding behind, in which nothing sensible lies."""
    groups = []
    for pieces in layout:
        size = max((piece.at + piece.length for piece in pieces), default=0)
        group = torch.full((size + 1,), -1.0)
        for piece in pieces:
            group[piece.at : piece.at + piece.length] = factor * WHOLE[piece.name][piece.start :][: piece.length]
        groups.append(group)
    return groups


def shards(layout_of, processes: int, steps: Sequence[float] = (3.0, 3.0, 3.0, 3.0), **extra: Tensor) -> list[Shard]:
    made = []
    for process in range(processes):
        layout = layout_of(process, processes)
        flat = [
            {"weights": one, "exp_avg": two} for one, two in zip(filled(layout, 1.0), filled(layout, 0.5), strict=True)
        ]
        other = [{"step": torch.tensor(steps[process]), **extra} for _ in layout]
        made.append(Shard(layout, flat, other))
    return made


@pytest.mark.parametrize("layout_of", [by_zero3, cut_layout])
@pytest.mark.parametrize(("before", "now"), [(2, 4), (4, 2), (3, 2), (1, 3), (2, 16)])
def test_every_value_is_where_it_belongs(layout_of, before: int, now: int) -> None:
    total = 0
    for process in range(now):
        wanted = layout_of(process, now)
        expected = filled(wanted, 1.0)
        flat, common = reshard(shards(layout_of, before), wanted, sizes=[len(group) for group in expected])
        assert common == {"step": 3.0}
        for pieces, group in zip(wanted, flat, strict=True):
            held = torch.zeros(len(group["weights"]), dtype=torch.bool)
            for piece in pieces:
                within = slice(piece.at, piece.at + piece.length)
                held[within] = True
                assert torch.equal(group["weights"][within], WHOLE[piece.name][piece.start :][: piece.length])
            assert torch.equal(group["exp_avg"], group["weights"] / 2)
            assert not group["weights"][~held].any(), "padding is zero"
            total += int(held.sum())
    assert total == sum(len(values) for values in WHOLE.values())


def test_what_belongs_to_a_shard_as_a_whole_is_named() -> None:
    wanted, sizes = by_zero3(0, 2), [20, 20]
    with pytest.raises(NotDivisible, match=r"step of its optimiser is 4\.0 in one shard and 3\.0 in another"):
        reshard(shards(by_zero3, 4, steps=[3.0, 4.0, 3.0, 3.0]), wanted, sizes=sizes)
    with pytest.raises(NotDivisible, match="absmax of its optimiser has values of its own for each shard"):
        reshard(shards(by_zero3, 4, absmax=torch.ones(3)), wanted, sizes=sizes)
    uneven = shards(by_zero3, 4)
    del uneven[2].flat[1]["exp_avg"]
    with pytest.raises(NotDivisible, match="its optimiser keeps exp_avg for some parameters alone"):
        reshard(uneven, wanted, sizes=sizes)
    with pytest.raises(NotDivisible, match="7 of its values are in none of the shards"):
        reshard(shards(by_zero3, 4)[:1], wanted, sizes=sizes)


@pytest.mark.parametrize(
    ("state", "optimizer", "on_disk", "message"),
    [
        ([], {}, False, "written with zero_optimization.elastic_checkpoint"),
        ({}, {"bf16_groups": []}, False, "gradients are summed in float32 under bf16"),
        ({}, {}, True, "the optimiser is kept on a disk"),
    ],
)
def test_other_forms_of_a_state_are_refused(state, optimizer: dict, on_disk: bool, message: str) -> None:
    engine = SimpleNamespace(optimizer=SimpleNamespace(**optimizer), zero_nvme_offload_optimizer=lambda: on_disk)
    with pytest.raises(NotDivisible, match=message):
        check_kind(engine, state)
    check_kind(SimpleNamespace(optimizer=None, zero_nvme_offload_optimizer=lambda: False), {})
