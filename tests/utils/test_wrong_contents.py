"""Files that hold something else than their names say are named as what they are, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data import SourceConfig, load_examples
from smart_train.data.formats.folders import not_read
from smart_train.errors import DataError
from smart_train.inputs.images import load_image, verify_image

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html><html><head><title>404</title></head></html>"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet", "rows.json"])
@pytest.mark.parametrize(("content", "message"), [(POINTER, "git lfs pull"), (PAGE, "download the file again")])
def test_rows_that_were_not_fetched(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: holds a .*{message}"):
        load_examples(SourceConfig(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "it is a pointer of Git LFS, and not the file itself; fetch that: git lfs pull"),
        (PAGE, "it is a web page, as servers send it where a file is gone; download the file again"),
        (b"%PDF-1.7\n", "it is a PDF file; call it so, and name a page of it"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "it is a HEIC picture; save it as JPEG or PNG"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "it is an SVG drawing; save it as PNG"),
    ],
)
@pytest.mark.parametrize("read", [load_image, verify_image])
def test_pictures_that_are_none(tmp_path: Path, content: bytes, message: str, read) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(content)
    for reference in (path, content):
        with pytest.raises(DataError, match=f"not an image file that can be decoded .*; {message}"):
            read(reference)


def test_pictures_of_types_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("a.dds", "b.jxl", "c.ico", "d.tga"):
        (tmp_path / name).write_bytes(b"")
    assert "4 files whose types are not read: a.dds, b.jxl, c.ico, d.tga; save pictures as PNG" in str(
        not_read(tmp_path)
    )
