"""PDF files and a text embedder: searched, indexed and evaluated by the text of their pages."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from smart_train import SmartModel
from smart_train.data import SourceConfig
from smart_train.errors import DataError, LeftOut
from smart_train.retrieval import encode_folder, search_folder
from tests.command import ended
from tests.models.text_folders import encoder_folder
from tests.pdf_files import make_pdf

pytest.importorskip("pypdfium2")
TINY = Path(__file__).parents[2] / "data" / "tiny-qwen3-vl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text embedder of two layers with drawn weights."""
    path = tmp_path_factory.mktemp("model")
    SmartModel.from_config(str(encoder_folder(path / "config")), init_std=0.2, seed=0).save_pretrained(path / "model")
    return path / "model"


@pytest.fixture
def pdfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page of one chunk, one of several, and one without text; OCR is not installed."""
    monkeypatch.setattr("smart_train.data.formats.ocr_engine.ocr_is_installed", lambda: False)
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pdfs" / "sub").mkdir(parents=True)
    make_pdf(tmp_path / "pdfs" / "cats.pdf", [["the cat sat on the mat"], []], [])
    make_pdf(tmp_path / "pdfs" / "sub" / "long.pdf", [["red page green total"] * 30], [])
    return tmp_path / "pdfs"


IDS = ["cats.pdf#page=1", "sub/long.pdf#page=1&chunk=1", "sub/long.pdf#page=1&chunk=2", "sub/long.pdf#page=1&chunk=3"]


def test_pages_are_found_by_their_text_and_long_ones_in_parts(folder: Path, pdfs: Path, tmp_path: Path) -> None:
    model = SmartModel.from_pretrained(str(folder), device="cpu")
    with pytest.warns(LeftOut, match=r"1 of 3 pages have no legible text: cats.pdf \(page 2\)"):
        index = encode_folder(model, pdfs)
    assert list(index.document_ids) == IDS
    assert index.embeddings.lengths.tolist()[1:] == [40, 40, 40], "no word is cut off"
    (hits,) = search_folder(model, SourceConfig(pdfs, pages_as="text"), ["the cat sat on the mat"], top_k=4)
    assert hits[0].document_id == "cats.pdf#page=1"
    assert not list((tmp_path / "cache").rglob("*.png")), "no page is drawn"
    with pytest.raises(DataError, match=r"3 of 3 hold images, but the model reads only text: .*--pages-as text on the"):
        encode_folder(model, SourceConfig(pdfs, pages_as="image"))


def test_search_prints_file_and_page(
    folder: Path, pdfs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = ("--query", "red page", "--documents", pdfs)
    with pytest.warns(LeftOut, match=r"1 of 3 pages have no legible text: cats.pdf \(page 2\)") as told:
        found = ended(monkeypatch, capsys, "search", folder, *query, "--top-k", 4)
    assert found.status == 0 and all(name in found.out for name in IDS) and "the cat sat on the mat" in found.out
    (line,) = (warning for warning in told if warning.category is LeftOut)
    assert warnings.formatwarning(line.message, LeftOut, "file.py", 1) == f"left out: {line.message}\n"
    assert "a page.py:1: UserWarning: more" in warnings.formatwarning("more", UserWarning, "a page.py", 1)
    assert "sequence length" not in found.err, "counting tokens warns of nothing"
    monkeypatch.setenv("COLUMNS", "60")
    found = ended(monkeypatch, capsys, "search", folder, *query, "--top-k", 4, "--json")
    assert {hit["document_id"] for hit in json.loads(found.out)["hits"]} == {*IDS}
    refused = ended(monkeypatch, capsys, "search", folder, *query, "--dpi", 72)
    assert refused.status == 2 and "--dpi is 72, but --pages-as is text" in refused.err
    refused = ended(monkeypatch, capsys, "search", folder, *query, "--pages-as", "image")
    assert refused.status == 2 and "hold images, but the model reads only text" in refused.err


@pytest.mark.filterwarnings("ignore::smart_train.errors.LeftOut")
def test_encode_keeps_an_index_of_chunks(
    folder: Path, pdfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ("--documents", pdfs, "--index", tmp_path / "index")
    assert "4 documents, " in ended(monkeypatch, capsys, "encode", folder, *index).out
    make_pdf(pdfs / "new.pdf", [["a dog"]], [])
    assert "5 documents (1 new or changed, 0 removed)" in ended(monkeypatch, capsys, "encode", folder, *index).out


@pytest.mark.filterwarnings("ignore::smart_train.errors.LeftOut")
def test_evaluate_takes_rows_that_name_pages(
    folder: Path, pdfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"query": "the cat sat on the mat", "positive": "cats.pdf#page=1"},
        {"query": "red page green total", "positive": "sub/long.pdf#page=1"},
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    make_pdf(pdfs / "other.pdf", [["query passage"]], [])
    output = tmp_path / "metrics.json"
    places = ("--data", source, "--image-root", pdfs, "--corpus", pdfs)
    measured = ended(monkeypatch, capsys, "evaluate", folder, *places, "--output", output)
    assert measured.status == 0, measured.err
    assert "positives: 2 text" in measured.out
    assert "1 of 3 pages are longer than the 64 tokens that the model reads, and are cut off; search" in measured.out
    values = json.loads(output.read_text())
    assert values["documents"] == 3, "pages of the corpus are those that rows name"
    assert list(values["relevant"][0]) == ["cats.pdf#page=1"]


def test_explain_takes_what_search_prints(
    folder: Path, pdfs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = ("explain", folder, "--query", "red page", "--document")
    shown = ended(monkeypatch, capsys, *query, f"{pdfs}/sub/long.pdf#page=1&chunk=2")
    assert shown.status == 0 and "late" in shown.out, shown.err
    for name, message in [
        ("sub/long.pdf#page=1&chunk=4", "for this model the page has 3 chunks, counted from 1"),
        ("cats.pdf#page=2", "this page has no legible text; pip install 'smart_train[ocr]' to have them read by OCR"),
        ("cats.pdf#page=3", "the file has 2 pages, counted from 1"),
    ]:
        refused = ended(monkeypatch, capsys, *query, pdfs / name)
        assert refused.status == 2 and message in refused.err, refused.err
    refused = ended(
        monkeypatch, capsys, "explain", TINY, "--query", "a", "--document", f"{pdfs}/cats.pdf#page=1&chunk=1"
    )
    assert refused.status == 2 and "only a model that reads no images has a page in chunks; leave out" in refused.err
