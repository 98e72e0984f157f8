"""The base of an adapter or projection: named so that no other weights are ever taken for it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import TokenProjection
from smart_train.models.bases import Base, weights_digest
from smart_train.models.locating import locate, locate_base
from smart_train.models.peft import add_lora
from smart_train.models.smart_config import SmartConfig
from tests.models.conftest import make_model

TEXTS = ["total revenue 2019", "a caption"]
RELATIVE = "models/base"


def trained(base, kind):
    model = SmartModel.from_pretrained(base)
    if kind == "projection":
        model.freeze_backbone()
        model.projection = TokenProjection(model.hidden_size, 16)
        model.projection.reset(3)
    else:
        model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
        for name, parameter in model.backbone.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder to work in, with a base, and a second one with another base under the same relative path."""
    for place, seed in (("here", 0), ("there", 1)):
        make_model(seed=seed).save_pretrained(tmp_path / place / RELATIVE)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def states(folder, **kwargs):
    return SmartModel.from_pretrained(folder, **kwargs).encode_query(TEXTS).packed


def as_version_0_1_0(folder, base=RELATIVE):
    """Rewrites the folder's files as that version wrote them: the base as the recipe named it, and nothing else."""
    for name, key in (("smart_config.json", "base"), ("adapter_config.json", "base_model_name_or_path")):
        path = folder / name
        if path.is_file():
            values = {**json.loads(path.read_text()), key: str(base)}
            path.write_text(json.dumps({k: v for k, v in values.items() if k not in ("base_beside", "base_weights")}))


@pytest.mark.parametrize("kind", ["lora", "projection"])
def test_one_folder_is_one_model_whatever_the_current_directory(kind, project, tmp_path, monkeypatch):
    model = trained(RELATIVE, kind)
    model.save_pretrained("run/final")
    expected = model.encode_query(TEXTS).packed
    for directory in (project, tmp_path / "there", tmp_path):
        monkeypatch.chdir(directory)
        torch.testing.assert_close(states(project / "run" / "final"), expected, atol=0, rtol=0)
    if kind == "lora":  # for PEFT alone, which knows no other key
        named = json.loads((project / "run" / "final" / "adapter_config.json").read_text())["base_model_name_or_path"]
        assert named == str(project / RELATIVE)


def test_a_base_replaced_by_other_weights_is_refused_by_name(project, tmp_path):
    trained(RELATIVE, "lora").save_pretrained("final")
    shutil.rmtree(RELATIVE)
    shutil.move(tmp_path / "there" / RELATIVE, RELATIVE)
    with pytest.raises(ModelError, match=f"final: its base {project / RELATIVE} holds other weights than it was"):
        SmartModel.from_pretrained("final")
    with pytest.raises(
        ModelError, match=f"{RELATIVE}: holds other weights than {project / RELATIVE}, from which final"
    ):
        SmartModel.from_pretrained("final", base=RELATIVE)


def test_one_changed_number_makes_another_base(project):
    trained(RELATIVE, "projection").save_pretrained("final")
    state = load_file(Path(RELATIVE, "model.safetensors"))
    next(iter(state.values())).view(-1)[0] += 1e-3
    save_file(state, Path(RELATIVE, "model.safetensors"), {"format": "pt"})
    with pytest.raises(ModelError, match="holds other weights"):
        SmartModel.from_pretrained("final")


def test_the_same_weights_in_other_files_are_the_same_base(project):
    before = weights_digest(Path(RELATIVE))
    state = load_file(Path(RELATIVE, "model.safetensors"))
    Path(RELATIVE, "model.safetensors").unlink()
    names = sorted(state)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = Path(RELATIVE, f"model-0000{number}-of-00002.safetensors")
        save_file({name: state[name] for name in part}, file, {"format": "pt"})
    assert weights_digest(Path(RELATIVE)) == before
    state[names[0]] = state[names[0]].to(torch.float16)
    save_file({name: state[name] for name in names[::2]}, Path(RELATIVE, "model-00001-of-00002.safetensors"))
    assert weights_digest(Path(RELATIVE)) != before


def test_a_base_that_moved_is_asked_for_by_name(project, tmp_path):
    model = trained(RELATIVE, "lora")
    model.save_pretrained("final")
    expected = model.encode_query(TEXTS).packed
    shutil.move(RELATIVE, tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=f"final: its base {project / RELATIVE} is not there .*; say where .* --base"):
        SmartModel.from_pretrained("final")
    moved = SmartModel.from_pretrained("final", base=tmp_path / "elsewhere")
    torch.testing.assert_close(moved.encode_query(TEXTS).packed, expected, atol=0, rtol=0)
    moved.save_pretrained("again")  # which names it where it is now
    torch.testing.assert_close(states("again"), expected, atol=0, rtol=0)


def test_a_folder_that_moved_with_its_base_finds_it_though_another_lies_in_the_old_place(project, tmp_path):
    model = trained(RELATIVE, "lora")
    model.save_pretrained("run/final")
    expected = model.encode_query(TEXTS).packed
    shutil.copytree(project, tmp_path / "copy")
    shutil.rmtree(project / RELATIVE)
    shutil.copytree(tmp_path / "there" / RELATIVE, project / RELATIVE)
    torch.testing.assert_close(states(tmp_path / "copy" / "run" / "final"), expected, atol=0, rtol=0)


def test_a_base_is_not_given_to_a_whole_model(project):
    with pytest.raises(ModelError, match=f"{RELATIVE}: holds a whole model, which needs no base; leave base 'x' out"):
        SmartModel.from_pretrained(RELATIVE, base="x")


def test_a_projection_that_names_no_base_takes_the_one_given(project):
    trained(RELATIVE, "projection").projection.save(Path("."))
    assert states(project, base=RELATIVE).shape[1] == 16


def test_a_folder_of_version_0_1_0_loads_from_anywhere(project, tmp_path, monkeypatch):
    model = trained(RELATIVE, "lora")
    model.save_pretrained("runs/a/final")
    as_version_0_1_0(project / "runs" / "a" / "final")
    expected = model.encode_query(TEXTS).packed
    monkeypatch.chdir(tmp_path)
    torch.testing.assert_close(states(project / "runs" / "a" / "final"), expected, atol=0, rtol=0)
    monkeypatch.chdir(tmp_path / "there")  # where another base lies under that path
    with pytest.raises(ModelError, match=f"its base {RELATIVE} may be any of {project}.*, {tmp_path / 'there'}"):
        SmartModel.from_pretrained(project / "runs" / "a" / "final")
    torch.testing.assert_close(
        states(project / "runs" / "a" / "final", base=project / RELATIVE), expected, atol=0, rtol=0
    )


def test_a_folder_of_version_0_1_0_elsewhere_says_what_it_takes(project, tmp_path):
    trained(RELATIVE, "lora").save_pretrained(tmp_path / "final")
    as_version_0_1_0(tmp_path / "final")
    with pytest.warns(UserWarning, match=f"{tmp_path / 'final'}: written by version 0.1.0.*; {project / RELATIVE} is"):
        SmartModel.from_pretrained(tmp_path / "final")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub that has every repository; returns what was asked of it."""
    asked = []

    def fetch(repository, revision=None, *, weights=True):
        asked.append((repository, revision))
        return tmp_path / "snapshot"

    monkeypatch.setattr("smart_train.models.locating.fetch", fetch)
    return asked


def test_a_folder_never_stands_in_for_a_repository(project, hub, tmp_path):
    assert locate_base(Base(RELATIVE, "abc123", local=False), project) == tmp_path / "snapshot"
    assert hub == [(RELATIVE, "abc123")]
    with pytest.raises(ModelError, match=f"{RELATIVE}: is a folder here, and only a Hub repository has a revision"):
        locate(RELATIVE, "main")


def test_a_repository_never_stands_in_for_a_folder(project, hub):
    with pytest.raises(ModelError, match="its base user/model is not there"):
        locate_base(Base("user/model", local=True), project)
    assert not hub


def test_a_plain_adapter_that_may_mean_either_is_refused(project, hub, tmp_path):
    trained(RELATIVE, "lora").save_pretrained("final")
    (project / "final" / "smart_config.json").unlink()
    as_version_0_1_0(project / "final")
    base = SmartConfig.read(Path("final")).named_base
    with pytest.raises(ModelError, match=f"may be the folder {project / RELATIVE} or a repository on the Hub"):
        locate_base(base, Path("final"))
    shutil.rmtree(RELATIVE)
    assert locate_base(base, Path("final")) == tmp_path / "snapshot"


def test_a_whole_model_says_what_it_was_trained_from(project):
    model = SmartModel.from_pretrained(RELATIVE)
    model.save_pretrained("final")
    saved = SmartConfig.read(Path("final"))
    assert saved.named_base is None and saved.trained_from.name == str(project / RELATIVE)
    assert SmartModel.from_pretrained("final").trained_from == saved.trained_from
