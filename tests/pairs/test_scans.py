"""Scans: make-pairs on pages without a legible text layer, with an engine that stands in for OCR."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from smart_train.data import read_pdf
from smart_train.data.formats.pdf import DPI
from smart_train.errors import DataError, MissingExtra
from smart_train.pairs import PairReport, PairSettings, make_pairs
from smart_train.pairs.documents import read_documents
from smart_train.pairs.scans import Scans
from tests.command import call
from tests.data.ocr_stand_in import Scanned, StandIn, engine, rows, write_scan
from tests.pdf_files import make_pdf, words

DOCUMENTS = Path(__file__).parents[1] / "fixtures" / "documents"
SETTINGS = PairSettings(dpi=40, queries_per_page=4)
UNREAD = "pages of 2 files have no legible text layer: pip install 'smart_train\\[ocr\\]' to have them read by OCR"


COATS, SEASONS = ("two", "three", "four"), ("winter", "spring", "autumn")


def page(name: str, number: int) -> Scanned:
    """A heading in large print, a sentence over two lines with a divided word, and words of its own."""
    heading = rows([f"Polishing the {name} slab {'abc'[number]}"], top=0.1, height=0.03)
    body = [
        f"Worn slabs of {name} {'abc'[number]} take oil. The {name} floor of the hall needs {COATS[number]} coats "
        "of var-",
        f"nish before {SEASONS[number]} comes to {name}. Nothing else does.",
        *words(f"{name} {number}", lines=4),
    ]
    return heading + rows(body, top=0.2)


PAGES = [page(name, number) for name in ("granite", "basalt") for number in range(3)]
READER = engine(PAGES)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two files of three scanned pages each."""
    write_scan(tmp_path / "pdf" / "granite.pdf", [0, 1, 2])
    write_scan(tmp_path / "pdf" / "basalt.pdf", [3, 4, 5])
    return tmp_path / "pdf"


def queries(folder: Path) -> dict[str, dict[str, str]]:
    """Page -> kind -> the first query of that kind."""
    found: dict[str, dict[str, str]] = {}
    for name in ("train", "held_out"):
        for line in (folder / f"{name}.jsonl").read_text().splitlines():
            row: dict[str, Any] = json.loads(line)
            found.setdefault(row["document_id"], {}).setdefault(row["kind"], row["query"])
    return found


def made(folder: Path, output: Path, reader: type[StandIn] | None = READER, **settings: Any) -> PairReport:
    return make_pairs(folder, output, replace(SETTINGS, **settings), ocr_engine=reader, show_progress_bar=False)


def test_scans_give_pairs_as_text_layers_do(scans: Path, tmp_path: Path) -> None:
    said: list[str] = []
    report = make_pairs(scans, tmp_path / "made", SETTINGS, ocr_engine=READER, say=said.append)
    found = queries(tmp_path / "made")
    assert len(found) == 6
    assert found["granite.pdf#page=2"] == {
        "heading": "Polishing the granite slab b",
        "sentence": "Polishing the granite slab b: The granite floor of the hall needs three coats of varnish before "
        "spring comes to granite",
    }
    assert (report.read_by_ocr, report.ocr_engine, report.not_legible) == (6, "stand-in 1", [])
    (sentence,) = said
    assert sentence.startswith("reading 6 pages by OCR with stand-in 1: roughly 1 min on ")
    assert "The text of 6 pages was read by OCR (stand-in 1)" in (tmp_path / "made" / "README.md").read_text()
    assert sum(part["pages"] for part in report.counts.values()) + sum(report.left_out.values()) == 6


def test_pages_are_read_once_and_drawn_large_enough(scans: Path, tmp_path: Path) -> None:
    reader = engine(PAGES)
    widths: list[int] = []

    class Measuring(reader):  # type: ignore[misc, valid-type]
        def read(self, picture: Any) -> Any:
            widths.append(picture.shape[1])
            return super().read(picture)

    made(scans, tmp_path / "one", Measuring)
    assert widths == [1224] * 6, "8.5 inches at 144 dpi, though pages are kept at 40"
    said: list[str] = []
    make_pairs(scans, tmp_path / "two", SETTINGS, ocr_engine=Measuring, say=said.append)
    assert len(widths) == 6 and not said
    assert made(scans, tmp_path / "two", Measuring).again


def test_pages_as_text_get_the_text_that_ocr_reads(scans: Path, tmp_path: Path, cache: Path) -> None:
    """A file of scans, one of them empty, and one of which nothing is to be read: that one is not drawn."""
    write_scan(scans / "basalt.pdf", [3, 4, 9])
    make_pdf(scans / "marble.pdf", [["Worn marble takes wax once a year. Nothing else does.", *words("marble")]], [])
    reader = engine(PAGES)
    report = made(scans, tmp_path / "made", reader, pages_as="text")
    assert (report.read_by_ocr, report.left_out) == (5, {"without text": 1})
    assert report.not_legible == [
        "1 of 7 pages have no legible text: basalt.pdf (page 3); OCR found nothing on them that it can read (it reads "
        "Latin, Greek, Chinese and Japanese)"
    ]
    texts = {}
    for name in ("train", "held_out"):
        for line in (tmp_path / "made" / f"{name}.jsonl").read_text().splitlines():
            row: dict[str, Any] = json.loads(line)
            texts[row["document_id"]] = row["positive"]["text"]
            quoted = row["query"].rpartition(": ")[2]  # without the heading before a sentence
            assert quoted in row["positive"]["text"].replace("\n", " ")
    assert len(texts) == 6 and texts["granite.pdf#page=1"].startswith("Polishing the granite slab a\nWorn slabs of")
    assert "needs two coats of varnish\nbefore winter" in texts["granite.pdf#page=1"], "a divided word is whole"
    assert not (tmp_path / "made" / "pages").exists()
    assert len(list(cache.rglob("pages.json"))) == 2
    drawn = made(scans, tmp_path / "drawn", reader)
    assert drawn.kinds == report.kinds and reader.read_count == 7, "the same queries, and no page is read again"
    assert made(scans, tmp_path / "made", reader, pages_as="text").again


def test_text_of_unread_pages_is_missed_once(scans: Path, tmp_path: Path) -> None:
    for name in ("marble", "slate"):
        own = [f"Worn {name} takes wax once a year. Nothing else does.", *words(name)]
        make_pdf(scans / f"{name}.pdf", [own, []], [])
    report = made(scans, tmp_path / "made", None, pages_as="text", on_error="skip")
    assert [line.partition("; ")[0] for line in report.not_legible] == [
        "2 of 4 pages have no legible text: marble.pdf (page 2), slate.pdf (page 2)"
    ]
    assert len(report.problems) == 2 and "pip install 'smart_train[ocr]' to have it read here" in report.problems[0]
    off = made(scans, tmp_path / "off", READER, pages_as="text", on_error="skip", ocr="off")
    assert "; let OCR read them (ocr auto, --ocr auto), or keep pages as images" in off.not_legible[0]


def test_text_layers_stay_where_there_are_any(scans: Path, tmp_path: Path) -> None:
    """A file of a page with text, a scanned page, and a blank one: the scanned page alone is read."""
    (scans / "basalt.pdf").unlink()
    own = ["Worn marble takes wax once a year. Nothing else does.", *words("marble")]
    make_pdf(tmp_path / "text.pdf", [own, []], [])
    write_scan(tmp_path / "scan.pdf", [3])
    whole = pypdfium2.PdfDocument.new()
    for name in ("text", "scan"):
        whole.import_pages(pypdfium2.PdfDocument(tmp_path / f"{name}.pdf"))
    whole.save(scans / "marble.pdf")
    reader = engine(PAGES)
    report = made(scans, tmp_path / "made", reader)
    assert report.read_by_ocr == reader.read_count == 4 and report.left_out == {"blank": 1}
    found = queries(tmp_path / "made")
    assert found["marble.pdf#page=1"]["sentence"] == "Worn marble takes wax once a year"
    assert "basalt" in found["marble.pdf#page=3"]["sentence"]


def test_without_the_extra_the_pages_that_it_would_read_are_counted(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"6 {UNREAD}") as caught:
        made(scans, tmp_path / "made", None)
    assert "granite.pdf: no text layer on its 3 pages (a scan?); pip install 'smart_train[ocr]'" in str(caught.value)
    with pytest.raises(DataError, match=r"granite.pdf: no text layer .* let OCR read it \(ocr auto, --ocr auto\)"):
        made(scans, tmp_path / "made", READER, ocr="off")
    with pytest.raises(MissingExtra, match=r"pip install 'smart_train\[ocr\]'"):
        made(scans, tmp_path / "made", None, ocr="all")


def test_the_counts_hold_beside_files_that_can_be_used(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (scans / "basalt.pdf").unlink()
    for name in ("marble", "slate"):
        own = [f"Worn {name} takes wax once a year. Nothing else does.", *words(name)]
        make_pdf(scans / f"{name}.pdf", [own, ["7"]], [])
    arguments = (scans, "--output", tmp_path / "made", "--dpi", 40, "--on-error", "skip")
    assert call(monkeypatch, "make-pairs", *arguments) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "not legible: 5 pages of 3 files have no legible text layer: pip install 'smart_train[ocr]'" in out
    assert "files: 3: 2 PDF files read, 1 PDF file that cannot be used" in out


def test_print_that_ocr_does_not_know_is_named(tmp_path: Path) -> None:
    unknown: Scanned = [("-oo , k oo", (0.1, 0.1 + 0.03 * n, 0.9, 0.115 + 0.03 * n)) for n in range(9)]
    known = engine([*PAGES, unknown])
    write_scan(tmp_path / "pdf" / "granite.pdf", [0, 1, 6])
    write_scan(tmp_path / "pdf" / "basalt.pdf", [3, 4])
    report = made(tmp_path / "pdf", tmp_path / "made", known)
    assert report.read_by_ocr == 4 and report.left_out == {"hardly any text": 1}
    assert report.not_legible == [
        "granite.pdf: most lines of 1 pages are in letters that OCR does not know; it reads Latin, Greek, Chinese and "
        "Japanese"
    ]
    write_scan(tmp_path / "pdf" / "cyrillic.pdf", [6])
    told = "cyrillic.pdf: no text layer on its 1 pages, and OCR found no words that it can read on them"
    with pytest.raises(DataError, match=rf"{told} .*; let a vision model write the queries \(--endpoint\)"):
        made(tmp_path / "pdf", tmp_path / "other", known)
    with pytest.raises(DataError, match=rf"{told} .*; make pairs of its pages as images \(without --as text\)"):
        made(tmp_path / "pdf", tmp_path / "text", known, pages_as="text")


def test_all_reads_pages_that_have_a_text_layer(tmp_path: Path) -> None:
    """Its text layer says something else."""
    for place, name in enumerate(("granite", "basalt")):
        write_scan(tmp_path / "pdf" / f"{name}.pdf", [3 * place])
    make_pdf(tmp_path / "pdf" / "layer.pdf", [["Hidden words that are not printed. They are wrong.", *words("x")]], [])
    white = rows(["Worn hinges of the white page take grease each spring. Nothing else does.", *words("hinges")])
    report = made(tmp_path / "pdf", tmp_path / "made", engine([*PAGES, *([white] * 30)]), ocr="all")
    assert report.read_by_ocr == 3
    found = queries(tmp_path / "made")["layer.pdf#page=1"]
    assert found["sentence"] == "Worn hinges of the white page take grease each spring"


def test_text_layers_of_glyph_numbers_are_read_by_ocr(tmp_path: Path) -> None:
    documents, problems = read_documents(DOCUMENTS / "23-shifted-glyphs", unusable=lambda _: None)
    assert len(documents) == 2 and not problems and all(document.unreadable for document in documents)
    drawn = {document.key: read_pdf(document.pdf, name=document.key, dpi=DPI) for document in documents}
    scans = Scans.of("auto", engine([PAGES[0]] * 40), text_needed=True)
    scans.read_pages(documents, drawn, cache_dir=None, say=None, show_progress_bar=False)
    assert scans.read and not any(document.unreadable or scans.why_silent(document) for document in documents)
    assert all("granite" in page.words for document in documents for page in document.pages)


def test_a_vision_model_needs_no_ocr(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--ocr", "all")
    assert call(monkeypatch, "make-pairs", scans, "--output", tmp_path / "made", *arguments) == 2
    assert "--ocr all reads text that --endpoint does not use" in capsys.readouterr().err
