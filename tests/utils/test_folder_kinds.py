"""What is said of a folder, from the names of its files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.utils.folder_kinds import what_is


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["index.json", "embeddings-1.safetensors"], "is an index of documents"),
        (["index.json"], "is a folder of other files, such as index.json"),  # a user's own
        (["run.json", "recipe.yaml"], "is the folder of a run"),
        (["config.json", "golden.safetensors"], "is an export"),
        (["adapter_config.json"], "is a model folder"),
        (["b.png", "a.png", ".hidden"], "is a folder of other files, such as a.png"),
        ([".hidden"], "is an empty folder"),
        ([], "is an empty folder"),
    ],
)
def test_a_folder_is_known_by_its_files(files: list[str], said: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert what_is(tmp_path) == said


def test_what_is_not_a_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("pages.index").mkdir()
    assert what_is("file") == "is a file"
    assert what_is("zzz") == "no such folder"
    assert what_is("page.index") == "no such folder (did you mean pages.index?)"
