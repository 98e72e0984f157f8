"""Files that are known to decode are neither decoded nor hashed again, and are as soon as they change."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smart_train.inputs.images
import smart_train.inputs.known_files
from smart_train.errors import DataError
from smart_train.inputs.images import image_key, image_size, verify_image
from smart_train.inputs.known_files import active, remembering
from tests.inputs.counting import counted_reads


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    return counted_reads(monkeypatch)


def page(path: Path, colour: str = "red", age: int = 60) -> Path:
    Image.new("RGB", (8, 8), colour).save(path)
    changed = path.stat().st_mtime_ns - age * 10**9
    os.utime(path, ns=(changed, changed))
    return path


@pytest.fixture(params=["a path", "bytes"])
def reference(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    path = page(tmp_path / "page.png")
    yield path if request.param == "a path" else path.read_bytes()


def test_a_known_image_is_not_decoded_again(reference: Any, tmp_path: Path, calls: Counter[str]) -> None:
    memory = tmp_path / "memory.json"
    with remembering(memory):
        for _ in range(2):
            verify_image(reference)
            key = image_key(reference)
        verify_image(str(reference) if isinstance(reference, Path) else reference)
    assert calls["decoded"] == 1
    calls.clear()
    with remembering(memory):
        verify_image(reference)
        assert image_key(reference) == key
    # Encoded bytes have no name but their content, which has to be hashed.
    assert calls == ({} if isinstance(reference, Path) else {"hashed": 1})
    verify_image(reference)
    assert calls["decoded"] == 1, "without a memory every call decodes"


def test_what_one_process_learned_another_takes(reference: Any, tmp_path: Path, calls: Counter[str]) -> None:
    with remembering(tmp_path / "theirs.json", writes=False):
        theirs = active()
        verify_image(reference)
        key = image_key(reference)
        news = theirs.news()
        assert len(news) == 1 and theirs.news() == {}
    with remembering(tmp_path / "ours.json"):
        ours = active()
        assert isinstance(reference, bytes) or not ours.knows(reference, "image")
        ours.take(news)
        calls.clear()
        verify_image(reference)
        assert image_key(reference) == key
        assert calls["decoded"] == 0
        if isinstance(reference, Path):
            assert ours.knows(reference, "image", "key", "size") and not ours.knows(reference, "video")
            page(reference, "blue", age=600)
            assert not ours.knows(reference, "image")
            verify_image(reference)
            assert calls == {"decoded": 1}
    assert (tmp_path / "ours.json").is_file() and not (tmp_path / "theirs.json").exists()


def test_the_size_of_a_known_image_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memory = tmp_path / "page.jpg", tmp_path / "memory.json"
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (8, 16)).save(path, exif=turned)
    os.utime(path, ns=(0, path.stat().st_mtime_ns - 60 * 10**9))
    with remembering(memory):
        verify_image(path)
    kept = json.loads(memory.read_text())
    kept["files"] = {name: row[:5] for name, row in kept["files"].items()}  # as a version before sizes wrote it
    memory.write_text(json.dumps(kept))
    with remembering(memory):
        verify_image(path)
        assert image_size(path) == (16, 8)
    monkeypatch.setattr(smart_train.inputs.images, "_open", lambda *_: pytest.fail("it was read"))
    with remembering(memory):
        verify_image(path)
        assert image_size(str(path)) == (16, 8)


def test_a_changed_file_is_read_again(tmp_path: Path, calls: Counter[str]) -> None:
    path, memory = page(tmp_path / "page.png"), tmp_path / "memory.json"
    with remembering(memory):
        verify_image(path)
        first = image_key(path)
    page(path, "blue", age=30)  # the same size in bytes or not: the time tells
    with remembering(memory):
        assert image_key(path) != first
    path.write_bytes(b"not an image")
    with remembering(memory), pytest.raises(DataError, match="not an image file that can be decoded"):
        verify_image(path)


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    path, memory = page(tmp_path / "page.png", age=0), tmp_path / "memory.json"
    with remembering(memory):
        verify_image(path)
    assert not memory.exists()


def test_what_does_not_decode_is_not_remembered(tmp_path: Path) -> None:
    path, memory = tmp_path / "page.png", tmp_path / "memory.json"
    path.write_bytes(b"not an image")
    os.utime(path, (1, 1))
    for _ in range(2):
        with remembering(memory), pytest.raises(DataError):
            verify_image(path)


def test_what_was_learned_before_an_error_is_kept(tmp_path: Path, calls: Counter[str]) -> None:
    path, memory = page(tmp_path / "page.png"), tmp_path / "memory.json"
    with pytest.raises(KeyboardInterrupt), remembering(memory):
        verify_image(path)
        raise KeyboardInterrupt
    with remembering(memory):
        verify_image(path)
    assert calls["decoded"] == 1


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    pages, memory = [page(tmp_path / f"{number}.png") for number in range(3)], tmp_path / "memory.json"
    with remembering(memory):
        for path in pages:
            verify_image(path)
    pages[0].unlink()
    with remembering(memory):
        image_key(pages[2])
    assert sorted(json.loads(memory.read_text())["files"]) == [str(path) for path in pages[1:]]


@pytest.mark.parametrize("content", ["", "[1]", '{"made_by": "0", "files": {}}', '{"made_by": 1}', "\xff"])
def test_a_memory_that_cannot_be_read_is_empty(content: str, tmp_path: Path, calls: Counter[str]) -> None:
    path, memory = page(tmp_path / "page.png"), tmp_path / "memory.json"
    memory.write_bytes(content.encode("latin-1"))
    for _ in range(2):
        with remembering(memory):
            verify_image(path)
    assert calls["decoded"] == 1


def test_a_long_check_is_saved_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smart_train.inputs.known_files, "_SAVED_EVERY", 4)  # of a picture that it decodes, and its size
    memory = tmp_path / "memory.json"
    with remembering(memory):
        for number in range(3):
            verify_image(page(tmp_path / f"{number}.png"))
        assert len(json.loads(memory.read_text())["files"]) == 2


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    path = page(tmp_path / "page.png")
    (tmp_path / "file").write_text("")
    said = "is not remembered: the next start makes it again"
    with pytest.warns(UserWarning, match=said), remembering(tmp_path / "file" / "memory.json"):
        verify_image(path)


def test_others_read_what_one_writes(tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    with warnings.catch_warnings(), remembering(memory, writes=False):
        warnings.simplefilter("error")
        verify_image(page(tmp_path / "page.png"))
    assert not memory.exists()
