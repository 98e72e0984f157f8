"""Wheels for a machine without a network: what is kept of them, and what is left out when they are too much."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks import gpu_wheels
from benchmarks.gpu_wheels import GROUPS, Wheel, exact_needs, keep_libraries, select, tree_bytes


def wheel(folder: Path, name: str, size: int, needs: str = "") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    files = {f"{name}/libone.so": "x" * size, f"{name}/libtwo.so": "y", f"{name}/code.py": "VALUE = 1\n"}
    record = "".join(f"{file},sha256=0,1\n" for file in files)
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n{needs}")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", record)
    return path


def test_other_libraries_are_dropped_with_their_records(tmp_path: Path) -> None:
    path = wheel(tmp_path, "some", 10_000)
    keep_libraries(path, ("libtwo.so",))
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            "some-1.0.dist-info/METADATA",
            "some-1.0.dist-info/RECORD",
            "some/code.py",
            "some/libtwo.so",
        ]
        record = archive.read("some-1.0.dist-info/RECORD").decode()
    assert "libone" not in record and "libtwo.so" in record and "code.py" in record
    assert list(tmp_path.iterdir()) == [path]


def test_a_need_for_one_version_is_heeded(tmp_path: Path) -> None:
    needs = "Requires-Dist: pydantic_core==2.5\nRequires-Dist: other>=1\nRequires-Dist: third==1; extra == 'x'\n"
    assert exact_needs(wheel(tmp_path, "some", 1, needs)) == {"pydantic-core": "pydantic_core==2.5"}


@pytest.mark.parametrize(("sizes", "room", "taken"), [([5, 3, 9], 20, 3), ([5, 3, 9], 16, 2), ([5, 3], 4, 0)])
def test_the_least_worthy_go_first(sizes: list[int], room: int, taken: int) -> None:
    assert select(sizes, room) == taken


def test_the_tree_is_what_git_would_send(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")  # 8 bytes
    (tmp_path / "ignored").write_text("0123456789")
    (tmp_path / "new").write_text("01234")
    assert tree_bytes(tmp_path) == 13


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that knows everything but pypdfium2; each wheel is 2 MiB."""

    def fetch(asked: Wheel, folder: Path, pinned: dict[str, str]) -> str | None:
        if asked.name == "pypdfium2":
            return "pypdfium2>=5: pip found no wheel for the machine (no matching distribution)"
        wheel(folder, asked.name.replace("-", "_"), 2 * 2**20)
        return None

    monkeypatch.setattr(gpu_wheels, "fetch", fetch)
    monkeypatch.setattr(gpu_wheels, "tree_bytes", lambda root: 3 * 2**20)


@pytest.mark.usefixtures("fetching")
def test_over_the_limit_it_says_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "wheels"
    first = len(GROUPS[0])
    problems = gpu_wheels.collect(folder, 3 + 2 * (first + 3) + 1)  # the first two groups and DeepSpeed's two
    assert len(list(folder.glob("*.whl"))) == first + 3
    assert "pypdfium2>=5: pip found no wheel" in problems[0]
    assert problems[1].startswith("bitsandbytes: left out, 2.0 MiB more than the limit")
    assert f"and 3.0 MiB of tracked files: {2 * (first + 3) + 3}.0 MiB of" in capsys.readouterr().out


@pytest.mark.usefixtures("fetching")
def test_without_the_first_group_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="of wheels are more than the limit of 4 MiB: raise --limit-mib"):
        gpu_wheels.collect(tmp_path / "wheels", 4)
    monkeypatch.setattr(gpu_wheels, "fetch", lambda asked, folder, pinned: f"{asked.name}: no network")
    with pytest.raises(SystemExit, match="without these packages nothing runs there:\ntransformers: no network"):
        gpu_wheels.collect(tmp_path / "wheels", 64)


def test_a_folder_of_other_things_is_not_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["gpu_wheels", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds other things than wheels and would be emptied: name another"):
        gpu_wheels.main()
    assert (tmp_path / "notes.txt").exists()
