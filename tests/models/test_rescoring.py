"""Other settings in a model folder that is there: the weights stay, the folder is whole before and after."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import rescoring
from smart_train.models.rescoring import check_rescorable, write_scoring
from smart_train.scoring import ScoringConfig
from smart_train.utils.manifest import MANIFEST, fault, write_manifest
from tests.models.text_folders import encoder_folder

OTHER = ScoringConfig(late_weight=16, layer=1, width=8, stored_as="int8")


@pytest.fixture
def model(tmp_path: Path) -> SmartModel:
    made = SmartModel.from_config(encoder_folder(tmp_path / "config"), family="text_encoder", init_std=0.2)
    made.save_pretrained(tmp_path / "model")
    return SmartModel.from_pretrained(tmp_path / "model")


def test_settings_are_read_back_and_the_manifest_is_right(model: SmartModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "note.txt").write_text("stays")
    write_manifest(folder)
    weights = os.stat(folder / "model.safetensors").st_ino
    write_scoring(folder, model, OTHER)
    assert fault(folder) is None
    assert SmartModel.from_pretrained(folder).scoring == OTHER
    assert (folder / "1_Pooling" / "note.txt").read_text() == "stays"
    assert os.stat(folder / "model.safetensors").st_ino == weights, "weights were copied"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config", "model"], "something was left behind"


def test_a_folder_without_a_manifest_gets_none(model: SmartModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    before = json.loads((folder / "smart_config.json").read_text())
    write_scoring(folder, model, OTHER)
    after = json.loads((folder / "smart_config.json").read_text())
    assert after == {**before, "scoring": OTHER.to_dict()}
    assert not (folder / MANIFEST).exists()


def test_a_plain_folder_gets_its_first_settings(model: SmartModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "smart_config.json").unlink()
    write_scoring(folder, model, OTHER)
    again = SmartModel.from_pretrained(folder)
    assert (again.scoring, again.family.name, again.family.prompts) == (OTHER, "text_encoder", model.family.prompts)


def test_where_files_cannot_be_linked_they_are_copied(
    model: SmartModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(rescoring.os, "link", refused)
    write_manifest(tmp_path / "model")
    write_scoring(tmp_path / "model", model, OTHER)
    assert fault(tmp_path / "model") is None and SmartModel.from_pretrained(tmp_path / "model").scoring == OTHER


def test_a_manifest_of_the_first_version_stays_one(model: SmartModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_manifest(folder)
    values = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({"files": values["files"]}))
    write_scoring(folder, model, OTHER)
    assert list(json.loads((folder / MANIFEST).read_text())) == ["files"] and fault(folder) is None


def test_what_cannot_be_changed_is_refused(model: SmartModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(ModelError, match="owner/name: not a folder here, .*; download it first"):
        check_rescorable(Path("owner/name"))
    write_manifest(folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\x01\x02\x03\x04")
    with pytest.raises(ModelError, match="model.safetensors is damaged.*put the file back before"):
        write_scoring(folder, model, OTHER)
    (folder / "parity.json").write_text("{}")
    with pytest.raises(ModelError, match="an export, whose golden vectors .* export again"):
        check_rescorable(folder)
