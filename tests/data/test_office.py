"""Documents that LibreOffice makes PDF files of: called rightly, whatever they are called; kept; each failure named."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest

from smart_train.data.formats import office as module
from smart_train.data.formats.office import Office, OfficeError, office_program
from smart_train.data.formats.office_content import check_content
from smart_train.data.formats.pdf import PdfError
from tests.data.office_stand_in import FIRST, calls, install

pypdfium2 = pytest.importorskip("pypdfium2")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return install(tmp_path / "bin")


@pytest.fixture
def office(tmp_path: Path, program: Path) -> Iterator[Office]:
    with Office(str(program), cache_dir=tmp_path / "cache") as office:
        yield office


def text(pdf: Path) -> list[str]:
    """The first line of each page."""
    return [page.get_textpage().get_text_range().splitlines()[0] for page in pypdfium2.PdfDocument(pdf)]


def test_the_program_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert office_program() is None
    for name in ("libreoffice", "soffice"):
        install(tmp_path / "bin", name)
        assert office_program() == str(tmp_path / "bin" / name), "soffice is what LibreOffice calls itself"


@pytest.mark.parametrize(
    "name", ["report.docx", "two words.pptx", "-rf.xlsx", "--help.odt", "naïve\n日本.RTF", "a.b.c.doc"]
)
def test_a_document_is_converted_once_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, office: Office, program: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("Worn bearings take oil")
    pdf = office.pdf_of(Path(name))
    assert text(pdf) == ["Worn bearings take oil"]
    Path("copy" + Path(name).suffix).write_text("Worn bearings take oil")
    assert office.pdf_of(Path("copy" + Path(name).suffix)) == pdf
    ((environment, *rest),) = calls(program)
    assert environment.startswith("-env:UserInstallation=file:///") and rest[: len(FIRST)] == FIRST
    assert Path(rest[-1]).name == f"document{Path(name).suffix.lower()}" and len(rest) == len(FIRST) + 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_page_of_the_web_is_read_where_its_pictures_are(tmp_path: Path, office: Office, program: Path) -> None:
    page = tmp_path / "-my page.html"
    page.write_text("<p>Worn valves take oil</p>")
    assert text(office.pdf_of(page)) == ["Worn valves take oil"]
    (called,) = calls(program)
    assert called[-1] == str(page) and called[3] == "--infilter=HTML (StarWriter)"
    (tmp_path / "notes.md").write_text("Gates")
    office.pdf_of(tmp_path / "notes.md")
    assert calls(program)[1][3] == "--infilter=Text (encoded):UTF8"


def test_a_text_without_a_named_encoding_is_read_as_browsers_do(tmp_path: Path, office: Office, program: Path) -> None:
    folder = tmp_path / "my pages"
    folder.mkdir()
    text = "<p>Caf\u00e9 K\u00fcche</p>"
    (folder / "old.html").write_bytes(text.encode("latin-1"))
    (folder / "said.html").write_bytes(("<meta charset=iso-8859-1>" + text).encode("latin-1"))
    (folder / "new.html").write_bytes(text.encode())
    (folder / "old.md").write_bytes("Caf\u00e9".encode("latin-1"))
    names = ["new.html", "old.html", "old.md", "said.html"]
    for name in names:
        office.pdf_of(folder / name)
    read = dict(zip(names, (call[-1] for call in calls(program)), strict=True))
    assert [read[name] for name in ("said.html", "new.html")] == [str(folder / "said.html"), str(folder / "new.html")]
    assert Path(read["old.html"]).name == "document.html" and Path(read["old.md"]).name == "document.md"
    assert sorted(path.name for path in folder.iterdir()) == names, "copies lie elsewhere"


def test_a_copy_of_a_page_finds_the_pictures_beside_it(
    tmp_path: Path, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "my pages" / "old.html"
    page.parent.mkdir()
    page.write_bytes(b"<p>Caf\xe9</p>")
    read: list[str] = []

    def run(_: Office, file: Path, sources: list[Path], out: Path) -> list[Path]:
        read.append(sources[0].read_text(encoding="utf-8-sig"))
        raise OfficeError(f"{file}: enough")

    monkeypatch.setattr(Office, "_run", run)
    with pytest.raises(OfficeError, match="enough"):
        office.pdf_of(page)
    assert read == [f'<base href="{tmp_path.as_uri()}/my%20pages/"><p>Caf\u00e9</p>']


def test_documents_reach_no_network(tmp_path: Path, office: Office, program: Path) -> None:
    (tmp_path / "a.docx").write_text("Worn bearings take oil")
    office.pdf_of(tmp_path / "a.docx")
    profile = Path(calls(program)[0][0].removeprefix("-env:UserInstallation=file://"))
    assert (profile / "used").is_file(), "the profile that the program starts with is the one that was written"
    settings = ElementTree.parse(profile / "user" / "registrymodifications.xcu").getroot()
    values = {prop.attrib["{http://openoffice.org/2001/registry}name"]: prop[0].text for prop in settings.iter("prop")}
    assert values["ooInetProxyType"] == "2" and values["ooInetHTTPProxyName"] == values["ooInetHTTPSProxyName"]
    assert values["ooInetHTTPProxyName"] == "127.0.0.1" and not values["ooInetNoProxy"]


def test_what_is_not_a_document_is_told_before_the_program_is_asked(
    tmp_path: Path, office: Office, program: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "locked.odt", "w") as packed:
        packed.writestr("META-INF/manifest.xml", "<manifest><encryption-data/></manifest>")
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    (tmp_path / "locked.docx").write_bytes(ole + bytes(600) + "EncryptedPackage".encode("utf-16-le"))
    (tmp_path / "empty.pptx").write_bytes(b" \n")
    (tmp_path / "noise.xls").write_bytes(b"~\x04\xa4\x97" + bytes(range(256)))
    (tmp_path / "noise.html").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    wanted = {
        "locked.odt": "is protected by a password; save a copy without one",
        "locked.docx": "is protected by a password; save a copy without one",
        "empty.pptx": "is empty; put the right file there, or remove it",
        "noise.xls": r"is not a xls file: it begins with b'~\\x04\\xa4\\x97'; put the right file there, or remove it",
        "noise.html": r"is not a html file: it begins with b'\\x89PNG'; put the right file",
    }
    for name, message in wanted.items():
        with pytest.raises(OfficeError, match=rf"{name}: {message}"):
            office.pdf_of(tmp_path / name)
    assert calls(program) == []
    for name, content in {
        "old.doc": ole + bytes(600),
        "rich.doc": b"{\\rtf1 Worn}",
        "table.xls": b"Worn\tvalves\n",
        "older.xls": b"\x09\x04\x06\x00" + bytes(40),
        "wide.xls": "\ufeffWorn".encode("utf-16-le"),
    }.items():
        check_content(tmp_path / name, content)


def test_every_failure_names_the_file_and_what_to_do(tmp_path: Path, office: Office, program: Path) -> None:
    wanted = {
        "CRASH": rf"crash\.docx: LibreOffice \({program}\) ended with status 77: Fatal: out of luck; open it there",
        "SILENT": rf"silent\.docx: LibreOffice \({program}\) made no PDF file; .* export it as PDF$",
        "JUNK": r"junk\.docx: .* made no PDF file: convert .*document\.docx",
    }
    for order, message in wanted.items():
        file = tmp_path / f"{order.lower()}.docx"
        file.write_text(f"{order} now")
        with pytest.raises(OfficeError, match=message):
            office.pdf_of(file)
    with pytest.raises(OfficeError, match=r"none\.docx: cannot be read \(No such file"):
        office.pdf_of(tmp_path / "none.docx")
    program.write_bytes(b"no program")
    with pytest.raises(OfficeError, match=r"silent\.docx: LibreOffice \(.*\) cannot be started \(Exec format error\)"):
        office.pdf_of(tmp_path / "silent.docx")
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())


def test_a_program_that_hangs_is_ended_with_what_it_started(
    tmp_path: Path, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 2)
    started: list[int] = []
    popen = subprocess.Popen

    def remembering(*arguments: object, **options: object) -> object:
        started.append((process := popen(*arguments, **options)).pid)  # type: ignore[call-overload]
        return process

    monkeypatch.setattr(subprocess, "Popen", remembering)
    (tmp_path / "slow.docx").write_text("HANG now")
    with pytest.raises(OfficeError, match=r"slow\.docx: LibreOffice was not done after 2 s and was ended"):
        office.pdf_of(tmp_path / "slow.docx")
    for _ in range(100):  # the kernel takes its time to clear a group away
        try:
            os.killpg(started[0], 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("something of it still runs")


def test_folders_of_killed_processes_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, age in (("smart_train-office-old", 4000), ("smart_train-office-now", 100), ("others", 4000)):
        (tmp_path / name / "profile").mkdir(parents=True)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with Office("soffice", cache_dir=tmp_path / "cache"):
        assert len(list(tmp_path.iterdir())) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["others", "smart_train-office-now"]


@pytest.mark.skipif(office_program() is None, reason="LibreOffice is not installed")
def test_libreoffice_itself_reads_a_web_page_whole_and_fetches_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET = do_OPTIONS

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f'<h1>Caf\u00e9</h1><p>Text</p><img src="http://127.0.0.1:{server.server_port}/a.png">'
        (tmp_path / "two words.html").write_bytes(page.encode("latin-1"))
        program = office_program()
        assert program is not None
        with Office(program, cache_dir=tmp_path / "cache") as office:
            pdf = pypdfium2.PdfDocument(office.pdf_of(tmp_path / "two words.html"))
        server.shutdown()
    assert [page.get_textpage().get_text_range().split() for page in pdf] == [["Caf\u00e9", "Text"]] and not asked


def write_book(path: Path, chapters: dict[str, str], order: list[str]) -> None:
    with zipfile.ZipFile(path, "w") as book:
        container = '<container xmlns="urn:c"><rootfiles><rootfile full-path="in/book.opf"/></rootfiles></container>'
        book.writestr("META-INF/container.xml", container)
        items = "".join(f'<item id="{name}" href="{name}"/>' for name in chapters)
        spine = "".join(f'<itemref idref="{name}"/>' for name in order)
        book.writestr(
            "in/book.opf", f'<package xmlns="urn:o"><manifest>{items}</manifest><spine>{spine}</spine></package>'
        )
        for name, content in chapters.items():
            book.writestr(f"in/{name}", content)


def test_a_book_is_its_chapters_in_the_order_of_its_contents(tmp_path: Path, office: Office, program: Path) -> None:
    chapters = {"a.xhtml": "<p>The end of pumps</p>", "part/b.xhtml": "<p>Pumps begin here</p>"}
    write_book(tmp_path / "book.epub", chapters, ["part/b.xhtml", "a.xhtml"])
    assert text(office.pdf_of(tmp_path / "book.epub")) == ["Pumps begin here", "The end of pumps"]
    (called,) = calls(program)
    assert [Path(source).parent.name for source in called[-2:]] == ["part", "in"], "beside their pictures"


def encryption(algorithm: str) -> str:
    method = f'<enc:EncryptedData><enc:EncryptionMethod Algorithm="{algorithm}"/></enc:EncryptedData>'
    return f'<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#">{method}</encryption>'


def test_a_book_whose_fonts_alone_are_hidden_is_read(tmp_path: Path, office: Office) -> None:
    write_book(tmp_path / "book.epub", {"a.xhtml": "<p>Pumps begin here</p>"}, ["a.xhtml"])
    with zipfile.ZipFile(tmp_path / "book.epub", "a") as book:
        book.writestr("META-INF/encryption.xml", encryption("http://www.idpf.org/2008/embedding"))
    assert text(office.pdf_of(tmp_path / "book.epub")) == ["Pumps begin here"]


def test_books_that_cannot_be_read_are_named(tmp_path: Path, office: Office) -> None:
    (tmp_path / "torn.epub").write_bytes(b"PK torn")
    write_book(tmp_path / "empty.epub", {}, [])
    write_book(tmp_path / "missing.epub", {"a.xhtml": "<p>a</p>"}, ["b.xhtml"])
    with zipfile.ZipFile(tmp_path / "other.epub", "w") as other:
        other.writestr("notes.txt", "no book")
    (tmp_path / "secret.html").write_text("not of the book")
    write_book(tmp_path / "outside.epub", {"../../../secret.html": "x"}, ["../../../secret.html"])
    write_book(tmp_path / "long.epub", {"a" * 300: "<p>a</p>"}, ["a" * 300])
    write_book(tmp_path / "both.epub", {"a": "<p>a</p>", "a/b.xhtml": "<p>b</p>"}, ["a/b.xhtml"])
    protected = {"shop": "rights.xml", "library": "license.lcpl", "encrypted": "encryption.xml"}
    for name, key in protected.items():
        write_book(tmp_path / f"{name}.epub", {"a.xhtml": "<p>a</p>"}, ["a.xhtml"])
        with zipfile.ZipFile(tmp_path / f"{name}.epub", "a") as book:
            book.writestr(f"META-INF/{key}", encryption("http://www.w3.org/2001/04/xmlenc#aes256-cbc"))
    with zipfile.ZipFile(tmp_path / "foreign.epub", "w") as book:
        book.writestr("META-INF/container.xml", '<?xml version="1.0" encoding="none-such"?><container/>')
    wanted = {
        "long": r"is not an EPUB book that can be read \(File name too long\)",
        "both": "is not an EPUB book that can be read",
        **dict.fromkeys(protected, r"is protected by its shop \(DRM\); leave it out"),
        "foreign": "is not an EPUB book",
        "torn": "is not an EPUB book",
        "empty": "has no chapters",
        "missing": "is not an EPUB book",
        "other": "is not an EPUB book",
        "outside": "which is not in it",
    }
    for name, message in wanted.items():
        with pytest.raises(PdfError, match=rf"{name}\.epub: .*{message}"):
            office.pdf_of(tmp_path / f"{name}.epub")
