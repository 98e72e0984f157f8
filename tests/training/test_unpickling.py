"""A saved state may hold tensors and plain values; code in it is not run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import metadata

from smart_train.errors import RunError
from smart_train.training.checkpoint_search import naming_damage
from smart_train.training.unpickling import without_code


class Poison:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def test_a_poisoned_shard_of_zero_is_refused_and_a_true_one_read(tmp_path: Path) -> None:
    deepspeed = pytest.importorskip("deepspeed.runtime.fp16.loss_scaler", reason="needs the extra deepspeed")
    from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine

    engine, path, mark = TorchCheckpointEngine(), tmp_path / "shard.pt", tmp_path / "ran"
    state = {"loss_scaler": deepspeed.LossScaler(scale=2.0), "exp_avg": torch.ones(2), "step": 3}
    engine.save(state, str(path))
    with without_code("zero2"):
        assert engine.load(str(path))["loss_scaler"].loss_scale == 2.0
    torch.save({**state, "exp_avg": Poison(mark)}, path)
    told = "shard.pt: its state cannot be loaded .UnpicklingError: .*; delete this folder"
    with pytest.raises(RunError, match=told), naming_damage(str(path)), without_code("zero2"):
        engine.load(str(path))
    assert not mark.exists()
    engine.load(str(path))
    assert mark.exists(), "the poison works where nothing stops it"


def test_a_poisoned_table_of_contents_of_fsdp2_is_refused_and_a_true_one_read(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    state = {"exp_avg": torch.arange(4.0), "half": torch.ones(2).bfloat16(), "lr": 0.1}
    dcp.save(dict(state), checkpoint_id=tmp_path / "state", no_dist=True)
    found: dict[str, Any] = {"exp_avg": torch.zeros(4), "half": torch.zeros(2).bfloat16(), "lr": 0.0}
    with without_code("fsdp2"):
        dcp.load(found, checkpoint_id=tmp_path / "state", no_dist=True)
    assert torch.equal(found["exp_avg"], state["exp_avg"]) and found["lr"] == 0.1
    by_name = b"\x80\x04\x8c\x25torch.distributed.checkpoint.metadata\x8c\x09os.system\x93\x8c\x04true\x85R."
    for content in (pickle.dumps(Poison(mark)), by_name):
        (tmp_path / "state" / ".metadata").write_bytes(content)
        with pytest.raises(RuntimeError, match="which a saved state has no use for"), without_code("fsdp2"):
            dcp.load(found, checkpoint_id=tmp_path / "state", no_dist=True)
    assert not mark.exists() and pickle.loads(by_name) == 0, "the second poison works where nothing stops it"


class Named:
    """What Python 3.11.0 to 3.11.3 make of a member of an enumeration; of any other class, its attribute."""

    def __init__(self, owner: type, name: str) -> None:
        self.asked = (owner, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, self.asked


def test_members_of_enumerations_are_read_and_attributes_of_other_classes_are_not(tmp_path: Path) -> None:
    zero = pytest.importorskip("deepspeed.runtime.zero.config", reason="needs the extra deepspeed")
    scaler = pytest.importorskip("deepspeed.runtime.fp16.loss_scaler").LossScaler
    stage, path = zero.ZeroStageEnum.gradients, tmp_path / "shard.pt"
    torch.save({"stage": Named(zero.ZeroStageEnum, "gradients")}, path)
    with without_code("zero2"):
        assert torch.load(path)["stage"] is stage
    torch.save({"stage": Named(scaler, "backward")}, path)
    with pytest.raises(pickle.UnpicklingError, match="'backward'.*a saved state has no use for"), without_code("zero2"):
        torch.load(path)

    dcp.save({"lr": 0.1}, checkpoint_id=tmp_path / "state", no_dist=True)
    (tmp_path / "state" / ".metadata").write_bytes(pickle.dumps(Named(metadata.Metadata, "__init__")))
    with pytest.raises(RuntimeError, match="'__init__'.*a saved state has no use for"), without_code("fsdp2"):
        dcp.load({"lr": 0.0}, checkpoint_id=tmp_path / "state", no_dist=True)


def test_what_was_changed_is_given_back(tmp_path: Path) -> None:
    before = torch.load
    with pytest.raises(KeyError), without_code("none"):
        assert torch.load is not before
        raise KeyError
    assert torch.load is before
    torch.save({"a": {1, 2}}, tmp_path / "a")
    assert torch.load(tmp_path / "a", weights_only=False) == {"a": {1, 2}}
