"""Documents of office programs, web pages and books as PDF files: converted by LibreOffice once, kept by content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from smart_train.data.formats.epub import write_chapters
from smart_train.data.formats.office_content import OfficeError, check_content, has_known_encoding
from smart_train.data.formats.pdf import join_pdfs, page_cache
from smart_train.utils.atomic import naming_refusals, replace_whole

OFFICE_EXTENSIONS = (
    (".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".odp", ".xls", ".xlsx", ".ods")
    + (".html", ".htm", ".xhtml", ".md", ".epub")
)  # fmt: skip
_PROGRAMS = ("soffice", "libreoffice")
_WEB, _MARKDOWN = (".html", ".htm", ".xhtml", ".epub"), (".md",)
# Their pictures lie beside them, so they are read in their place; the others under a plain name, whatever theirs is.
_IN_PLACE = (".html", ".htm", ".xhtml", ".md")
# What LibreOffice chooses by itself for a web page loses the first paragraph of one that is a page long, and puts a
# blank page before it; of Markdown, it takes what begins with a mark of HTML for that.
_FILTERS = {**dict.fromkeys(_WEB, "HTML (StarWriter)"), **dict.fromkeys(_MARKDOWN, "Text (encoded):UTF8")}
_SECONDS = 300  # for one document
_PREFIX = "smart_train-office-"  # of the temporary folder
_ABANDONED = 12 * _SECONDS  # without a new document, after which nobody uses it any more
_FORMAT = 2  # of what is kept; raise it when the same file would be converted otherwise
# A proxy that is not there: documents are often other people's, and LibreOffice would fetch the pictures that they name
# on the web, or on the servers of a private network.
_NO_NETWORK = {
    "ooInetProxyType": "2",
    "ooInetHTTPProxyName": "127.0.0.1",
    "ooInetHTTPProxyPort": "9",
    "ooInetHTTPSProxyName": "127.0.0.1",
    "ooInetHTTPSProxyPort": "9",
    "ooInetNoProxy": "",
}
_SETTINGS = (
    '<oor:items xmlns:oor="http://openoffice.org/2001/registry">'
    '<item oor:path="/org.openoffice.Inet/Settings">{}</item></oor:items>'
)
_SETTING = '<prop oor:name="{}" oor:op="fuse"><value>{}</value></prop>'


def office_program() -> str | None:
    """The path of LibreOffice's program; None where it is not on the PATH."""
    return next((path for name in _PROGRAMS if (path := shutil.which(name))), None)


class Office:
    """LibreOffice without a window and without the network, with a profile of its own, so that one that is open on the
    screen is not disturbed and does not disturb. A context manager; the profile goes at its end.

    Args:
        program: as `office_program` finds it.
        cache_dir: where PDF files are kept; default: `office-pdf` beside the page cache.
    """

    def __init__(self, program: str, cache_dir: str | Path | None = None) -> None:
        self.program = program
        self._cache = Path(cache_dir) if cache_dir is not None else page_cache().parent / "office-pdf"
        settings = _SETTINGS.format("".join(_SETTING.format(name, value) for name, value in _NO_NETWORK.items()))
        _clear_abandoned()
        with naming_refusals(Path(tempfile.gettempdir())):
            self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
            self._profile = Path(self._folder.name, "profile")
            (self._profile / "user").mkdir(parents=True)
            (self._profile / "user" / "registrymodifications.xcu").write_text(settings, encoding="utf-8")

    def __enter__(self) -> Office:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def pdf_of(self, file: Path) -> Path:
        """The document as a PDF file, converted now unless the cache holds it. It is found by the content of `file`
        alone: a web page whose pictures change is not converted again.

        Raises:
            OfficeError: it cannot be read or converted, is not what its name says, is protected by a password, or takes
                longer than five minutes.
            WriteError: the cache cannot be written.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise OfficeError(f"{file}: cannot be read ({error.strerror})") from error
        digest = hashlib.sha256(content).hexdigest()[:40]
        cached = self._cache / f"{digest}-{file.suffix.lower()[1:]}-{_FORMAT}.pdf"
        os.utime(self._folder.name)  # in use: `_clear_abandoned` of another process goes by it
        if not cached.is_file():
            with tempfile.TemporaryDirectory(dir=self._folder.name) as scratch, naming_refusals(Path(scratch)):
                check_content(file, content)
                made = self._convert(file, content, Path(scratch))
                replace_whole(cached, lambda temporary: shutil.copyfile(made, temporary))
        return cached

    def _convert(self, file: Path, content: bytes, scratch: Path) -> Path:
        suffix = file.suffix.lower()
        if suffix == ".epub":  # LibreOffice writes such books and does not read them
            chapters = write_chapters(file, scratch / "book")
            return join_pdfs(self._run(file, chapters, scratch / "out"), scratch / "whole.pdf")
        source = file.absolute()
        if suffix not in _IN_PLACE:
            source = scratch / f"document{suffix}"
            source.write_bytes(content)
        elif not has_known_encoding(content):
            # As browsers read it. LibreOffice takes it for UTF-8, and letters with accents are lost.
            base = "" if suffix in _MARKDOWN else f'<base href="{source.parent.as_uri()}/">'
            text = base + content.decode("windows-1252", errors="replace")
            source = scratch / f"document{suffix}"
            source.write_text(text, encoding="utf-8-sig")
        return self._run(file, [source], scratch / "out")[0]

    def _run(self, file: Path, sources: Sequence[Path], out: Path) -> list[Path]:
        """The PDF files that the program makes of `sources`, in their order."""
        command = [
            self.program,
            f"-env:UserInstallation={self._profile.as_uri()}",
            "--headless",
            "--norestore",
            *([f"--infilter={_FILTERS[suffix]}"] if (suffix := file.suffix.lower()) in _FILTERS else []),
            "--convert-to",
            "pdf",
            "--outdir",
            str(out),
            *map(str, sources),
        ]
        out.mkdir()
        status, told = _ended(file, command)
        made = [out / f"{source.stem}.pdf" for source in sources]
        missing = sum(not _is_pdf(path) for path in made)
        if status or missing:
            what = f"ended with status {status}" if status else "made no PDF file"
            raise OfficeError(
                f"{file}: LibreOffice ({self.program}) {what}{f': {told}' if told else ''}; open it there to see why, "
                "and export it as PDF"
            )
        return made


def _clear_abandoned() -> None:
    """Removes the temporary folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another process cleared it
            if time.time() - folder.stat().st_mtime > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _ended(file: Path, command: Sequence[str]) -> tuple[int, str]:
    """The exit status of a command, and the last line that it wrote."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the program is a script that starts another one: both are to be ended
        )
    except OSError as error:
        raise OfficeError(
            f"{file}: LibreOffice ({command[0]}) cannot be started ({error.strerror}); install it again"
        ) from error
    try:
        written, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise OfficeError(
            f"{file}: LibreOffice was not done after {_SECONDS} s and was ended; open it there to see why, and export "
            "it as PDF"
        ) from error
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    lines = written.decode(errors="replace").strip().splitlines()
    return process.returncode, lines[-1].strip() if lines else ""


def _is_pdf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(5) == b"%PDF-"
