"""Files that are whole or absent, by the one helper that all rooms use."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from smart_train.utils.atomic import replace_whole, write_json, write_text


def test_what_is_written_replaces_what_was_there(tmp_path: Path) -> None:
    path = write_text(tmp_path / "new" / "folder" / "a.txt", "π")
    assert write_text(str(path), "two") == path and path.read_text(encoding="utf-8") == "two"
    assert json.loads(write_json(path, {"π": [1.5]}).read_text(encoding="utf-8")) == {"π": [1.5]}
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")

    def half(temporary: Path) -> None:
        assert temporary.parent == tmp_path and temporary.name.startswith("."), "the same file system, and hidden"
        temporary.write_text("hal")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
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
