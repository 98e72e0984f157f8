"""Scans and a text embedder: searched, indexed, evaluated and explained by what OCR reads, with an engine that stands
in for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from smart_train import SmartModel
from smart_train.data import SourceConfig, load_documents
from smart_train.data.cells import CellReader
from smart_train.data.formats import ocr_engine
from smart_train.data.read_as_text import PageTexts
from smart_train.data.references import References
from smart_train.errors import DataError, LeftOut, MissingExtra, Notice
from smart_train.explain import explain
from smart_train.explain.printed_words import on_picture
from smart_train.retrieval import encode_folder, search_folder
from tests.command import ended
from tests.data.ocr_stand_in import StandIn, engine, picture, rows, write_scan
from tests.models.text_folders import encoder_folder
from tests.pdf_files import make_pdf

pytest.importorskip("pypdfium2")
pytestmark = pytest.mark.filterwarnings("ignore::smart_train.errors.Notice", "ignore::smart_train.errors.LeftOut")
CAT, DOG = "the cat sat on the mat", "a dog"
PAGES = [
    rows([CAT, "a dog red page"]),
    rows([DOG]),
    rows(["red page green total"] * 30, height=0.012),
    rows(["query passage"], left=0.3, top=0.5),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text embedder of two layers with drawn weights, which reads 64 tokens."""
    path = tmp_path_factory.mktemp("model")
    SmartModel.from_config(str(encoder_folder(path / "config")), init_std=0.2, seed=0).save_pretrained(path / "model")
    return path / "model"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """The stand-in as the installed engine."""
    known = engine(PAGES)
    monkeypatch.setattr(ocr_engine, "RapidEngine", known)
    monkeypatch.setattr(ocr_engine, "ocr_is_installed", lambda: True)
    return known


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PDF file with a text layer, one of three scans (on the last nothing is read), a picture that lies upside down,
    and a TIFF file of two pages."""
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pages").mkdir()
    make_pdf(tmp_path / "pages" / "layer.pdf", [["a bird on a roof"]], [])
    write_scan(tmp_path / "pages" / "scan.pdf", [0, 2, 9])
    picture(1).rotate(180).save(tmp_path / "pages" / "dog.png")
    picture(0).save(tmp_path / "pages" / "fax.tif", save_all=True, append_images=[picture(3)])
    return tmp_path / "pages"


def test_scans_and_pictures_are_read_once_and_what_is_not_legible_is_named(
    scans: Path, reader: type[StandIn], tmp_path: Path
) -> None:
    config = SourceConfig(scans, pages_as="text")
    with pytest.warns() as told:
        found = dict(load_documents(config))
    assert [*found] == [
        "dog.png",
        "fax.tif#page=1",
        "fax.tif#page=2",
        "layer.pdf#page=1",
        "scan.pdf#page=1",
        "scan.pdf#page=2",
    ]
    assert found["dog.png"].text == DOG and found["scan.pdf#page=1"].text == f"{CAT}\na dog red page"
    assert found["layer.pdf#page=1"].text == "a bird on a roof"
    lines = [(warning.category, str(warning.message)) for warning in told]
    assert lines[0][0] is Notice and lines[0][1].startswith("reading 6 pages by OCR with stand-in 1: roughly 1 min on ")
    assert lines[1:] == [
        (Notice, f"{scans}: 5 of 7 pages were read by OCR (stand-in 1, ocr auto)"),
        (
            LeftOut,
            f"{scans}: 1 of 7 pages have no legible text: scan.pdf (page 3); OCR found nothing on them that it can "
            "read (it reads Latin, Greek, Chinese and Japanese); read pages as images, with a model that reads them",
        ),
    ]
    count = reader.read_count
    assert dict(load_documents(config)) == found and reader.read_count == count, "nothing is read twice"
    assert len([*load_documents(SourceConfig(scans, pages_as="text", max_samples=2))]) == 2


def test_off_reads_none_and_all_reads_text_layers_too(scans: Path, reader: type[StandIn]) -> None:
    with pytest.warns(LeftOut) as told:
        assert [name for name, _ in load_documents(SourceConfig(scans, pages_as="text", ocr="off"))] == [
            "layer.pdf#page=1"
        ]
    messages = [str(warning.message) for warning in told]
    assert "3 of 4 pages have no legible text: scan.pdf (page 1-3); let OCR read them (ocr: auto in a" in messages[0]
    assert "2 pictures without a text layer: dog.png and 1 more; let OCR read them" in messages[1]
    assert reader.read_count == 0
    with pytest.warns(LeftOut, match=r"2 of 7 pages have no legible text: layer.pdf \(page 1\), scan.pdf \(page 3\)"):
        load_documents(SourceConfig(scans, pages_as="text", ocr="all"))


def test_pages_without_text_are_named_with_fewer_rows_too(scans: Path, reader: type[StandIn]) -> None:
    config = {"pages_as": "text", "ocr": "off", "max_samples": 1}
    (scans / "a.pdf").write_bytes((scans / "scan.pdf").read_bytes())
    with pytest.warns(LeftOut, match=r"3 of 4 pages have no legible text: a.pdf \(page 1-3\); let OCR read them"):
        assert [name for name, _ in load_documents(SourceConfig(scans, **config))] == ["layer.pdf#page=1"]
    (scans / "layer.pdf").unlink()
    with pytest.raises(DataError, match=r"6 of 6 pages have no legible text: a.pdf \(page 1-3\), scan.pdf"):
        load_documents(SourceConfig(scans, **config))


def test_pictures_that_cannot_be_read_are_all_named_before_any_is_read(scans: Path, reader: type[StandIn]) -> None:
    for name in ("x.png", "y.png"):
        (scans / name).write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"2 files cannot be read; fix or remove them:\n.*x.png.*\n.*y.png"):
        load_documents(SourceConfig(scans, pages_as="text"))
    assert reader.read_count == 0


def test_a_row_names_a_scan_in_a_mapping_and_long_texts_name_none(scans: Path, reader: type[StandIn]) -> None:
    references = References(scans, 72)
    texts = PageTexts(references, pages_as="text")
    cells = CellReader(references, texts)
    assert "dog" in (cells.document({"image": "dog.png"}, "rows.jsonl, row 1", "positive").text or "")
    long = "word " * 100 + "saved as out.png"
    assert texts.of(long, "rows.jsonl, row 2") is None
    assert cells.pictures(long, "positive") == [] and cells.pictures({"image": "dog.png"}, "x") == [scans / "dog.png"]
    (scans / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"^rows.jsonl, row 3: .*bad.png"):
        texts.of("bad.png", "rows.jsonl, row 3")


def test_without_the_extra_it_is_said_what_to_install(
    scans: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ocr_engine, "ocr_is_installed", lambda: False)
    with pytest.warns(
        LeftOut, match=r"scan.pdf \(page 1-3\); pip install 'smart_train\[ocr\]' to have them read by OCR"
    ):
        load_documents(SourceConfig(scans, pages_as="text"))
    with pytest.raises(MissingExtra, match="need rapidocr and onnxruntime"):
        load_documents(SourceConfig(scans, pages_as="text", ocr="all"))
    (scans / "layer.pdf").unlink()
    (scans / "scan.pdf").unlink()
    refused = ended(monkeypatch, capsys, "search", folder, "--documents", scans, "--query", "dog")
    assert refused.status == 2 and "the model reads only text" in refused.err
    assert "scans and pictures have one by OCR: pip install 'smart_train[ocr]'" in refused.err


def test_ocr_without_pages_as_text_is_refused(scans: Path) -> None:
    for config in ({"ocr": "all", "pages_as": "image"}, {"ocr": "off"}):
        with pytest.raises(DataError, match=r"ocr is '(all|off)', but pages are read as images, of which no text is"):
            load_documents(SourceConfig(scans, **config))
    with pytest.raises(DataError, match="ocr is 'on'; it must be auto, all or off"):
        SourceConfig(scans, ocr="on")  # type: ignore[arg-type]


def test_search_and_index_find_scans_by_their_text(
    folder: Path, scans: Path, reader: type[StandIn], tmp_path: Path
) -> None:
    model = SmartModel.from_pretrained(str(folder), device="cpu")
    index = encode_folder(model, scans)
    assert [*index.document_ids] == [
        "dog.png",
        "fax.tif#page=1",
        "fax.tif#page=2",
        "layer.pdf#page=1",
        "scan.pdf#page=1",
        "scan.pdf#page=2&chunk=1",
        "scan.pdf#page=2&chunk=2",
        "scan.pdf#page=2&chunk=3",
    ]
    assert encode_folder(model, scans, previous=index) is index
    picture(2).save(tmp_path / "long.png")
    (tmp_path / "alone").mkdir()
    (tmp_path / "long.png").rename(tmp_path / "alone" / "long.png")
    (hits,) = search_folder(model, tmp_path / "alone", ["red page"], top_k=3)
    assert {hit.document_id for hit in hits} == {f"long.png#chunk={number}" for number in (1, 2, 3)}


def test_evaluate_reads_the_scans_that_rows_name_and_no_others(
    folder: Path,
    scans: Path,
    reader: type[StandIn],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [
        {"query": CAT, "positive": "scan.pdf#page=1"},
        {"query": DOG, "positive": "dog.png"},
        {"query": "query passage", "positive": "fax.tif#page=2"},
    ]
    source, output = tmp_path / "rows.jsonl", tmp_path / "metrics.json"
    source.write_text("".join(json.dumps(row) + "\n" for row in named))
    places = ("--data", source, "--image-root", scans)
    with pytest.warns(Notice) as told:
        measured = ended(monkeypatch, capsys, "evaluate", folder, *places, "--output", output)
    assert measured.status == 0, measured.err
    assert "positives: 3 text" in measured.out
    messages = [str(warning.message) for warning in told]
    assert any(message.startswith("reading 3 pages by OCR with stand-in 1: roughly 1 min") for message in messages)
    assert "3 pages that rows name or hold are read by OCR (ocr auto)" in messages
    assert reader.read_count == 4, "each once, and the one that is upside down a second time"
    refused = ended(monkeypatch, capsys, "evaluate", folder, *places, "--ocr", "off")
    assert refused.status == 2 and "page 1 has no legible text; let OCR read them (--ocr auto" in refused.err
    source.write_text(json.dumps({"query": CAT, "positive": "scan.pdf#page=3"}) + "\n")
    refused = ended(monkeypatch, capsys, "evaluate", folder, *places)
    assert refused.status == 2 and "scan.pdf#page=3 has no legible text; OCR found nothing" in refused.err


def test_explain_shows_heat_where_the_words_are_printed(
    folder: Path,
    scans: Path,
    reader: type[StandIn],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    query = ("explain", folder, "--query", "cat", "--document")
    output = tmp_path / "map.html"
    shown = ended(monkeypatch, capsys, *query, scans / "scan.pdf#page=1", "--output", output)
    assert shown.status == 0, shown.err
    assert "tokens of the query have their best match on an image" in shown.out
    page = output.read_text()
    assert 'class="stage"' in page and "red" in page, "the picture with heat, and the words with colour"
    shown = ended(monkeypatch, capsys, *query, f"{scans}/scan.pdf#page=2&chunk=3", "--output", tmp_path / "map.png")
    assert shown.status == 0 and (tmp_path / "map.png").exists(), shown.err
    assert ended(monkeypatch, capsys, *query, scans / "dog.png").status == 0
    assert ended(monkeypatch, capsys, *query, scans / "fax.tif#page=2").status == 0
    for name, options, message in [
        ("scan.pdf#page=3", (), "this page has no legible text; OCR found nothing on them"),
        ("scan.pdf#page=1", ("--ocr", "off"), "this page has no legible text; let OCR read them"),
        ("fax.tif#page=3", (), "the file has 2 pages, counted from 1"),
        ("fax.tif", (), "holds 2 pages, and explain shows one; write"),
        ("cat.png#chunk=2", (), "cat.png#chunk=2: no such file"),
    ]:
        refused = ended(monkeypatch, capsys, *query, scans / name, *options)
        assert refused.status == 2 and message in refused.err, refused.err
    refused = ended(monkeypatch, capsys, *query, "some words", "--ocr", "all")
    assert refused.status == 2 and "--ocr all: is for pages that a model reads as text" in refused.err
    for command in (("explain", "no-such-model", "--query", "cat", "--document", scans / "dog.png"),
                    ("search", "no-such-model", "--query", "cat", "--documents", scans)):  # fmt: skip
        refused = ended(monkeypatch, capsys, *command, "--ocr", "all")
        assert refused.status == 2 and "no-such-model" in refused.err and "reads images" not in refused.err


def test_each_token_lies_on_its_word(folder: Path, tmp_path: Path) -> None:
    """Of a page that lies upside down, and of a part of its text."""
    from smart_train.data.formats.ocr import read_by_ocr

    picture(0).rotate(180).save(tmp_path / "page.png")
    (page,) = read_by_ocr([tmp_path / "page.png"], engine=engine(PAGES), workers=1, cache_dir=tmp_path / "cache")
    model = SmartModel.from_pretrained(str(folder), device="cpu")
    found = on_picture(explain(model, "cat", page.text.partition("\n")[2]), page, tmp_path / "page.png")
    boxes = [(token.label, token.box) for token in found.document_prompt if token.box is not None]
    assert boxes == [(word.text, word.box) for word in page.words[-4:]]
    assert [label for label, _ in boxes] == ["a", "dog", "red", "page"]
    assert {token.name for token in found.document_tokens} >= {"'dog'", "'page'"}
    (image,) = found.document.images
    assert np.asarray(image)[30, 30].tolist() == [0, 0, 0], "shown upright"
