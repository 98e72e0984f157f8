"""Files that are whole or absent, by the one helper that all rooms use."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from smart_train.errors import Notice, WriteError
from smart_train.utils.atomic import (
    aside,
    filling,
    naming_refusals,
    remove,
    replace_whole,
    settle,
    write_json,
    write_text,
)
from smart_train.utils.locks import beside
from smart_train.utils.manifest import write_manifest


def test_what_is_written_replaces_what_was_there(tmp_path: Path) -> None:
    path = write_text(tmp_path / "new" / "folder" / "a.txt", "π")
    assert write_text(str(path), "two") == path and path.read_text(encoding="utf-8") == "two"
    assert json.loads(write_json(path, {"π": [1.5]}).read_text(encoding="utf-8")) == {"π": [1.5]}
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664), (0o077, 0o600)])
def test_who_may_read_a_file_is_what_the_users_umask_says(mask: int, mode: int, tmp_path: Path) -> None:
    """safetensors makes its files for the owner alone."""
    tensors = {"a": torch.ones(2)}
    before = os.umask(mask)
    try:
        alone = replace_whole(tmp_path / "a.safetensors", lambda temporary: save_file(tensors, temporary))
        with filling(tmp_path / "model") as partial:
            (partial / "part").mkdir()
            save_file(tensors, partial / "part" / "a.safetensors")
        (tmp_path / "checkpoint-1").mkdir()
        save_file(tensors, tmp_path / "checkpoint-1" / "a.safetensors")
        write_manifest(tmp_path / "checkpoint-1")
    finally:
        os.umask(before)
    files = [alone, tmp_path / "model" / "part" / "a.safetensors", *(tmp_path / "checkpoint-1").iterdir()]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [mode] * 4


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")

    def half(temporary: Path) -> None:
        assert temporary.parent == tmp_path and temporary.name.startswith("."), "the same file system, and hidden"
        temporary.write_text("hal")
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(WriteError, match=r"a\.txt: cannot be written \(no space left on device\); free some space"):
        replace_whole(path, half)
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, float("nan"))
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.txt": "old"}


def test_two_that_write_at_once_do_not_meet(tmp_path: Path) -> None:
    """Threads of one process write the same file of a cache; the one that ends last is the one that is found."""
    names: list[Any] = []

    def first(temporary: Path) -> None:
        names.append(temporary)
        replace_whole(tmp_path / "a.txt", second)
        temporary.write_text("first")

    def second(temporary: Path) -> None:
        names.append(temporary)
        temporary.write_text("second")

    replace_whole(tmp_path / "a.txt", first)
    assert names[0] != names[1] and (tmp_path / "a.txt").read_text() == "first"


def test_what_a_killed_writer_left_is_cleared_and_what_one_writes_now_is_not(tmp_path: Path) -> None:
    old, fresh, foreign = (tmp_path / name for name in (".a.json.0123abcd.tmp", ".a.json.89abcdef.tmp", ".a.tmp"))
    for file in (old, fresh, foreign):
        file.write_text("half")
    for file in (old, foreign):
        os.utime(file, (0, 0))
    write_text(tmp_path / "a.json", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [fresh.name, foreign.name, "a.json"]


def test_a_file_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: the content, the name, the folder that holds the name."""
    done: list[tuple[str, str]] = []
    fsync, move = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}")).name))
        fsync(handle)

    def moved(source: Path, target: Path) -> None:
        done.append(("move", Path(source).name))
        move(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    write_text(tmp_path / "a.txt", "words")
    temporary = done[0][1]
    assert temporary.startswith(".a.txt.")
    assert done == [("sync", temporary), ("move", temporary), ("sync", tmp_path.name)]
    done.clear()
    monkeypatch.setattr(Path, "rename", lambda self, target: moved(self, target))
    with filling(tmp_path / "folder") as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "b.txt").write_text("b")
    inner = [("sync", "b.txt"), ("sync", "inner"), ("sync", ".folder.partial")]
    assert done == [*inner, ("move", ".folder.partial"), ("sync", tmp_path.name)]


def refused(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names[:1], *([None, names[1]] if len(names) > 1 else []))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(errno.ENOSPC), "No space left on device"),
        (refused(errno.EDQUOT), "Disk quota exceeded"),
        (refused(errno.EROFS, "/elsewhere"), "Read-only file system"),
        (refused(errno.EACCES, "/runs/a/.file.1234.tmp"), "Permission denied"),
        (refused(errno.EACCES, "/runs/a/.file.1234.tmp", "/runs/a/file"), "Permission denied"),
        (refused(errno.ENOTDIR, "/runs/a"), "Not a directory"),
        (refused(errno.EACCES, "/rows/page.png"), None),  # what could not be read
        (refused(errno.ENOENT, "/runs/a/file"), None),
        (SafetensorError("Error while serializing: I/O error: No space left (os error 28)"), "No space left on device"),
        (SafetensorError("Error while deserializing header: header too large"), None),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), "the disk takes no more"),
        (RuntimeError("size mismatch"), None),
        (ValueError("NaN"), None),
    ],
)
def test_only_a_write_that_is_refused_is_called_one(error: Exception, reason: str | None) -> None:
    with pytest.raises(WriteError if reason else type(error)) as caught, naming_refusals(Path("/runs/a/file")):
        raise error
    if reason is None:
        assert caught.value is error
    else:
        told = f"/runs/a/file: cannot be written ({reason}); free some space there or make it writable, and run"
        assert str(caught.value).replace("torch.save: ", "").startswith(told)


def test_the_file_that_was_refused_is_named_and_not_the_folder_around_it(tmp_path: Path) -> None:
    name = "x" * 300
    with (
        pytest.raises(WriteError, match=rf"/{name}: cannot be written \(File name too long\)"),
        filling(tmp_path / "folder") as partial,
    ):
        write_text(partial / name, "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "optimizer.pt")  # as shutil.rmtree names a file

    monkeypatch.setattr("shutil.rmtree", fail)
    with pytest.raises(WriteError, match=r"old: cannot be written \(Input/output error\)"):
        remove(tmp_path / "old")


def test_of_two_that_make_a_shared_folder_the_first_stays(tmp_path: Path) -> None:
    target = tmp_path / "pages"
    with filling(target, shared=True) as slow:
        (slow / "a").write_text("slow")
        with filling(target, shared=True) as fast:
            assert fast != slow
            (fast / "a").write_text("fast")
    assert (target / "a").read_text() == "fast" and [path.name for path in tmp_path.iterdir()] == ["pages"]


def test_a_folder_that_was_moved_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".export.replaced").mkdir()
    (tmp_path / ".export.replaced" / "a").write_text("old")
    settle(tmp_path / "export")
    assert (tmp_path / "export" / "a").read_text() == "old"


def test_a_folder_named_by_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "runs" / "export", tmp_path / "latest"
    real.mkdir(parents=True)
    (real / "a").write_text("old")
    link.symlink_to(real)
    (real.parent / ".export.replaced").symlink_to(tmp_path)  # as earlier versions left one
    with filling(link) as partial:
        assert partial.parent == real.parent
        (partial / "a").write_text("new")
    assert link.is_symlink() and (real / "a").read_text() == "new"
    assert [path.name for path in real.parent.iterdir()] == ["export"], "a link of that name was left"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "runs"]
    assert beside(link) == beside(real), "two could write at once"


@pytest.mark.parametrize(("named", "within"), [(".", ""), ("..", "parts")])
def test_a_folder_named_by_dots_is_replaced_and_the_process_goes_on_in_it(
    named: str, within: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "export"
    (real / within).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(real / within)
    assert beside(Path(named)) == beside(real)
    with pytest.warns(Notice, match=rf"{real}: was replaced by a new folder .* run there: cd {real}"):  # noqa: SIM117
        with filling(Path(named)) as partial:
            (partial / "a").write_text("new")
    assert Path.cwd() == real and Path("a").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_the_root_of_the_file_system_is_a_folder_like_another() -> None:
    assert not aside(Path("/")).exists() and not beside(Path("/")).exists()
