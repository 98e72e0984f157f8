"""One scan at several resolutions is one page of the set, and pages that differ in one word are two."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from smart_train.errors import DataError
from smart_train.pairs import PairSettings, make_pairs
from smart_train.pairs.candidates import Page
from smart_train.pairs.picture_twins import IN_LATER_PART, IN_PART, without_picture_twins
from smart_train.pairs.reading import read_usable
from smart_train.pairs.scans import Scans
from tests.inputs.test_page_fingerprints import page
from tests.pdf_files import make_pdf, words

SETTINGS = PairSettings(dpi=96, queries_per_page=2)


class Writer:
    """Asks of every page for what it is."""

    method = {"name": "stand-in"}

    def write(self, images: Sequence[Path], limit: int) -> tuple[dict[int, Any], list[str]]:
        names = [f"what is on {image.parent.name} {image.stem}" for image in images]
        return {place: [("written", name)] for place, name in enumerate(names)}, []


def scan(path: Path, *pages: Image.Image, resolution: int) -> None:
    """A PDF file of pictures of sheets of 5 by 7 inches."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [each.resize((5 * resolution, 7 * resolution), Image.Resampling.LANCZOS) for each in pages]
    never = time.gmtime(0)  # documents are split by their content, which is to be the same in every run
    first.save(path, save_all=True, append_images=others, resolution=resolution, creationDate=never, modDate=never)


def edited(seed: str) -> Image.Image:
    """The page without a part of its 21st line."""
    image = page(seed, scale=3)
    ImageDraw.Draw(image).rectangle((60, 636, 90, 651), fill=255)
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The scan "x" at three resolutions, another version of it, and another document."""
    for name, resolution in (("a", 300), ("b", 200), ("c", 120)):
        scan(tmp_path / "pdf" / f"{name}.pdf", page("x", scale=3), resolution=resolution)
    scan(tmp_path / "pdf" / "edited.pdf", edited("x"), resolution=300)
    scan(tmp_path / "pdf" / "other.pdf", page("y", scale=3), page("z", scale=3), resolution=200)
    return tmp_path / "pdf"


def kept(folder: Path, parts: dict[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What is left of parts of whole documents, and why the others are not."""
    documents, drawn, _ = read_usable(
        folder, SETTINGS, Scans.of("off", None, text_needed=False), text_needed=False, cache_dir=None, say=None,
        show_progress_bar=False,
    )  # fmt: skip
    counts = {document.key: document.page_count for document in documents}
    given = {
        part: [Page.without_text(key, number) for key in keys for number in range(counts[key])]
        for part, keys in parts.items()
    }
    left, why = without_picture_twins(given, documents, drawn, show_progress_bar=False)
    return {part: [each.document for each in pages] for part, pages in left.items()}, why


def test_a_scan_at_three_resolutions_is_one_page(folder: Path) -> None:
    left, why = kept(folder, {"train": ["a.pdf", "edited.pdf", "other.pdf", "b.pdf"], "held_out": ["c.pdf"]})
    assert left == {"train": ["edited.pdf", "other.pdf", "other.pdf"], "held_out": ["c.pdf"]}
    assert why == {IN_LATER_PART: [f"{name}.pdf, page 1, shows what c.pdf, page 1, shows" for name in "ab"]}
    left, why = kept(folder, {"train": ["other.pdf"], "held_out": ["b.pdf", "edited.pdf", "c.pdf"]})
    assert left["held_out"] == ["b.pdf", "edited.pdf"]
    assert why == {IN_PART: ["c.pdf, page 1, shows what b.pdf, page 1, shows"]}


def test_pages_that_have_text_layers_are_told_apart_by_their_words(tmp_path: Path) -> None:
    (tmp_path / "pdf").mkdir()
    told = ["Pumps are filled with oil before winter.", *words("same")]
    for name, bookmarks in (("one", []), ("two", [("Pumps", 0)])):
        make_pdf(tmp_path / "pdf" / f"{name}.pdf", [told], bookmarks)
    left, why = kept(tmp_path / "pdf", {"train": ["one.pdf"], "held_out": ["two.pdf"]})
    assert left["train"] == ["one.pdf"] and not why


def test_what_was_made_counts_and_names_them(folder: Path, tmp_path: Path) -> None:
    report = make_pairs(folder, tmp_path / "made", SETTINGS, writer=Writer())  # type: ignore[arg-type]
    rows = [
        json.loads(line)
        for name in ("train", "held_out")
        for line in (tmp_path / "made" / f"{name}.jsonl").read_text().splitlines()
    ]
    shown = [row["document_id"].partition("#")[0] for row in rows]
    assert len({*shown} & {"a.pdf", "b.pdf", "c.pdf"}) == 1 and "edited.pdf" in shown
    assert sum(report.left_out[why] for why in (IN_PART, IN_LATER_PART) if why in report.left_out) == 2
    assert len(report.twins) == 2 and all(", page 1, shows what " in line for line in report.twins)
    assert json.loads((tmp_path / "made" / "manifest.json").read_text())["report"]["twins"] == report.twins
    assert sum(part["pages"] for part in report.counts.values()) + sum(report.left_out.values()) == 6


def test_where_all_pages_show_the_same_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    for name in ("edited", "other", "c"):
        (folder / f"{name}.pdf").unlink()
    message = (
        r"no page is left in the train part: those that say or show what others do are left out; add documents\n.*"
    )
    with pytest.raises(DataError, match=message + r"[ab]\.pdf, page 1, shows what [ab]\.pdf, page 1, shows"):
        make_pairs(folder, tmp_path / "made", SETTINGS, writer=Writer())  # type: ignore[arg-type]
