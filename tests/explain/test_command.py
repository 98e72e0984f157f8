"""`smart-train explain`: what it prints and writes, and what it says of a document that it cannot explain."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from smart_train import SmartModel
from tests.command import ended
from tests.explain.test_explanation import page
from tests.models.conftest import TINY
from tests.models.text_folders import encoder_folder
from tests.pdf_files import make_pdf

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    SmartModel.from_config(TINY, init_std=0.05, prompts={"max_pixels": 64 * 32 * 32}).save_pretrained(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls `smart-train explain ARGUMENTS` in this process; its status, output and errors."""

    return partial(ended, monkeypatch, capsys, "explain")


def test_a_page_is_printed_and_written(run: Run, model: Path, tmp_path: Path) -> None:
    shown = tmp_path / "page.png"
    page((160, 96)).save(shown)
    for name in ("map.html", "map.png", "map.html"):  # its own file is written anew
        status, out, err = run(model, "--query", "red", "--document", shown, "--output", tmp_path / name)
        assert status == 0, err
        assert f"Written: {tmp_path / name}" in out
    lines = out.splitlines()
    assert lines[0].startswith("score ") and " x pooled " in lines[0] and " x late " in lines[0]
    assert any(line.strip().startswith("'red' ") for line in lines)
    assert any(line.strip().startswith("pooled vector") for line in lines)
    assert any("of the query have their best match on an image" in line for line in lines)
    assert Image.open(tmp_path / "map.png").width > 500


def test_a_text_is_printed(run: Run, model: Path) -> None:
    status, out, err = run(model, "--query", "red", "--document", "a [bold]red[/bold] word\x1b[31m")
    assert status == 0, err
    assert "\x1b[31m" not in out


def test_a_page_of_a_pdf_file(run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pypdfium2")
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    make_pdf(tmp_path / "two.pdf", [["one"], ["two"]], [])
    status, out, err = run(model, "--query", "red", "--document", f"{tmp_path}/two.pdf#page=2")
    assert status == 0, err
    status, _, err = run(model, "--query", "red", "--document", f"{tmp_path}/two.pdf#page=3")
    assert (status, err.count("two.pdf#page=3: the file has 2 pages, counted from 1")) == (2, 1)
    status, _, err = run(model, "--query", "red", "--document", tmp_path / "two.pdf")
    assert (status, err.count("a PDF file has pages, and explain shows one; write")) == (2, 1)


def test_bad_input_is_told_before_the_model_is_loaded(run: Run, tmp_path: Path) -> None:
    """There is no model at this place; none of these messages is about it."""
    (tmp_path / "notes.txt").write_text("a text")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    page((64, 64)).save(tmp_path / "page.png")
    (tmp_path / "mine.html").write_text("<html>")
    shown = tmp_path / "page.png"
    cases = [
        (["red", "--document", "one", "--document", "two"], "--document: given 2 times; explain shows one document"),
        (["red", "--document", tmp_path / "no.png"], f"--document {tmp_path / 'no.png'}: no such file"),
        (["red", "--document", tmp_path], f"--document {tmp_path}: is a folder; explain shows one document"),
        (["red", "--document", tmp_path / "notes.txt"], "is a file, but not an image (.png, "),
        (["red", "--document", tmp_path / "broken.mp4"], "is a video; pages and texts can be explained, videos cannot"),
        (["red", "--document", "  "], "--document: is empty; give a text or an image"),
        ([" ", "--document", "red"], "--query: is empty"),
        (["red", "--document", "red", "--output", tmp_path / "map.png"], "this document is text; name an .html file"),
        (["red", "--document", shown, "--output", tmp_path / "map.pdf"], "must end in .html or .png"),
        (["red", "--document", shown, "--output", tmp_path / "mine.html"], "exists and was not written by smart-train"),
        (
            ["red", "--document", shown, "--output", tmp_path / "notes.txt" / "a.html"],
            "notes.txt is a file; name a place",
        ),
        (["red", "--document", shown, "--output", shown], "exists and was not written by smart-train"),
    ]
    (tmp_path / "no-model").mkdir()
    (tmp_path / "no-model" / "config.json").write_text("{}")  # what looks like a model from outside
    for (query, *arguments), message in cases:
        status, out, err = run(tmp_path / "no-model", "--query", query, *arguments)
        assert (status, out) == (2, ""), (arguments, out)
        assert message in err and "no-model" not in err, err
    assert (tmp_path / "mine.html").read_text() == "<html>"


def test_an_unreadable_page_is_told(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"no picture")
    status, _, err = run(model, "--query", "red", "--document", tmp_path / "page.png")
    assert status == 2
    assert err.startswith(f"smart-train: image {tmp_path / 'page.png'}: not an image file that can be decoded")


def test_a_picture_for_a_model_that_reads_text_is_told_by_its_option(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = tmp_path / "reader"
    SmartModel.from_config(encoder_folder(tmp_path / "bare"), init_std=0.5).save_pretrained(reader)
    shown = tmp_path / "page.png"
    page((64, 64)).save(shown)
    monkeypatch.setattr("smart_train.data.formats.ocr_engine.ocr_is_installed", lambda: False)
    status, _, err = run(reader, "--query", shown, "--document", "red")
    assert status == 2
    assert "--query: is an image, and the model reads text alone; give a text, or choose a model that reads" in err
    status, _, err = run(reader, "--query", "red", "--document", shown)
    assert status == 2
    assert "--document: is an image, and the model reads text alone; pip install 'smart_train[ocr]'" in err
    status, _, err = run(reader, "--query", "red", "--document", shown, "--ocr", "off")
    assert status == 2 and "let OCR read them (--ocr auto), or read pages as images" in err


def test_a_model_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    status, _, err = run(tmp_path / "no-model", "--query", "red", "--document", "red")
    assert status == 2 and "no-model" in err
