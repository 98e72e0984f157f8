"""Files below a folder: which count as pages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from smart_train.data import SourceConfig, load_documents
from smart_train.errors import DataError
from smart_train.inputs.folder_listing import files_below
from smart_train.inputs.images import verify_image
from smart_train.retrieval.document_sources import find_images, image_sources


def test_hidden_files_are_no_pages(tmp_path: Path) -> None:
    """`._page.png` is what macOS puts beside a page, and no image; an editor's copies are second pages."""
    for name in ("b.png", "a/c.PNG", "._b.png", ".ipynb_checkpoints/b.png", "a/.x/d.png", "notes.txt", "a.png/none"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    assert files_below(tmp_path, (".png",)) == [tmp_path / "a/c.PNG", tmp_path / "b.png"]
    hidden = tmp_path / ".ipynb_checkpoints"
    assert files_below(hidden, (".png",)) == [hidden / "b.png"], "the folder that was asked for may be hidden"


def test_links_are_followed_and_nothing_is_read_twice(tmp_path: Path) -> None:
    for name in ("pages/b.png", "archive/old.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    for link, target in (("a-link", "archive"), ("pages", ""), ("again", "pages"), ("gone", "nowhere")):
        (tmp_path / "pages" / link).symlink_to(tmp_path / target)
    (tmp_path / "pages" / "c.png").symlink_to(tmp_path / "archive" / "old.png")
    found = [path.relative_to(tmp_path / "pages").as_posix() for path in files_below(tmp_path / "pages", (".png",))]
    assert found == ["a-link/old.png", "b.png", "c.png"]
    assert len(files_below(tmp_path)) == 4, "all files, each folder once, and the link that leads nowhere"


def test_a_link_that_leads_nowhere_is_a_page_that_is_missed(tmp_path: Path) -> None:
    """As in a repository whose large files were not fetched; and one that leads to itself."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "lost.png").symlink_to(".git/annex/objects/xx/lost.png")
    (tmp_path / "self.png").symlink_to("self.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe.png").symlink_to("pipe")
    assert [path.name for path in files_below(tmp_path, (".png",))] == ["a.png", "lost.png", "self.png"]
    for _, document in load_documents(SourceConfig(tmp_path))[1:]:
        with pytest.raises(DataError, match=r"image .*(lost.png: no such file|self.png: cannot be read)"):
            verify_image(document.images[0])
    with pytest.raises(DataError, match="2 of 3 cannot be used; fix or remove them:\n  lost.png: .*\n  self.png: "):
        image_sources(tmp_path, find_images(tmp_path), None)


def test_a_file_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfcber.png")).touch()  # Latin-1, as old archives unpack to
    (tmp_path / "über.png").touch()
    with pytest.raises(DataError, match=r"the file name '\\udcfcber.png' is not UTF-8 text; rename it"):
        files_below(tmp_path, (".png",))
