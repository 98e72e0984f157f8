"""Small manuals with headings, captions, bookmarks, a table of contents and an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.pairs import specific
from smart_train.pairs.candidates import Kind
from smart_train.pairs.specific import PageWords
from smart_train.utils.defaults import PAIRS
from tests.pdf_files import make_pdf, words

pytest.importorskip("pypdfium2")

SUBJECTS = ("granite", "basalt", "marble")


def write_manual(path: Path, name: str) -> None:
    """A table of contents; a page each on three subjects; an index, whose printed numbers start after the contents.

    Each of the three has a running head, a heading in large print with a bookmark, a caption, an index entry, a telling
    sentence, and words of its own.
    """
    told = ("{number} Polishing {name} {subject}", "Cutting the {name} {subject} slab", "Words on {subject}-{name}")
    parts = list(enumerate(SUBJECTS, start=1))
    contents = ["Contents"]
    for number, subject in parts:
        contents += [f"{form.format(name=name, subject=subject, number=number)} . . . . . {number}" for form in told]
    body = [
        [
            f"Manual of {name} {number}",
            (16, f"{number} Polishing {name} {subject}"),
            f"Worn {subject} in {name} takes oil. The {name} {subject} needs two coats of linseed varnish.",
            *words(f"{name} {subject}", lines=6),
            f"words on {subject}-{name} stand here",
            f"Figure {number}: Cutting the {name} {subject} slab by hand",
        ]
        for number, subject in parts
    ]
    terms = [f"{subject}-{name} . . . . . . . {number}" for number, subject in parts]
    terms += [f"{line.split()[0]}, {number}, 9" for number, page in enumerate(body, start=1) for line in page[3:6]]
    index = ["Index", *sorted(terms)]
    outline = [(f"{number}. Polishing {name} {subject}", number) for number, subject in parts]
    path.parent.mkdir(parents=True, exist_ok=True)
    make_pdf(path, [contents, *body, index], [*outline, ("Index", 4)])


@pytest.fixture
def manuals(tmp_path: Path) -> Path:
    """Three manuals, one of them a level down."""
    for name in ("alpha", "beta", "sub/gamma"):
        write_manual(tmp_path / "pdf" / f"{name}.pdf", name.rpartition("/")[2])
    return tmp_path / "pdf"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept in the user's own cache."""
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def any_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are asked for however unlikely they are worth it: pages of a test have few words, and so little speaks for
    theirs. A bound that a test gives holds."""
    chosen = specific._queries_of_page

    def lenient(index: PageWords, place: int, limit: int, least: float) -> list[tuple[Kind, str]]:
        return chosen(index, place, limit, 0.0 if least == PAIRS.least_chance else least)

    monkeypatch.setattr(specific, "_queries_of_page", lenient)


@pytest.fixture(autouse=True)
def no_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed, whether it is or not; tests name a stand-in."""
    monkeypatch.setattr("smart_train.data.formats.ocr_engine.ocr_is_installed", lambda: False)


@pytest.fixture(autouse=True)
def no_office(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where LibreOffice is not installed, whether it is or not; tests put a stand-in on the PATH."""
    monkeypatch.setattr("smart_train.data.formats.office._PROGRAMS", ("stand-in-soffice",))
