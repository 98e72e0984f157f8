"""The state of a ZeRO checkpoint for another number of processes than wrote it.

Each process of a ZeRO run holds one shard of every flat group: stretches of parameters in float32, one after the other,
and the optimiser's moments in the same order. A process of the resumed run reads the old shards, one at a time, and
copies what belongs into its own. Nothing is written (docs/decisions/zero-on-other-processes.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smart_train.distributed import rank, world_size
from smart_train.errors import RunError

# DeepSpeed's names: of the optimiser's own state, and of the float32 weights.
_KEYS = {1: ("base_optimizer_state", "single_partition_of_fp32_groups")}
_KEYS |= {2: _KEYS[1], 3: ("optimizer_state_dict", "fp32_flat_groups")}
_COMMON = ("loss_scaler", "dynamic_loss_scale", "overflow", "clip_grad")  # all ranks have them alike
_COUNTERS = ("global_steps", "global_samples", "skipped_steps")
_WEIGHTS = "float32 weights"  # among the optimiser's own names, such as exp_avg

Shapes = Sequence[Mapping[str, Sequence[int]]]  # of each flat group: its parameters in their order


@dataclass(frozen=True)
class Piece:
    """Where a flat group of one process holds `length` values of the parameter `name`.

    Args:
        start: the first of them in the flattened parameter. at: the first of them in the group.
    """

    name: str
    start: int
    at: int
    length: int


Layout = list[list[Piece]]  # of one process: for each flat group its pieces


@dataclass(frozen=True)
class Shard:
    """What one process held.

    Args:
        flat: of each group, by name, tensors [n] whose values lie where `layout` says.
        other: of each group, by name, everything else.
    """

    layout: Layout
    flat: list[dict[str, Tensor]]
    other: list[dict[str, Any]]


class NotDivisible(ValueError):
    """A state that belongs to a shard as a whole, and not to its parameters."""


def saved_processes(checkpoint: Path) -> int:
    """How many processes wrote the state of ZeRO in `checkpoint`; 0 where there is none."""
    return len(_files(checkpoint, "optim_states")) if (checkpoint / "latest").is_file() else 0


def load_resharded(engine: Any, checkpoint: Path) -> None:
    """Gives DeepSpeed's `engine` what is trained, the optimiser's state and the counters of `checkpoint`, which another
    number of processes wrote. Every rank must call it, within `unpickling.without_code`.

    Raises:
        RunError: the state is of other parameters, or cannot be divided by parameter.
    """
    optimizer, stage = engine.optimizer, engine.zero_optimization_stage()
    of_state, of_weights = _KEYS[stage]
    with _naming_processes(checkpoint):
        check_kind(engine)  # before anything is read
    first = _read(_files(checkpoint, "optim_states")[0])["optimizer_state_dict"]
    model_state = _read(_files(checkpoint, "model_states")[0])
    shapes, saved_shapes = engine._get_zero_param_shapes(), model_state["param_shapes"]
    if _merged(shapes) != _merged(saved_shapes):
        raise RunError(f"{checkpoint}: its state is of other parameters than are trained now; pass --overwrite")
    with _naming_processes(checkpoint):
        if not isinstance(first[of_state], dict):
            raise NotDivisible("it was written with zero_optimization.elastic_checkpoint")
        if stage == 3:
            optimizer.checkpoint_event_prologue()  # as DeepSpeed does: every parameter lies in shards
            held, wanted = optimizer.fp32_partitioned_groups_flat, even_layout(shapes, rank(), world_size())
        else:
            held, wanted = optimizer.single_partition_of_fp32_groups, _mapped_layout(engine)
        flat, common = reshard(
            _shards(checkpoint, stage, saved_shapes), wanted, sizes=[group.numel() for group in held]
        )
    fresh = optimizer.state_dict() | {key: first[key] for key in _COMMON if key in first}
    groups = zip(first[of_state]["param_groups"], fresh[of_state]["param_groups"], strict=True)
    fresh[of_weights] = [group.pop(_WEIGHTS) for group in flat]
    fresh[of_state] = {
        # Copies: an optimiser counts its steps in place, group by group.
        "state": {index: {**group, **deepcopy(common)} for index, group in enumerate(flat)},
        "param_groups": [{**saved, "params": now["params"]} for saved, now in groups],
    }
    # Of the list DeepSpeed takes the entry of its own rank.
    optimizer.load_state_dict([fresh] * world_size(), load_optimizer_states=True, load_from_fp32_weights=True)
    if stage == 3:
        optimizer.checkpoint_event_epilogue()
    else:
        optimizer.update_lp_params()
    for name in _COUNTERS:
        setattr(engine, name, model_state[name])


def reshard(
    shards: Iterable[Shard], wanted: Layout, *, sizes: Sequence[int]
) -> tuple[list[dict[str, Tensor]], dict[str, Any]]:
    """The part of one process in a state that others hold.

    Args:
        shards: of every process that holds it.
        wanted: where the process is to have what. sizes: of its groups; what `wanted` does not name becomes zero.

    Returns:
        Of each group the tensors [size] by name, and by name what all groups of all shards have alike.

    Raises:
        NotDivisible: the shards differ in something that is not in their layouts, or do not hold all that is wanted.
    """
    places = {piece.name: (group, piece) for group, pieces in enumerate(wanted) for piece in pieces}
    missing = sum(piece.length for _, piece in places.values())
    parts: list[dict[str, Tensor]] = []
    common: dict[str, Any] = {}
    for shard in shards:
        for pieces, flat, other in zip(shard.layout, shard.flat, shard.other, strict=True):
            if not parts:
                parts = [{name: value.new_zeros(size) for name, value in flat.items()} for size in sizes]
                common = other
            _check_alike(flat, parts[0], other, common)
            for piece in pieces:
                if piece.name not in places:
                    continue
                group, place = places[piece.name]
                begin = max(piece.start, place.start)
                length = min(piece.start + piece.length, place.start + place.length) - begin
                if length <= 0:
                    continue
                missing -= length
                for name, value in flat.items():
                    source = value.narrow(0, piece.at + begin - piece.start, length)
                    parts[group][name].narrow(0, place.at + begin - place.start, length).copy_(source)
    if missing:
        raise NotDivisible(f"{missing} of its values are in none of the shards, or in several")
    return parts, common


def even_layout(shapes: Shapes, process: int, processes: int) -> Layout:
    """Where `process` has what under ZeRO-3, which divides every parameter evenly; the last parts are filled up."""
    layout: Layout = []
    for group in shapes:
        pieces, at = [], 0
        for name, shape in group.items():
            share = ceil(prod(shape) / processes)
            start = min(process * share, prod(shape))
            pieces.append(Piece(name, start, at, min(share, prod(shape) - start)))
            at += share
        layout.append(pieces)
    return layout


def _share_of_group(shapes: Mapping[str, Sequence[int]], processes: int) -> int:
    """Values that each of `processes` holds of a group under ZeRO-3."""
    return sum(ceil(prod(shape) / processes) for shape in shapes.values())


def _mapped_layout(engine: Any) -> Layout:
    """Where this process has what under ZeRO-1 and 2, which divide a whole group, anywhere within a parameter."""
    layout: Layout = []
    for group in engine.optimizer.bit16_groups:
        held = [(parameter, parameter._hp_mapping) for parameter in group if parameter._hp_mapping is not None]
        layout.append(
            [
                Piece(
                    engine.param_names[parameter],
                    mapping.lp_fragment_address.start,
                    mapping.hp_fragment_address.start,
                    mapping.hp_fragment_address.numel,
                )
                for parameter, mapping in held
            ]
        )
    return layout


def _shards(checkpoint: Path, stage: int, shapes: Shapes) -> Iterator[Shard]:
    """The shards in `checkpoint`, in the order of the processes that wrote them."""
    of_state, of_weights = _KEYS[stage]
    files = _files(checkpoint, "optim_states")
    ends: dict[str, int] = {}  # of the parameters, as far as the shards before hold them
    for process, file in enumerate(files):
        saved = _read(file)["optimizer_state_dict"]
        if stage == 3:
            layout = even_layout(shapes, process, len(files))
        else:
            layout = []
            for mapping in saved["param_slice_mappings"]:
                layout.append([Piece(name, ends.get(name, 0), at.start, at.numel) for name, at in mapping.items()])
                ends |= {piece.name: piece.start + piece.length for piece in layout[-1]}
        # ZeRO-1 and 2 leave out the padding of the weights, and of nothing else.
        padding = saved.get("group_paddings", [0] * len(layout))
        flat, other = [], []
        for index, weights in enumerate(saved[of_weights]):
            if stage == 3 and weights.numel() != _share_of_group(shapes[index], len(files)):
                raise NotDivisible(
                    "its parameters are not divided by all processes (mics_shard_size, or a file is gone)"
                )
            state = saved[of_state]["state"].get(index, {})
            size = weights.numel() + padding[index]
            whole = {key for key, value in state.items() if isinstance(value, Tensor) and value.shape == (size,)}
            flat.append({_WEIGHTS: weights, **{key: state[key] for key in state if key in whole}})
            other.append({key: state[key] for key in state if key not in whole})
        yield Shard(layout, flat, other)


@contextmanager
def _naming_processes(checkpoint: Path) -> Iterator[None]:
    """Turns a NotDivisible inside into a RunError that says with how many processes `checkpoint` can be resumed."""
    try:
        yield
    except NotDivisible as error:
        before = saved_processes(checkpoint)
        raise RunError(
            f"{checkpoint}: {before} processes wrote it, now there are {world_size()}, and its state cannot be shared "
            f"out anew: {error}; start it with {before} processes again, or pass --overwrite"
        ) from error


def check_kind(engine: Any) -> None:
    """Raises NotDivisible where DeepSpeed was told to keep its state in another form, or the optimiser keeps its own in
    blocks."""
    if hasattr(engine.optimizer, "bf16_groups"):
        raise NotDivisible("gradients are summed in float32 under bf16 (data_types.grad_accum_dtype)")
    if engine.zero_nvme_offload_optimizer():
        raise NotDivisible("the optimiser is kept on a disk (zero_optimization.offload_optimizer)")
    inner = getattr(engine.optimizer, "optimizer", None)
    name, bits = (
        type(inner).__name__,
        getattr(getattr(inner, "args", None), "optim_bits", 32),
    )  # bitsandbytes keeps it so
    if bits < 32 or name.endswith(("8bit", "4bit", "Fp8")):
        raise NotDivisible(
            f"{type(inner).__module__.split('.')[0]}'s {name} keeps its state in few bits, with a scale for each block "
            "of a shard's values, and other shards have other blocks (training.optim)"
        )


def _check_alike(flat: dict[str, Tensor], flat_before: Any, other: dict[str, Any], other_before: dict) -> None:
    if flat.keys() != flat_before.keys() or other.keys() != other_before.keys():
        names = sorted((flat.keys() ^ flat_before.keys()) | (other.keys() ^ other_before.keys()))
        raise NotDivisible(f"its optimiser keeps {', '.join(names)} for some parameters alone")
    for name, value in other.items():
        if isinstance(value, Tensor) and value.dim() > 0:
            raise NotDivisible(f"{name} of its optimiser has values of its own for each shard")
        if value != other_before[name]:
            raise NotDivisible(f"{name} of its optimiser is {value} in one shard and {other_before[name]} in another")


def _merged(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for group in shapes for name, shape in group.items()}


def _files(checkpoint: Path, kind: str) -> list[Path]:
    """The `kind` files of the state in `checkpoint`, in the order of ranks."""
    folder = checkpoint / (checkpoint / "latest").read_text(encoding="utf-8").strip()
    return sorted(folder.glob(f"*mp_rank_*_{kind}.pt"), key=_numbers)


def _numbers(file: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", file.name)]


def _read(file: Path) -> dict[str, Any]:
    return torch.load(file, map_location="cpu", mmap=True, weights_only=True)
