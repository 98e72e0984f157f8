"""Folders of pages: documents in them that are not read are named, never left out in silence."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from PIL import Image

from smart_train.data import SourceConfig, load_documents
from smart_train.errors import DataError, LeftOut
from smart_train.retrieval import find_images, is_collection
from tests.pdf_files import make_pdf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page, and beside it seven documents that are not read, and three files that are none."""
    for name in ("b/report.docx", "a.PPTX", "c.html", "d.md", "e.heic", "f.svg", "g.epub"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    for name in ("README.md", "labels.txt", ".hidden.docx"):
        (tmp_path / name).write_text("x")
    return tmp_path


TOLD = (
    r": 7 files whose types are not read: a.PPTX, b/report.docx, c.html, d.md, e.heic and 2 more; export them as PDF "
    r"\(smart-train make-pairs has LibreOffice convert office, web and book files\)$"
)


def test_documents_beside_images_are_named(folder: Path) -> None:
    Image.new("RGB", (40, 40)).save(folder / "page.png")
    with pytest.warns(LeftOut, match=TOLD):
        assert [name for name, _ in load_documents(SourceConfig(folder))] == ["page.png"]
    with pytest.warns(LeftOut, match=TOLD):
        assert find_images(folder) == [folder / "page.png"]
    for file in folder.rglob("*"):
        if file.name not in ("page.png", "README.md", "labels.txt", ".hidden.docx") and file.is_file():
            file.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_documents(SourceConfig(folder))) == len(find_images(folder)) == 1


def test_documents_beside_pdf_files_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pypdfium2")
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(folder / ".cache"))
    make_pdf(folder / "manual.pdf", [["Open the valve."]], [])
    with pytest.warns(LeftOut, match=TOLD):
        assert [item.text for _, item in load_documents(SourceConfig(folder, pages_as="text"))] == ["Open the valve."]


def test_nothing_but_such_documents_is_an_error_that_says_what_to_do(folder: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no image, PDF file or collection in it .*7 files whose types"):
        is_collection(folder)
    with pytest.raises(DataError, match="a.PPTX: is an office, web or book file, whose pages are not read here"):
        load_documents(SourceConfig(folder / "a.PPTX"))
