"""A folder's record of its files: what it notices, and that a folder of version 0.1.0, without digests, still opens."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from smart_train.utils.manifest import MANIFEST, damage, fault, recorded_digests, write_manifest
from tests.damage import cut, flip, zero


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "checkpoint-1"
    (made / "deeper").mkdir(parents=True)
    (made / "weights").write_bytes(random.Random(0).randbytes(1000))
    (made / "deeper" / "part").write_bytes(b"y" * 10)
    write_manifest(made)
    return made


def test_every_single_bit_is_noticed(folder: Path) -> None:
    assert fault(folder) is None and damage(folder) is None
    for bit in random.Random(1).sample(range(8000), 50):
        flip(folder / "weights", bit)
        assert fault(folder) == damage(folder) == "weights is damaged: its content is not what was written (SHA-256)"
        assert fault(folder, contents=False) is None
        flip(folder / "weights", bit)
    zero(folder / "deeper" / "part")
    assert fault(folder) == "deeper/part is damaged: its content is not what was written (SHA-256)"
    cut(folder / "weights", 1)
    assert fault(folder, contents=False) == fault(folder) == "weights has 999 bytes instead of 1000"


def test_no_damage_to_the_manifest_passes_for_another_state(folder: Path) -> None:
    """It is unreadable, or contradicts the files, or means the same."""
    manifest = folder / MANIFEST
    before = manifest.read_bytes()
    values = json.loads(before)
    for bit in range(0, 8 * len(before), 7):
        flip(manifest, bit)
        if fault(folder) is None:
            now = json.loads(manifest.read_bytes())
            # A record that lost the name of one of its two tables has the other.
            assert any(now.get(key) == values[key] for key in ("files", "sha256")), bit
        manifest.write_bytes(before)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"null", b"[1]", b"{}", b'{"files": [["a", 1]]}', b'{"files": {"a": "b"}}',
                b'{"files": {}, "sha256": []}', b'{"files": {}, "sha256": {"a": 1}}', bytes(50)]
)  # fmt: skip
def test_a_manifest_of_other_bytes_is_unreadable_and_never_a_traceback(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    for found in (fault(folder), damage(folder), fault(folder, contents=False)):
        assert found is not None and found.startswith("its manifest is unreadable (")
    assert recorded_digests(folder, MANIFEST, lambda name: True) == {}


def test_folders_of_version_0_1_0_are_judged_by_size(folder: Path) -> None:
    sizes = json.loads((folder / MANIFEST).read_text())["files"]
    (folder / MANIFEST).write_text(json.dumps({"files": sizes}))
    flip(folder / "weights", 0)
    assert fault(folder) is None and damage(folder) is None
    (folder / MANIFEST).unlink()
    assert damage(folder) is None and fault(folder) == "writing it was interrupted (no manifest)"


def test_what_a_kill_left_of_a_manifest_is_not_in_the_next(folder: Path) -> None:
    (folder / f".{MANIFEST}.1234.tmp").write_text("{")
    write_manifest(folder)
    assert sorted(json.loads((folder / MANIFEST).read_text())["sha256"]) == ["deeper/part", "weights"]
