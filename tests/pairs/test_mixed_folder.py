"""A folder with documents of many kinds: what LibreOffice makes PDF files of is read, and every file is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smart_train.errors import DataError
from smart_train.pairs import PairReport, PairSettings, make_pairs
from tests.command import call
from tests.data.ocr_stand_in import engine, rows, write_scan
from tests.data.office_stand_in import calls, install
from tests.pdf_files import make_pdf, words

SETTINGS = PairSettings(dpi=40, on_error="skip")


@pytest.fixture
def soffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return program


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two PDF files that can be used, two that cannot, two scans, seven documents of other kinds, and what has none."""
    folder = tmp_path / "mixed"
    (folder / "sub dir").mkdir(parents=True)
    for name in ("alpha", "beta"):
        own = [f"Worn {name} bearings take oil twice a year. Nothing else does.", *words(name)]
        make_pdf(folder / f"{name}.pdf", [own, ["7"]], [])
    (folder / "broken.pdf").write_text("no PDF")
    (folder / "copy.pdf").write_bytes((folder / "alpha.pdf").read_bytes())
    write_scan(folder / "scan.pdf", [0, 1])
    write_scan(folder / "sub dir" / "cyrillic.pdf", [2])
    for name in ("letter.docx", "-slides.pptx", "sub dir/table of costs.xlsx", "page.html", "NOTES.MD"):
        (folder / name).write_text(f"The {Path(name).stem.strip('-')} tells how hinges are greased. Read on.")
    (folder / "crash.docx").write_text("CRASH now")
    (folder / "torn.epub").write_bytes(b"PK torn")
    for name in ("photo.heic", "film.mp4", "rows.jsonl", "old.zip", "readme.txt", "strange.xyz", ".hidden.docx"):
        (folder / name).touch()
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    return folder


def visible(folder: Path) -> int:
    return sum((path.is_file() or path.is_symlink()) and not path.name.startswith(".") for path in folder.rglob("*"))


def accounted(report: PairReport, folder: Path) -> bool:
    """Whether files and pages add up to what is there."""
    asked = sum(part["pages"] for part in report.counts.values())
    pages = sum(int(row["pages"]) for row in report.documents)
    return sum(report.files.values()) == visible(folder) and asked + sum(report.left_out.values()) == pages


READER = engine(
    [
        rows(["Worn marble floors need linseed wax in autumn. Really.", *words("one")]),
        rows(["Broken slate roofs want copper nails before winter. Really.", *words("two")]),
        [("-oo , k oo", (0.1, 0.1 + 0.03 * n, 0.9, 0.115 + 0.03 * n)) for n in range(5)],
    ]
)


def test_every_file_is_read_or_named_and_counts_add_up(mixed: Path, tmp_path: Path, soffice: Path) -> None:
    report = make_pairs(mixed, tmp_path / "made", SETTINGS, ocr_engine=READER, show_progress_bar=False)
    assert accounted(report, mixed)
    assert report.files == {
        "PDF files read": 3,
        "PDF files that cannot be used": 3,
        "office, web and book files converted and read": 5,
        "office, web and book files that cannot be used": 2,
        "pictures": 1,
        "videos, which have no pages": 1,
        "files of rows, which recipes read as they are": 1,
        "packed files": 1,
        "documents of other types": 1,
        "files of types that are not known here": 1,
        "links to nothing": 1,
    }
    to_do = "put such files into PDF files, for example with img2pdf; OCR reads these"
    assert f"1 picture: {to_do} (photo.heic)" in report.beside
    assert "1 link to nothing: remove such links, or mend them (gone.png)" in report.beside
    assert len(report.problems) == 5 and report.read_by_ocr == 2
    for name in ("broken.pdf", "copy.pdf", "cyrillic.pdf", "crash.docx: LibreOffice", "torn.epub: is not an EPUB"):
        assert any(name in problem for problem in report.problems)
    by_name = {row["document"]: row for row in report.documents}
    assert by_name["sub dir/table of costs.xlsx"]["queries"] and by_name["NOTES.MD"]["queries"]
    assert (tmp_path / "made" / "pages" / "-slides.pptx" / "page-00001.png").is_file()
    card = (tmp_path / "made" / "README.md").read_text()
    assert "\n# Queries and pages of 3 PDF files and 5 office, web and book files\n" in card
    called = len(calls(soffice))
    again = make_pairs(mixed, tmp_path / "made", SETTINGS, ocr_engine=READER, show_progress_bar=False)
    assert again.again and again.files == report.files
    assert len(calls(soffice)) == called + 1, "only what failed is tried again"


def test_without_libreoffice_they_are_named_with_what_to_install(mixed: Path, tmp_path: Path) -> None:
    report = make_pairs(mixed, tmp_path / "made", SETTINGS, show_progress_bar=False)
    assert accounted(report, mixed) and report.files["office, web and book files"] == 7
    wanted = "7 office, web and book files: install LibreOffice, whose program soffice is not on the PATH"
    assert any(line.startswith(wanted) and "(-slides.pptx, NOTES.MD," in line for line in report.beside)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.docx").write_text("text")
    with pytest.raises(DataError, match=r"holds no PDF file .*; not read:\n  1 office, web or book file: install Lib"):
        make_pairs(tmp_path / "letters", tmp_path / "none", SETTINGS)


def test_they_can_be_left_out(mixed: Path, tmp_path: Path, soffice: Path) -> None:
    report = make_pairs(mixed, tmp_path / "made", replace(SETTINGS, office="off"), show_progress_bar=False)
    assert accounted(report, mixed) and not calls(soffice)
    assert any("let LibreOffice convert such files (office auto, --office auto)" in line for line in report.beside)


def test_the_command_stops_at_documents_that_cannot_be_converted(
    mixed: Path, tmp_path: Path, soffice: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "make-pairs", mixed, "--output", tmp_path / "made", "--dpi", 40) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "crash.docx: LibreOffice" in told and "ended with status 77: Fatal: out of luck" in told
    assert not (tmp_path / "made").exists()
