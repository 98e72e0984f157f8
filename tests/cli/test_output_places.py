"""A place that cannot be written to is told before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from smart_train.cli.output import check_folder, check_page, check_place
from smart_train.errors import RunError
from smart_train.utils.locks import LOCK_NAME, only_one
from tests.command import ended
from tests.models.text_folders import encoder_folder

# MODEL, and a file in the place of the folder for results.
COMMANDS = {
    "tune": ("tune", "MODEL", "--data", "ROWS", "--output", "FILE"),
    "probe": ("probe", "MODEL", "--data", "ROWS", "--output", "FILE"),
    "evaluate": ("evaluate", "MODEL", "--data", "ROWS", "--output", "FILE/x.json"),
    "compare": ("compare", "FILE", "MODEL", "--report", "FILE/x.html"),
}


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not be written to, also for root."""
    folder, access = tmp_path / "read-only", os.access
    folder.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))
    return folder


def test_a_folder_that_may_not_be_written_to_is_named(read_only: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"--output \S+/x: {read_only} cannot be written to; name another place"):
        check_folder("--output", read_only / "x")
    with pytest.raises(RunError, match="--output .*read-only cannot be written to"):
        check_folder("--output", read_only)
    with pytest.raises(RunError, match=r"--report .*x.html: .*read-only cannot be written to"):
        check_page("--report", read_only / "deep" / "x.html")
    check_folder("--output", tmp_path / "new" / "deep")
    check_place("--output", tmp_path / "x.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["read-only"], "a check left something behind"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_the_way_is_told_before_the_model_is_loaded(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from smart_train import SmartModel

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(SmartModel, "from_pretrained", loaded)
    file = tmp_path / "rows.jsonl"
    file.write_text('{"query": "a cat", "positive": "the cat"}\n')
    names = {"MODEL": str(encoder_folder(tmp_path / "model")), "ROWS": str(file), "FILE": str(file)}
    words = [names.get(word, word).replace("FILE", str(file)) for word in COMMANDS[command]]
    refused = ended(monkeypatch, capsys, *words)
    assert refused.status == 2, refused.out
    assert refused.err.startswith("smart-train: --") and f"{file}" in refused.err and "is a file; name" in refused.err


def test_a_benchmark_that_another_process_writes_is_refused_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mteb", reason="needs the extra mteb")

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("smart_train.cli.benchmark.open_model", loaded)
    model, output = encoder_folder(tmp_path / "model"), tmp_path / "out"
    words = ("benchmark", model, "--suite", "SciFact", "--output", output)
    output.mkdir()
    with only_one(output / LOCK_NAME, "benchmarking"):
        refused = ended(monkeypatch, capsys, *words)
    assert refused.status == 2 and f"{output}: in use by another process (benchmarking" in refused.err
    (tmp_path / "file").touch()
    refused = ended(monkeypatch, capsys, *words, "--cache", tmp_path / "file")
    assert refused.status == 2 and f"--cache {tmp_path / 'file'}: is a file; name a folder" in refused.err


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, stat, access = tmp_path / "closed", os.stat, os.access
    closed.mkdir()

    def refusing(path: Any, *args: Any, **options: Any) -> Any:
        if closed in Path(path).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **options)

    monkeypatch.setattr(os, "stat", refusing)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    with pytest.raises(RunError, match="closed cannot be written to"):
        check_folder("--output", closed / "x" / "y")
