"""A state that lies on some processes, shared out over others: every value where it was, whatever the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from math import ceil, prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from smart_train.errors import RunError
from smart_train.training import zero_resharding
from smart_train.training.zero_resharding import (
    Layout,
    NotDivisible,
    Piece,
    Shard,
    check_kind,
    even_layout,
    load_resharded,
    reshard,
    saved_processes,
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


class AdamW8bit:
    """torchao and bitsandbytes name theirs so."""


@pytest.mark.parametrize(
    ("optimizer", "on_disk", "message"),
    [
        ({"bf16_groups": []}, False, "gradients are summed in float32 under bf16"),
        ({}, True, "the optimiser is kept on a disk"),
        (
            {"optimizer": AdamW8bit()},
            False,
            "tests's AdamW8bit keeps its state in few bits, with a scale",
        ),
    ],
)
def test_other_forms_of_a_state_are_refused(optimizer: dict, on_disk: bool, message: str) -> None:
    engine = SimpleNamespace(optimizer=SimpleNamespace(**optimizer), zero_nvme_offload_optimizer=lambda: on_disk)
    with pytest.raises(NotDivisible, match=message):
        check_kind(engine)
    plain = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    check_kind(SimpleNamespace(optimizer=SimpleNamespace(optimizer=plain), zero_nvme_offload_optimizer=lambda: False))


@pytest.mark.parametrize(("name", "divisible"), [("AdamW", True), ("AdamW8bit", False), ("Lion8bit", False)])
def test_what_bitsandbytes_keeps_in_8_bits_is_refused_by_its_name(name: str, divisible: bool) -> None:
    """As it is made, and as transformers makes it, by `optim_bits`."""
    bnb = pytest.importorskip("bitsandbytes", reason="needs the extra quantization")
    weight = [torch.nn.Parameter(torch.ones(8192))]
    made = [getattr(bnb.optim, name)(weight)] + ([] if divisible else [bnb.optim.AdamW(weight, optim_bits=8)])
    for optimizer in made:
        outer = SimpleNamespace(optimizer=optimizer)
        engine = SimpleNamespace(optimizer=outer, zero_nvme_offload_optimizer=lambda: False)
        with nullcontext() if divisible else pytest.raises(NotDivisible, match="bitsandbytes's .* keeps its state in"):
            check_kind(engine)


class Engine:
    """What is asked of DeepSpeed's engine and optimiser under ZeRO-3, in one, with what the optimiser was given."""

    def __init__(self) -> None:
        self.optimizer, self.calls = self, []
        self.fp32_partitioned_groups_flat = filled(by_zero3(1, 2), 0.0)
        self.zero_optimization_stage = lambda: 3
        self.zero_nvme_offload_optimizer = lambda: False
        self._get_zero_param_shapes = lambda: SHAPES

    def checkpoint_event_prologue(self) -> None:
        self.calls.append("before")

    def checkpoint_event_epilogue(self) -> None:
        self.calls.append("after")

    def state_dict(self) -> dict[str, Any]:
        groups = [{"lr": 9.0, "params": [index]} for index in range(2)]
        return {"zero_stage": 3, "overflow": True, "optimizer_state_dict": {"state": {}, "param_groups": groups}}

    def load_state_dict(self, states: list[dict[str, Any]], **_: bool) -> None:
        self.calls.append("load")
        self.given = states[1]


@pytest.fixture
def by_eleven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint as eleven processes leave it under ZeRO-3, read by the second of two."""
    (tmp_path / "latest").write_text("global_step3")
    folder = tmp_path / "global_step3"
    folder.mkdir()
    for process, shard in enumerate(shards(by_zero3, 11, steps=[3.0] * 11)):
        for group, flat in zip(SHAPES, shard.flat, strict=True):  # as long as the shares of its parameters together
            length = sum(ceil(prod(shape) / 11) for shape in group.values())
            flat |= {name: torch.cat([value, value.new_zeros(length)])[:length] for name, value in flat.items()}
        state = {index: {**shard.other[index], "exp_avg": flat["exp_avg"]} for index, flat in enumerate(shard.flat)}
        groups = [{"lr": 0.5, "params": [0]}, {"lr": 0.25, "params": [1]}]
        saved = {
            "optimizer_state_dict": {"state": state, "param_groups": groups},
            "fp32_flat_groups": [flat["weights"] for flat in shard.flat],
            "overflow": False,
        }
        name = f"zero_pp_rank_{process}_mp_rank_00"
        torch.save({"optimizer_state_dict": saved}, folder / f"{name}_optim_states.pt")
        counters = {"global_steps": 3, "global_samples": 24, "skipped_steps": 1}
        torch.save({"param_shapes": SHAPES, **counters}, folder / f"{name}_model_states.pt")
    monkeypatch.setattr(zero_resharding, "rank", lambda: 1)
    monkeypatch.setattr(zero_resharding, "world_size", lambda: 2)
    return tmp_path


def test_the_files_of_eleven_are_read_by_two(by_eleven: Path) -> None:
    assert saved_processes(by_eleven) == 11 and saved_processes(by_eleven / "global_step3") == 0
    engine = Engine()
    load_resharded(engine, by_eleven)
    assert engine.calls == ["before", "load", "after"]
    assert (engine.global_steps, engine.global_samples, engine.skipped_steps) == (3, 24, 1)
    given = engine.given["optimizer_state_dict"]
    assert engine.given["overflow"] is False and engine.given["zero_stage"] == 3
    assert given["param_groups"] == [{"lr": 0.5, "params": [0]}, {"lr": 0.25, "params": [1]}]
    for pieces, weights, state in zip(
        by_zero3(1, 2), engine.given["fp32_flat_groups"], given["state"].values(), strict=True
    ):
        assert state["step"] == 3 and torch.equal(state["exp_avg"], weights / 2)
        for piece in pieces:
            expected = WHOLE[piece.name][piece.start :][: piece.length]
            assert torch.equal(weights[piece.at : piece.at + piece.length], expected)
    assert given["state"][0]["step"] is not given["state"][1]["step"], "it is counted in place"


def test_a_state_that_does_not_fit_is_refused_by_the_checkpoints_name(
    by_eleven: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    engine._get_zero_param_shapes = lambda: [{"a": (3, 5)}]
    with pytest.raises(RunError, match=f"{by_eleven}: its state is of other parameters than are trained now"):
        load_resharded(engine, by_eleven)
    engine = Engine()
    engine.zero_nvme_offload_optimizer = lambda: True
    told = r"11 processes wrote it, now there are 2, .*kept on a disk .*; start it with 11 processes again"
    with pytest.raises(RunError, match=told), monkeypatch.context() as patch:
        patch.setattr(torch, "load", None)  # it is told before anything is read
        load_resharded(engine, by_eleven)
    for file in (by_eleven / "global_step3").glob("*optim_states.pt"):
        torch.save({"optimizer_state_dict": {"optimizer_state_dict": []}}, file)
    with pytest.raises(RunError, match="written with zero_optimization.elastic_checkpoint"):
        load_resharded(Engine(), by_eleven)


def test_shards_that_are_not_those_of_all_processes_are_refused(by_eleven: Path) -> None:
    for process in range(5, 11):
        (by_eleven / "global_step3" / f"zero_pp_rank_{process}_mp_rank_00_optim_states.pt").unlink()
    with pytest.raises(RunError, match="its parameters are not divided by all processes"):
        load_resharded(Engine(), by_eleven)
