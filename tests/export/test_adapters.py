"""Adapters exported as they are, and several mixed into one model."""

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel

from smart_train import SmartModel
from smart_train.errors import ExportError, ModelError
from smart_train.export import export_adapter, export_model, verify_folder
from smart_train.export.parity_record import check_record, write_record
from tests.command import call
from tests.export.conftest import adapt, project
from tests.models.conftest import make_model

pytestmark = pytest.mark.usefixtures("without_peers")
WEIGHT = "model.language_model.layers.1.mlp.down_proj.weight"


@pytest.fixture
def two(base, tmp_path):
    """Two adapters of one base, of different rank."""
    adapt(base).save_pretrained(tmp_path / "a")
    adapt(base, r=2, use_rslora=True).save_pretrained(tmp_path / "b")
    return tmp_path / "a", tmp_path / "b"


def delta(folder, base):
    """What merging moved one weight by."""
    return load_file(folder / "model.safetensors")[WEIGHT] - load_file(base / "model.safetensors")[WEIGHT]


def test_a_mixture_is_the_weighted_sum_of_what_each_adapter_changes(two, base, tmp_path):
    for name, folder in zip("ab", two, strict=True):
        export_model(folder, tmp_path / f"merged_{name}")
    report = export_model({two[0]: 0.7, two[1]: -0.3}, tmp_path / "mixed")
    assert report.parity.largest < 1e-5
    expected = 0.7 * delta(tmp_path / "merged_a", base) - 0.3 * delta(tmp_path / "merged_b", base)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(delta(tmp_path / "mixed", base), expected, atol=1e-5, rtol=1e-4)


def test_a_mixture_of_one_is_that_adapter(two, base, tmp_path):
    export_model({two[1]: 1.0}, tmp_path / "mixed")
    export_model(two[1], tmp_path / "merged")
    torch.testing.assert_close(delta(tmp_path / "mixed", base), delta(tmp_path / "merged", base))


def test_what_cannot_be_mixed_is_refused(two, base, tmp_path):
    make_model().save_pretrained(tmp_path / "other")
    adapt(tmp_path / "other").save_pretrained(tmp_path / "c")
    adapt(base, use_dora=True).save_pretrained(tmp_path / "d")
    project(base).save_pretrained(tmp_path / "p")
    (tmp_path / "e").mkdir()
    for mixture, error, message in (
        ({}, ExportError, "name at least one"),
        ({two[0]: float("nan")}, ExportError, "each with a finite weight"),
        ({two[0]: 0.5, tmp_path / "c": 0.5}, ExportError, "must all be trained on the same base"),
        ({base: 0.5}, ExportError, "must all be trained on the same base; .* is a model folder, and names none"),
        ({two[0]: 0.5, tmp_path / "e": 0.5}, ExportError, "the same base; .*e is an empty folder, and names none"),
        ({tmp_path / "p": 1.0}, ExportError, "is a token projection; only LoRA adapters can be mixed"),
        ({two[0]: 0.5, tmp_path / "d": 0.5}, ModelError, "a DoRA adapter is not linear in its weight"),
    ):
        with pytest.raises(error, match=message):
            export_model(mixture, tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()


@pytest.mark.parametrize("make", [adapt, project])
def test_an_adapter_alone_is_verified_with_its_base(make, base, tmp_path):
    make(base).save_pretrained(tmp_path / "trained")
    (tmp_path / "trained" / "optimizer.pt").touch()
    reports = export_adapter(tmp_path / "trained", tmp_path / "adapter")
    assert [report.route for report in reports] == (["smart_train", "peft"] if make is adapt else ["smart_train"])
    assert max(report.largest for report in reports) < 1e-5
    check_record(tmp_path / "adapter")
    assert len(verify_folder(tmp_path / "adapter")) == len(reports)
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert {"golden.safetensors", "parity.json", "README.md", "smart_config.json"} < names
    assert not {"optimizer.pt", "model.safetensors", "tokenizer.json"} & names
    if make is adapt:
        PeftModel.from_pretrained(AutoModel.from_pretrained(base), tmp_path / "adapter")


def test_an_adapter_that_was_changed_fails(base, tmp_path):
    adapt(base).save_pretrained(tmp_path / "trained")
    export_adapter(tmp_path / "trained", tmp_path / "adapter")
    adapt(base).save_pretrained(tmp_path / "another")
    (tmp_path / "another" / "adapter_model.safetensors").replace(tmp_path / "adapter" / "adapter_model.safetensors")
    with pytest.raises(ExportError, match="smart_train: fails, ModelError: .*adapter_model.safetensors is damaged"):
        verify_folder(tmp_path / "adapter")
    write_record(tmp_path / "adapter", {})
    with pytest.raises(ExportError, match="smart_train: largest difference .*\npeft: largest difference"):
        verify_folder(tmp_path / "adapter")


def test_a_whole_model_is_no_adapter(base, tmp_path):
    with pytest.raises(ExportError, match="holds a whole model, not an adapter or a projection"):
        export_adapter(base, tmp_path / "adapter")


def test_the_command(two, base, tmp_path, monkeypatch, capsys):
    mixture = ("--adapter", f"{two[0]}=0.5", "--adapter", f"{two[1]}=0.5")
    assert call(monkeypatch, "export", *mixture, "--output", tmp_path / "mixed") == 0
    assert "largest score difference to the trained model" in capsys.readouterr().out
    SmartModel.from_pretrained(tmp_path / "mixed")
    assert call(monkeypatch, "export", two[0], "--only", "adapter", "--output", tmp_path / "small") == 0
    assert "peft: largest difference" in capsys.readouterr().out
    for arguments, message in (
        (
            (*mixture, "--only", "adapter", "--output", tmp_path / "x"),
            "a mixture of adapters can only be exported merged",
        ),
        (("--adapter", "a", "--output", tmp_path / "x"), "--adapter 'a': must read DIR=WEIGHT"),
        ((two[0], *mixture), "give either RUN, or --adapter DIR=WEIGHT"),
        (mixture, "there is no default output; pass --output"),
    ):
        assert call(monkeypatch, "export", *arguments) == 2
        assert message in capsys.readouterr().err
