"""A checkpoint is whole or it is not used: what the manifest notices, and which folder a run goes on from."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
import torch

from smart_train.errors import RunError
from smart_train.training.checkpoint_search import (
    best_of,
    check_writable,
    checkpoints,
    find_checkpoint,
    has_ended,
    naming_damage,
)
from smart_train.utils.manifest import fault, write_manifest
from tests.damage import flip


def make(run: Path, step: int, *, best: int | None = None, ended: bool = False, whole: bool = True) -> Path:
    folder = run / f"checkpoint-{step}"
    (folder / "deeper").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    (folder / "rng_state.pth").write_bytes(b"r")
    (folder / "deeper" / "part").write_bytes(b"y" * 10)
    state = {
        "global_step": step,
        "max_steps": 4,
        "best_model_checkpoint": f"elsewhere/checkpoint-{best}" if best else None,
        "stateful_callbacks": {"TrainerControl": {"args": {"should_training_stop": ended}, "attributes": {}}},
    }
    (folder / "trainer_state.json").write_text(json.dumps(state))
    if whole:
        write_manifest(folder)
    return folder


def test_a_manifest_names_every_file_and_its_size(tmp_path: Path) -> None:
    folder = make(tmp_path, 1)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert files["model.safetensors"] == 100 and files["deeper/part"] == 10 and "manifest.json" not in files
    assert fault(folder) is None
    write_manifest(folder)  # again, as when a checkpoint is written anew
    assert fault(folder) is None and not list(folder.glob("*.tmp"))


def test_what_is_wrong_with_a_checkpoint_is_told(tmp_path: Path) -> None:
    folder = make(tmp_path, 1, whole=False)
    assert fault(folder) == "writing it was interrupted (no manifest)"
    write_manifest(folder)
    (folder / "deeper" / "part").write_bytes(b"y" * 9)
    assert fault(folder) == "deeper/part has 9 bytes instead of 10"
    (folder / "deeper" / "part").unlink()
    assert fault(folder) == "deeper/part is missing"
    for text in ("{", "{}", "[1]", '{"files": 3}'):
        (folder / "manifest.json").write_text(text)
        assert fault(folder).startswith("its manifest is unreadable"), text


def test_a_state_that_cannot_be_read_is_a_reason_to_pass_over(tmp_path: Path) -> None:
    """Also where the manifest agrees with it: version 0.1.0 compares sizes alone."""
    make(tmp_path, 1)
    for content in (b"{", b"\xff", b"[]", b"{}", b'{"stateful_callbacks": []}'):
        folder = make(tmp_path, 2, whole=False)
        (folder / "trainer_state.json").write_bytes(content)
        write_manifest(folder)
        found = find_checkpoint(tmp_path)
        assert found.newest == tmp_path / "checkpoint-1"
        assert found.broken[folder].startswith("its trainer_state.json is unreadable (")
        shutil.rmtree(folder)


def test_a_flipped_bit_is_a_reason_to_pass_over_unless_nobody_looks(tmp_path: Path) -> None:
    make(tmp_path, 1)
    flip(make(tmp_path, 2) / "model.safetensors", 5)
    assert find_checkpoint(tmp_path).newest == tmp_path / "checkpoint-1"
    assert find_checkpoint(tmp_path, contents=False).newest == tmp_path / "checkpoint-2"


def test_folders_are_ordered_by_step_and_others_left_alone(tmp_path: Path) -> None:
    for step in (2, 10, 9):
        make(tmp_path, step)
    (tmp_path / "checkpoint-best").mkdir()
    (tmp_path / "checkpoint-11").write_text("a file")
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-9", "checkpoint-2"]


def test_the_newest_usable_one_is_found_and_the_others_are_told(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path).newest is None
    make(tmp_path, 2)
    make(tmp_path, 4, best=2)
    make(tmp_path, 6, best=5)
    make(tmp_path, 8, whole=False)
    make(tmp_path, 10)
    (tmp_path / "checkpoint-10" / "rng_state.pth").unlink()
    write_manifest(tmp_path / "checkpoint-10")
    found = find_checkpoint(tmp_path)
    assert found.newest == tmp_path / "checkpoint-4"
    assert {path.name: reason for path, reason in found.broken.items()} == {
        "checkpoint-10": "it holds only weights (training.save_only_model)",
        "checkpoint-8": "writing it was interrupted (no manifest)",
        "checkpoint-6": "the best checkpoint before it, checkpoint-5, cannot be used: "
        "writing it was interrupted (no manifest)",
    }


def test_the_best_is_found_where_the_run_is_now(tmp_path: Path) -> None:
    assert best_of(make(tmp_path, 4, best=2)) == tmp_path / "checkpoint-2"
    assert best_of(make(tmp_path, 6)) is None


def test_the_end_of_training_is_known(tmp_path: Path) -> None:
    assert has_ended(make(tmp_path, 4, ended=True)) and not has_ended(make(tmp_path, 2))
    stopped = make(tmp_path, 3, ended=True)
    assert not has_ended(stopped), "a signal stopped it, as version 0.1.0 wrote it"
    state = json.loads((stopped / "trainer_state.json").read_text())
    for waited in (1, 2):
        state["stateful_callbacks"]["EarlyStoppingCallback"] = {
            "args": {"early_stopping_patience": 2, "early_stopping_threshold": 0.0},
            "attributes": {"early_stopping_patience_counter": waited},
        }
        (stopped / "trainer_state.json").write_text(json.dumps(state))
        assert has_ended(stopped) == (waited == 2), "by stopping early"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "new" / "run")
    assert (tmp_path / "new" / "run").is_dir() and not list((tmp_path / "new" / "run").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"training\.output_dir .*file/run: cannot be written \(Not a directory\)"):
        check_writable(tmp_path / "file" / "run")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)  # a test that runs as root may write anywhere
    with pytest.raises(RunError, match=r"cannot be written \(Read-only file system\)"):
        check_writable(tmp_path)


def test_memory_that_runs_out_while_a_state_is_read_is_not_taken_for_damage() -> None:
    """The advice would be to delete a checkpoint that is whole."""
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"), naming_damage("checkpoint-4"):
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError, match="out of memory"), naming_damage("checkpoint-4"):
        raise RuntimeError("CUDA error: out of memory")
    with pytest.raises(RunError, match="checkpoint-4: its state cannot be loaded"), naming_damage("checkpoint-4"):
        raise RuntimeError("size mismatch")
