"""Other scoring settings in an export: all that was made with the earlier ones is made again, or nothing is touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import BusyError, ExportError
from smart_train.export import Golden, export_adapter, export_model, verify_folder
from smart_train.export.parity_record import check_record
from smart_train.export.rescoring import check_rescorable_export, rescore_export
from smart_train.utils.locks import beside, only_one
from tests.export.conftest import adapt
from tests.export.test_card import FACTS, code, run
from tests.models.text_folders import encoder_folder

NARROW = ScoringConfig(pooled_weight=0.5, late_weight=8, layer=1, width=16, stored_as="int8")
# What version 0.1.0 wrote for the text model of `made` in bfloat16, with the facts of `FACTS`.
RELEASED = Path(__file__).parents[1] / "fixtures" / "export-0.1.0"
WHY = "Chosen: pooled:late 1:16. nDCG@5 0.8 -> 0.9 on 40 other queries."


pytestmark = pytest.mark.usefixtures("without_peers")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a text model: `export` in bfloat16, and `adapter` of the same weights. Not to be written to."""
    folder = tmp_path_factory.mktemp("exports")
    model = SmartModel.from_config(encoder_folder(folder / "config"), family="text_encoder", init_std=0.2)
    model.save_pretrained(folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smart_train.export.routes.find_spec", lambda name: None)
        export_model(folder / "model", folder / "export", facts=FACTS, dtype="bfloat16")
        adapt(folder / "model").save_pretrained(folder / "lora")
        export_adapter(folder / "lora", folder / "adapter")
    return folder


@pytest.fixture
def export(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may write to."""
    return Path(shutil.copytree(made / "export", tmp_path / "export"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_export_with_other_settings_verifies_and_keeps_its_weights(export: Path) -> None:
    weights, record = os.stat(export / "model.safetensors").st_ino, check_record(export)
    before = SmartModel.from_pretrained(export).scoring
    routes, told = rescore_export(export, NARROW, WHY)
    assert told and any(report.differences for report in routes)
    assert all(report.largest <= 1e-4 for report in verify_folder(export))
    assert SmartModel.from_pretrained(export).scoring == NARROW
    assert os.stat(export / "model.safetensors").st_ino == weights, "weights were copied"
    golden = Golden.load(export)
    assert golden.scores["hybrid"].allclose(0.5 * golden.scores["pooled"] + 8 * golden.scores["late"], atol=1e-5)
    # What was measured against the trained model is of the settings that it was measured with, also after a second
    # change.
    figures = {name: record[name] for name in ("float32", "bfloat16", "probe")}
    for again in (False, True):
        if again:
            rescore_export(export, ScoringConfig(late_weight=3), WHY)
        record = check_record(export)
        assert "float32" not in record and "bfloat16" not in record
        assert record["at_export"] == {"scoring": before.to_dict(), **figures}
        assert set(record["routes"]) == {report.route for report in routes}
    assert not [path for path in export.parent.iterdir() if path.name.startswith(".")], "something was left behind"


def test_its_card_shows_the_new_settings_and_says_which_results_are_of_the_earlier_ones(export: Path) -> None:
    earlier = (export / "README.md").read_text()
    assert ModelCard(earlier).data.eval_results
    rescore_export(export, NARROW, WHY)
    card = (export / "README.md").read_text()
    assert "0.5 * cosine of the pooled" in card and "+ 8 * mean over query tokens" in card
    assert "keeps 16 dimensions of each vector, stored as int8" in card
    assert "| hybrid | 0.250 -> 0.750 | 0.125 -> 0.500 |" in card
    assert f"changed after this model was exported. {WHY} The figures above are of the earlier settings." in card
    data = ModelCard(card).data
    assert data.eval_results is None and data.base_model == FACTS.base, "the Hub would show the earlier results"
    assert "Measured with the settings at the time of the export:\n\nScores of the merged weights" in card
    names = run(code(card)[0], export)
    assert names["model"].scoring == NARROW
    rescore_export(export, ScoringConfig(late_weight=3), "Chosen: again.")
    again = (export / "README.md").read_text()
    assert again.count("changed after this model was exported") == 1 and "Chosen: again." in again
    assert again.count("Measured with the settings at the time") == 1 and again.count("## Results") == 1


def test_an_export_of_version_0_1_0_gets_other_settings(tmp_path: Path) -> None:
    """Its record, card and smart_config.json know nothing of widths, pooled tokens and stored types."""
    folder = Path(shutil.copytree(RELEASED, tmp_path / "export"))
    weights, record = (folder / "model.safetensors").read_bytes(), check_record(folder)
    assert SmartModel.from_pretrained(folder).scoring == ScoringConfig()
    _, told = rescore_export(folder, NARROW, WHY)
    assert told and all(report.largest <= 1e-4 for report in verify_folder(folder))
    assert SmartModel.from_pretrained(folder).scoring == NARROW
    assert (folder / "model.safetensors").read_bytes() == weights
    figures = {name: record[name] for name in ("float32", "bfloat16", "probe")}
    assert check_record(folder)["at_export"] == {"scoring": ScoringConfig().to_dict(), **figures}
    card = (folder / "README.md").read_text()
    assert "0.5 * cosine of the pooled" in card and "keeps 16 dimensions of each vector, stored as int8" in card
    assert f"changed after this model was exported. {WHY} The figures above are of the earlier settings." in card
    assert card.count("* cosine of the pooled vectors") == 1 and ModelCard(card).data.eval_results is None
    assert run(code(card)[0], folder)["model"].scoring == NARROW


def test_a_card_that_was_edited_is_left_as_it_is(export: Path) -> None:
    (export / "README.md").write_text("# mine\n\nBetter than all others.\n")
    _, told = rescore_export(export, NARROW, WHY)
    assert not told and (export / "README.md").read_text() == "# mine\n\nBetter than all others.\n"


def test_an_exported_adapter_keeps_naming_its_base(made: Path) -> None:
    folder = Path(shutil.copytree(made / "adapter", made / "copy"))  # beside it: its base is named from where it lies
    scoring = ScoringConfig(late_weight=16, document_tokens="all")
    rescore_export(folder, scoring, WHY)
    assert all(report.largest <= 1e-4 for report in verify_folder(folder))
    assert SmartModel.from_pretrained(folder).scoring == scoring
    assert "+ 16 * mean over query tokens" in (folder / "README.md").read_text()


def test_what_cannot_be_changed_is_refused_and_untouched(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(export)
    with only_one(beside(export), "exporting"), pytest.raises(BusyError, match="in use by another process"):
        check_rescorable_export(export)
    with monkeypatch.context() as patch:
        patch.setattr("smart_train.export.rescoring.write_record", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            rescore_export(export, NARROW, WHY)
    assert files(export) == before
    config = export / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "note": 1}))
    changed = files(export)
    for act in (check_rescorable_export, lambda folder: rescore_export(folder, NARROW, WHY)):
        with pytest.raises(ExportError, match=r"config.json changed since the export was verified; export again"):
            act(export)
    assert files(export) == changed
