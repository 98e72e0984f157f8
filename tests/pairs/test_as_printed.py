"""Small documents of the kinds that were once read wrongly: what is on the page is read, and nothing else."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from smart_train.data import SourceConfig, load_documents, read_pdf
from smart_train.pairs import PairSettings, make_pairs
from smart_train.pairs.documents import read_documents
from smart_train.pairs.specific import choose_queries

DOCUMENTS = Path(__file__).parents[1] / "fixtures" / "documents"


def queries_of(name: str) -> list[tuple[str, str]]:
    """(kind, query) of all pages, at most two of a page."""
    documents, problems = read_documents(DOCUMENTS / name, show_progress_bar=False)
    assert not problems
    chosen = choose_queries([page for document in documents for page in document.pages], 2)
    return [pair for found in chosen.values() for pair in found]


def texts_of(name: str) -> list[str]:
    return [query for _, query in queries_of(name)]


def test_values_of_form_fields_are_drawn_and_read(tmp_path: Path) -> None:
    (page,) = read_pdf(DOCUMENTS / "01-form-fields" / "form.pdf", dpi=72, cache_dir=tmp_path)
    assert page.text.split("\n")[1] == "ACME-PUMP-4711 calibrated"
    with Image.open(page.image) as image:
        field = image.convert("L").crop((30, 95, 330, 120))  # its rectangle is 180 to 205 points from below, of 300
    assert field.getextrema()[0] < 128


def test_a_negative_size_is_a_size() -> None:
    documents, _ = read_documents(DOCUMENTS / "02-negative-font-size", show_progress_bar=False)
    assert not any(page.parts.headings for document in documents for page in document.pages)
    assert len(texts_of("02-negative-font-size")) == 16


def test_tables_of_numbers_stay() -> None:
    documents, _ = read_documents(DOCUMENTS / "04-financial-tables", show_progress_bar=False)
    assert all(not document.listings and len(document.pages) == 6 for document in documents)
    assert ("heading", "Balance sheet of alpha") in queries_of("04-financial-tables")


@pytest.mark.parametrize(
    ("name", "unseen"), [("05-cropbox-text", "hidden neighbour"), ("06-hidden-layer", "secret layer")]
)
def test_only_what_is_seen_is_read(name: str, unseen: str, tmp_path: Path) -> None:
    documents, _ = read_documents(DOCUMENTS / name, show_progress_bar=False)
    assert not any(unseen in page.words for document in documents for page in document.pages)
    assert len(texts_of(name)) == 12
    for file in (DOCUMENTS / name).glob("*.pdf"):
        assert not any(unseen in page.text.lower() for page in read_pdf(file, dpi=20, cache_dir=tmp_path))


def test_a_layer_that_is_on_is_read(tmp_path: Path) -> None:
    content = (DOCUMENTS / "06-hidden-layer" / "layer0.pdf").read_bytes()
    (tmp_path / "on.pdf").write_bytes(content.replace(b"/OFF[10 0 R]", b"/ON[10 0 R] "))
    assert all("Secret layer" in page.text for page in read_pdf(tmp_path / "on.pdf", dpi=20, cache_dir=tmp_path))


def test_invisible_text_stays_because_ocr_writes_it(tmp_path: Path) -> None:
    content = (DOCUMENTS / "06-hidden-layer" / "layer0.pdf").read_bytes()
    (tmp_path / "scan.pdf").write_bytes(
        content.replace(b"BT /F1 11 Tf 60 780", b"BT 3 Tr 11 Tf 60 78 ").replace(
            b"BT 3 Tr 11 Tf 60 78 ", b"3 Tr BT /F1 11 Tf 60 780"
        )
    )
    texts = [page.text for page in read_pdf(tmp_path / "scan.pdf", dpi=20, cache_dir=tmp_path)]
    assert all(len(text.split("\n")) >= 3 for text in texts)


def test_hyphens_that_belong_to_the_word_stay() -> None:
    found = texts_of("07-hyphen-before-capital")
    assert len(found) == 12
    assert all("Debian-System" in query or "WLAN-5-Technik" in query for query in found)
    assert all(query.startswith("Die Be- und Entladung") for query in texts_of("25-midline-hyphen"))


@pytest.mark.parametrize("script", ["hindi", "tamil", "thai"])
def test_other_scripts_have_as_many_queries(script: str) -> None:
    found = texts_of(f"09-indic-scripts/{script}")
    assert len(found) == len(texts_of("09-indic-scripts/russian-control")) == 12
    assert all(any(unicodedata.category(letter)[0] == "M" for letter in query) for query in found)


def test_a_bookmark_that_is_not_text_is_skipped(tmp_path: Path) -> None:
    assert len(texts_of("12-bookmark-surrogate")) == 12
    for file in (DOCUMENTS / "12-bookmark-surrogate").glob("*.pdf"):
        assert all(
            "\ufffd" not in title for page in read_pdf(file, dpi=20, cache_dir=tmp_path) for title in page.titles
        )


@pytest.mark.parametrize("name", ["15-userunit", "16-rotated"])
def test_units_and_turns_change_no_text(name: str) -> None:
    assert len(texts_of(name)) == 12


def test_one_huge_page_is_drawn_smaller_and_its_file_stays(tmp_path: Path) -> None:
    """Two files of four pages; the third is 200 inches wide and high: 207 million pixels at 72 dpi."""
    settings = PairSettings(dpi=72, ocr="off")
    report = make_pairs(DOCUMENTS / "13-one-huge-page", tmp_path / "made", settings, cache_dir=tmp_path / "cache")
    assert sum(part["pages"] for part in report.counts.values()) == 8 and not report.left_out
    for image in sorted((tmp_path / "made" / "pages").rglob("page-00003.png")):
        with Image.open(image) as drawn:
            assert drawn.size == (4096, 4096)
    assert len(load_documents(SourceConfig(tmp_path / "made" / "pages"))) == 8


def test_a_page_that_no_model_takes_is_left_out_and_counted(tmp_path: Path) -> None:
    """Two files of four pages; the fourth is 5,000 points wide and 12 high."""
    settings = PairSettings(dpi=36, ocr="off")
    report = make_pairs(DOCUMENTS / "14-thin-page", tmp_path / "made", settings, cache_dir=tmp_path / "cache")
    assert report.left_out == {"more than 200 times as long as wide, which no model takes": 2}
    assert sum(part["pages"] for part in report.counts.values()) == 6
    assert len(load_documents(SourceConfig(tmp_path / "made" / "pages"))) == 6


def test_running_heads_are_not_asked_for() -> None:
    documents, _ = read_documents(DOCUMENTS / "19-small-print-dominates", show_progress_bar=False)
    pages = [page for document in documents for page in document.pages]
    assert pages and not any(page.parts.headings or page.candidates for page in pages)
    assert not any("Class Documentation" in query for _, query in queries_of("19-small-print-dominates"))


def test_accents_are_put_together() -> None:
    found = texts_of("20-spacing-accents")
    assert len(found) == 12 and not any(re.search("[´`^ˆ\u0300-\u036f]", query) for query in found)
    assert sum("apparaît déjà très tôt" in query for query in found) == 6


def test_characters_without_a_meaning_are_taken_out() -> None:
    found = texts_of("21-control-characters")
    assert len(found) == 12 and all(query.isprintable() for query in found)
    assert sum("must be tightened" in query for query in found) == 6
    assert not texts_of("24-replacement-characters"), "each of its sentences has a letter that nobody can name"


def test_korean_has_blanks() -> None:
    assert "위로 없이 먼저 청소 반드시 기계 물 확인해야 합니다" in texts_of("22-korean-lines")


def test_text_that_nobody_can_read_is_named() -> None:
    documents, problems = read_documents(DOCUMENTS / "23-shifted-glyphs", show_progress_bar=False)
    assert not documents and len(problems) == 2
    assert all("its text layer is unreadable: it holds the numbers of glyphs" in problem for problem in problems)
