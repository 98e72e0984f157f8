"""A model is named in the same ways everywhere, and a wrong name is told with what is there instead."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smart_train.errors import BusyError, ModelError
from smart_train.models import locating
from smart_train.utils.locks import beside, only_one
from smart_train.utils.model_folders import bring_back, find_model, missing_folder, nearest_folder


def test_a_file_in_the_place_of_a_folder_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    assert str(missing_folder(tmp_path / "rows.jsonl")) == f"{tmp_path / 'rows.jsonl'}: is a file; name a folder"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run, a run that was only trained, one that has begun, and a base model."""
    for run, parts in (("done", ("export", "final")), ("trained", ("final",)), ("begun", ())):
        for part in parts:
            (tmp_path / "runs" / run / part).mkdir(parents=True)
            (tmp_path / "runs" / run / part / "config.json").touch()
        (tmp_path / "runs" / run).mkdir(exist_ok=True)
        (tmp_path / "runs" / run / "run.json").touch()
    (tmp_path / "models" / "MiniLM-L6").mkdir(parents=True)
    (tmp_path / "models" / "MiniLM-L6" / "config.json").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("runs/done", "runs/done/export"),
        ("runs/done/final", "runs/done/final"),
        ("runs/trained", "runs/trained/final"),
        ("models/MiniLM-L6", "models/MiniLM-L6"),
        ("Qwen/Qwen3-VL-Embedding-2B", "Qwen/Qwen3-VL-Embedding-2B"),
        ("bert-base-uncased", "bert-base-uncased"),
        ("__main__", "__main__"),
    ],
)
def test_what_a_name_means(here: Path, name: str, found: str) -> None:
    assert find_model(name) == found


def test_a_run_without_a_model_names_its_newest_checkpoint(here: Path) -> None:
    with pytest.raises(
        ModelError, match="runs/begun: this run has no trained model yet; run its recipe to the end"
    ) as e:
        find_model("runs/begun")
    assert "checkpoint" not in str(e.value)
    for step in (9, 10):
        (here / "runs" / "begun" / f"checkpoint-{step}").mkdir()
    with pytest.raises(ModelError, match="or name a checkpoint: runs/begun/checkpoint-10$"):
        find_model("runs/begun")


def test_the_name_of_a_package_means_the_model_in_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = here / "site" / "some_embedder"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('the package must not be run')")
    monkeypatch.syspath_prepend(str(here / "site"))
    assert find_model("some-embedder") == "some-embedder", "there is no model in it"
    (package / "model" / "config.json").touch()
    assert find_model("some-embedder") == str(package / "model")
    assert "some_embedder" not in sys.modules
    (here / "some-embedder").mkdir()
    assert find_model("some-embedder") == "some-embedder", "a folder comes first"


def test_a_misspelt_folder_is_answered_with_the_nearest(here: Path) -> None:
    assert nearest_folder(Path("rums/dome/exprot")) == Path("runs/done/export")
    assert nearest_folder(here / "models" / "MiniLM-l6") == here / "models" / "MiniLM-L6"
    assert nearest_folder(Path("Qwen/Qwen3-VL-Embedding-2B")) is None
    with pytest.raises(
        ModelError, match=r"runs/done/exprot: no such folder, did you mean runs/done/export\? \(current"
    ):
        find_model("runs/done/exprot")
    assert str(missing_folder("/absent")).startswith("/absent: no such folder (current directory: ")


def test_a_file_and_a_folder_of_models_are_not_models(here: Path) -> None:
    with pytest.raises(ModelError, match="config.json: is a file; a model is a folder, or an id on the Hub"):
        find_model("models/MiniLM-L6/config.json")
    with pytest.raises(
        ModelError, match="runs: is not a model, but holds some; name one of them: runs/begun, runs/done"
    ):
        find_model("runs")


def test_a_misspelt_name_that_a_repository_might_have_is_answered_so_too(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(repository: str, *_: object, **__: object) -> Path:
        raise ModelError(f"{repository}: a lecture about the Hub")

    monkeypatch.setattr(locating, "fetch", unreachable)
    with pytest.raises(ModelError, match="runs/dome: no such folder, did you mean runs/done") as told:
        locating.locate("runs/dome")
    assert "lecture" not in str(told.value) and str(told.value).endswith("nor could it be fetched from the Hub")
    with pytest.raises(ModelError, match="Qwen/Embedder: a lecture about the Hub"):
        locating.locate("Qwen/Embedder")


def test_an_exchange_that_was_cut_off_is_ended(here: Path) -> None:
    base = here / "models" / "MiniLM-L6"
    base.rename(base.with_name(".MiniLM-L6.replaced"))
    with only_one(beside(base), "tuning"), pytest.raises(BusyError, match=r"MiniLM-L6: in use by .* \(tuning"):
        bring_back(base)
    bring_back(base)
    assert [path.name for path in base.parent.iterdir()] == ["MiniLM-L6"] and find_model(base) == str(base)
    left = base.with_name(".MiniLM-L6.replaced")
    left.mkdir()
    with only_one(beside(base), "tuning"):
        bring_back(base)
        assert left.is_dir(), "the process that exchanges it deletes it"
    bring_back(base)
    assert not left.exists() and base.is_dir()
    bring_back(here / "models" / "other")
    final = here / "runs" / "trained" / "final"
    final.rename(final.with_name(".final.replaced"))
    bring_back(final)
    assert not final.exists(), "a run that goes on has it in hand"
