"""Several processes share the batches of one encoding: the main one gets what one process would, each batch once."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from smart_train import SmartModel
from smart_train.distributed import rank, tensors_to_main
from smart_train.errors import DataError, RunError, WriteError
from smart_train.evaluation.tuning_states import TuningStates
from tests.ranks import start_ranks
from tests.tuned import Toy, make_toy

WORLD = 2
LAYERS = (-1, 1)
COUNTS = (48, 20, 1)  # queries; in batches of 7: uneven shares, and ranks without any


def work(number: int, folder: str, toy: Toy) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=WORLD)
    model = SmartModel.from_pretrained(toy.folder)
    featurize, batches = model.family.featurize, []
    model.family.featurize = lambda items, role: batches.append(len(items)) or featurize(items, role)
    for count in COUNTS:
        with TuningStates(model, toy.data(0, count), LAYERS, batch_size=7, memory_bytes=0, across_ranks=True) as states:
            torch.save(pickled(states), Path(folder) / f"{count}.{number}.pt")
    torch.save(batches, Path(folder) / f"batches.{number}.pt")
    model.family.featurize = lambda items, role: failing(number, featurize, items, role, DataError("item of rank 1"))
    with pytest.raises(DataError, match="item of rank 1") as told:
        TuningStates(model, toy.data(), LAYERS, batch_size=7, across_ranks=True)
    assert told.value.from_main == (number != 1), "the rank that it happened to tells it"
    model.family.featurize = lambda items, role: failing(number, featurize, items, role, KeyError("a bug"))
    if number == 1:
        with pytest.raises(KeyError, match="a bug"):
            TuningStates(model, toy.data(), LAYERS, batch_size=7, across_ranks=True)
    else:
        with pytest.raises(RunError, match=r"^rank 1 failed \(KeyError: 'a bug'\); its output says where$") as told:
            TuningStates(model, toy.data(), LAYERS, batch_size=7, across_ranks=True)
        assert told.value.from_main
    model.family.featurize = featurize
    # In the first round, and in the last one, after which no other follows.
    for batch_size in (7, 64):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "save", lambda *_: throw(OSError(errno.ENOSPC, "disk full")))
            with pytest.raises(WriteError, match=r"smart_train_tune_.*/0.pt: cannot be written \(disk full\)") as told:
                TuningStates(model, toy.data(), LAYERS, batch_size=batch_size, memory_bytes=0, across_ranks=True)
        assert told.value.from_main == (number != 0), "the main rank alone writes, and tells it"
    sent = [torch.full((3, 2), 7, dtype=torch.int16), torch.tensor([True])]
    received = tensors_to_main(None if number == 0 else sent)
    assert rank() == 0 or received == []
    if rank() == 0:
        assert received[0] is None and received[1] is not None
        assert received[1][0].tolist() == [[7, 7]] * 3 and received[1][1].tolist() == [True]
    torch.distributed.destroy_process_group()


def failing(number: int, featurize, items, role, fault):
    return throw(fault) if number == 1 else featurize(items, role)


def throw(fault):
    raise fault


def pickled(states: TuningStates) -> list[tuple[list[int], dict[str, torch.Tensor]]]:
    """Places and tensors of every batch, queries first."""
    batches = [*states.queries, *states.documents]
    return [(places, {name: value.clone() for name, value in held.to_tensors().items()}) for places, held in batches]


@pytest.mark.dist
def test_the_main_process_gets_every_batch_of_one_process(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    start_ranks(work, str(tmp_path), toy, count=WORLD)
    model = SmartModel.from_pretrained(toy.folder)
    for count in COUNTS:
        with TuningStates(model, toy.data(0, count), LAYERS, batch_size=7) as alone:
            expected = pickled(alone)
        together = torch.load(tmp_path / f"{count}.0.pt", weights_only=True)
        assert [places for places, _ in together] == [places for places, _ in expected]
        for (_, theirs), (_, ours) in zip(together, expected, strict=True):
            assert theirs.keys() == ours.keys()
            for name, value in ours.items():
                torch.testing.assert_close(theirs[name], value, atol=1e-6, rtol=0)
        assert all(torch.load(tmp_path / f"{count}.{other}.pt", weights_only=True) == [] for other in range(1, WORLD))
    encoded = [torch.load(tmp_path / f"batches.{number}.pt", weights_only=True) for number in range(WORLD)]
    assert sum(map(sum, encoded)) == sum(COUNTS) + 3 * 40 and all(map(len, encoded)), "a batch was encoded twice"
