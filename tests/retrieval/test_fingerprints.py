"""Every value of the weights counts, and the weights of a folder are read once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import TokenProjection
from smart_train.retrieval import DocumentIndex, encode_folder, fingerprints, model_fingerprint
from smart_train.retrieval.fingerprints import fingerprint_like, sampled_fingerprint
from smart_train.utils.own_process import running_a_command
from tests.models.conftest import make_model
from tests.models.test_loaded_weights import adapt, grown_old


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    make_model(seed=0).save_pretrained(folder)
    return grown_old(folder)


@pytest.fixture
def folder(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of its own, and a cache that knows nothing of it."""
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def command() -> Iterator[None]:
    """As in a command, where the digest of the weights is kept for later."""
    with running_a_command():
        yield


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of values of the tensors that were read whole."""
    counts: list[int] = []
    digest = fingerprints.tensor_digest

    def counted(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> str:
        counts.append(tensor.numel())
        return digest(tensor, dtype)

    monkeypatch.setattr(fingerprints, "tensor_digest", counted)
    return counts


def load(folder: Path, **options: object) -> SmartModel:
    return SmartModel.from_pretrained(folder, device="cpu", **options)


def unsampled(model: torch.nn.Module) -> tuple[str, int]:
    """A weight, and a place in it whose value the fingerprint of version 0.1.0 does not see."""
    name, tensor = max(model.state_dict().items(), key=lambda item: item[1].numel())
    assert tensor.numel() > 128
    return name, 1


def test_one_value_that_was_never_sampled_makes_another_model(folder: Path) -> None:
    model = load(folder)
    index = DocumentIndex.build(model, ["a"], ["a"])
    before = sampled_fingerprint(model)
    name, place = unsampled(model)
    with torch.no_grad():
        model.get_parameter(name).view(-1)[place] += 1e-3
    assert sampled_fingerprint(model) == before and model_fingerprint(model) != index.model
    model.save_pretrained(folder.parent / "other")
    grown_old(folder.parent / "other")
    message = (
        r"^document index: made by another model \(weights, prompt or pixel limits differ\); its scores would be "
        r"meaningless. Encode the documents again, into another index folder$"
    )
    for other in (model, load(folder.parent / "other")):
        with pytest.raises(ModelError, match=message):
            index.check(other)
    index.check(load(folder))


@pytest.mark.usefixtures("command")
def test_the_weights_of_a_folder_are_read_once(folder: Path, read: list[int]) -> None:
    model = load(folder)
    fingerprint = model_fingerprint(model)
    assert sum(read) == sum(tensor.numel() for tensor in model.state_dict().values())
    read.clear()
    assert model_fingerprint(model) == model_fingerprint(load(folder)) == fingerprint  # a later search
    fitted = model_fingerprint(load(folder, prompts={"document_instruction": "Read it."}))
    assert fitted != fingerprint and not read, "a prompt does not need the weights again"
    (kept,) = (folder.parent / "cache" / "weights").iterdir()
    kept.write_text("{")  # damaged: as if it were not there
    assert model_fingerprint(load(folder)) == fingerprint and read
    assert set(json.loads(kept.read_text())) == {"weights"}


@pytest.mark.usefixtures("command")
def test_an_adapter_on_a_folder_is_read_once_too(folder: Path, read: list[int]) -> None:
    model = load(folder)
    adapt(model)
    model.save_pretrained(folder.parent / "final")
    in_memory = model_fingerprint(model)
    grown_old(folder.parent / "final")
    assert model_fingerprint(load(folder.parent / "final")) == in_memory != model_fingerprint(load(folder))
    read.clear()
    assert model_fingerprint(load(folder.parent / "final")) == in_memory and not read


@pytest.mark.usefixtures("command")
def test_weights_that_were_replaced_are_read_again(folder: Path) -> None:
    model = load(folder)
    before, (name, place) = model_fingerprint(model), unsampled(model.backbone)
    path = folder / "model.safetensors"
    state = load_file(path)
    (stored,) = (key for key in state if key.endswith(name) or name.endswith(key))
    state[stored].view(-1)[place] += 1e-3
    save_file(state, path, {"format": "pt"})
    os.utime(path, (1_000_000_001, 1_000_000_001))  # a second after what it was
    assert model_fingerprint(load(folder)) != before and model_fingerprint(model) == before


@pytest.mark.usefixtures("command")
def test_a_folder_that_changed_a_moment_ago_is_not_remembered(
    folder: Path, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.models.loaded_weights._SETTLED_NS", 3_600_000_000_000)  # a test may take a while
    (folder / "model.safetensors").touch()
    model = load(folder)
    model_fingerprint(model)
    read.clear()
    assert fingerprint_like(model, None) and not read, "what is in memory does not change with its file"
    assert model_fingerprint(load(folder)) and read
    assert not (folder.parent / "cache" / "weights").exists()


def merged_in_place(model: SmartModel) -> None:
    weight = next(parameter for parameter in model.backbone.parameters() if parameter.dim() == 2)
    weight.data += 1e-3  # as PEFT does it, and torch does not count it


def projected(model: SmartModel) -> None:
    model.add_projection(TokenProjection(model.hidden_size, 16))


@pytest.mark.parametrize("change", [merged_in_place, adapt, projected])
def test_a_model_that_was_changed_in_memory_is_another(
    folder: Path, change: Callable[[SmartModel], None], read: list[int]
) -> None:
    model = load(folder)
    before = model_fingerprint(model)
    change(model)
    changed = model_fingerprint(model)
    assert changed != before == model_fingerprint(load(folder))
    read.clear()
    assert fingerprint_like(model, None) == changed and not read
    with torch.no_grad():
        for _ in range(2):  # each is another model, whatever was known of it before
            next(model.parameters()).view(-1)[1] += 1e-3
            assert fingerprint_like(model, None) != changed and read
            changed = fingerprint_like(model, None)
            read.clear()


def test_a_write_that_nobody_counts_is_in_no_record(folder: Path, pages: Path, paint: Any, read: list[int]) -> None:
    """Through `tensor.data`, to values that no sample has: before a search it is not seen, as documented."""
    model = load(folder)
    index = encode_folder(model, pages)
    name, place = unsampled(model)
    model.get_parameter(name).data.view(-1)[place] += 1e-3
    read.clear()
    index.check(model)
    assert encode_folder(model, pages, previous=index) is index and not read
    paint(pages / "new.png", "grey")
    with pytest.raises(ModelError, match="made by another model"):  # else it would hold documents of two models
        encode_folder(model, pages, previous=index)
    with pytest.raises(ModelError, match="made by another model"):
        index.check(model)  # now it is seen, too
    changed = encode_folder(model, pages).model
    model.save_pretrained(folder.parent / "changed")
    assert changed == model_fingerprint(load(folder.parent / "changed")) != index.model
    assert not (folder.parent / "cache" / "weights").exists(), "kept for the files, it would be wrong"
    with running_a_command():
        assert model_fingerprint(load(folder)) == index.model


def test_a_narrow_number_format_is_the_same_model_where_it_holds_the_same_values(folder: Path) -> None:
    model = load(folder)
    model.bfloat16().save_pretrained(folder.parent / "narrow")
    narrow = grown_old(folder.parent / "narrow")
    wide = {model_fingerprint(load(narrow, dtype=dtype)) for dtype in ("float32", "bfloat16")}
    assert wide == {model_fingerprint(model)} and model_fingerprint(load(folder)) not in wide


@pytest.mark.usefixtures("command")
def test_a_cache_that_takes_no_files_is_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "file").touch()
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(folder.parent / "file"))
    with pytest.warns(UserWarning, match="The digest of the model's weights is not remembered: the next start reads"):
        assert model_fingerprint(load(folder))


def test_an_index_of_version_0_1_0_fits_its_model_and_stays_what_it_is(pages, model, make_model, paint) -> None:
    index = replace(encode_folder(model, pages), model=sampled_fingerprint(model))
    assert len(index.model) == 32 and fingerprint_like(model, index.model) == index.model
    index.check(make_model())
    with pytest.raises(ModelError, match="made by another model"):
        index.check(make_model(seed=1))
    assert encode_folder(model, pages, previous=index) is index
    paint(pages / "new.png", "grey")
    # Its documents are known by 64 values a tensor, and stay so beside one that is not.
    assert encode_folder(model, pages, previous=index).model == index.model
    assert encode_folder(model, pages).model == model_fingerprint(model) and len(model_fingerprint(model)) == 64
