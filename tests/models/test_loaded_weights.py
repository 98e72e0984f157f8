"""Whether a live model still holds what its files said."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from smart_train import SmartModel
from smart_train.models import TokenProjection
from smart_train.models.loaded_weights import files_of, weight_files, weights_state
from smart_train.models.peft import add_lora
from smart_train.types import ModelInput
from smart_train.utils import own_process
from smart_train.utils.own_process import running_a_command
from tests.models.conftest import make_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    make_model(seed=0).save_pretrained(folder)
    return folder


def grown_old(folder: Path) -> Path:
    for file in folder.rglob("*.safetensors"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    return folder


@pytest.fixture(autouse=True)
def command() -> Iterator[None]:
    """As in a command."""
    with running_a_command():
        yield


def write(model: SmartModel) -> None:
    with torch.no_grad():
        next(model.backbone.parameters()).view(-1)[1] += 1


def put(model: SmartModel) -> None:
    parameter = next(model.backbone.parameters())
    parameter.data = parameter.data.clone()


def adapt(model: SmartModel) -> None:
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)


def project(model: SmartModel) -> None:
    model.add_projection(TokenProjection(model.hidden_size, 16))


def step(model: SmartModel) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.embed(model.family.featurize([ModelInput("a")], "query")).packed.sum().backward()
    optimizer.step()


def test_a_loaded_model_is_known_by_its_files_whatever_it_encodes(saved: Path) -> None:
    model = SmartModel.from_pretrained(saved, device="cpu")
    model.encode_query(["total revenue"])
    files = files_of(model)
    assert files is not None and [Path(name).name for name, _, _ in files.files] == ["model.safetensors"]
    assert files_of(copy.deepcopy(model)) is None and files_of(make_model(seed=0)) is None


def test_in_another_program_weights_may_change_unseen(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SmartModel.from_pretrained(saved, device="cpu")
    monkeypatch.setattr(own_process, "_runs_a_command", False)
    assert files_of(model) is None


@pytest.mark.parametrize("change", [write, put, adapt, project, step, SmartModel.bfloat16])
def test_a_changed_model_is_not(saved: Path, change) -> None:
    model = SmartModel.from_pretrained(saved, device="cpu")
    change(model)
    assert files_of(model) is None


def test_an_adapter_is_known_by_its_own_files_and_those_of_its_base(saved: Path, tmp_path: Path) -> None:
    model = SmartModel.from_pretrained(saved, device="cpu")
    adapt(model)
    model.save_pretrained(tmp_path / "final")
    files = files_of(SmartModel.from_pretrained(tmp_path / "final", device="cpu"))
    names = ["adapter_model.safetensors", "model.safetensors"]
    assert files is not None and sorted(Path(name).name for name, _, _ in files.files) == names


def test_files_that_have_just_changed_are_not_settled(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    (folder / "model.safetensors").touch()
    assert not weight_files(folder).settled
    assert weight_files(grown_old(folder)).settled and weight_files(folder, folder) == weight_files(folder)
    deep = folder / "2_Dense" / "model.safetensors"
    deep.parent.mkdir()
    deep.write_bytes(b"")
    assert len(weight_files(folder).files) == 2 and len(weight_files(deep, None).files) == 1


def test_a_model_whose_writes_torch_does_not_count_has_no_state() -> None:
    with torch.inference_mode():
        assert weights_state(torch.nn.Linear(2, 2)) is None
