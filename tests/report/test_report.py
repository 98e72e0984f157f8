"""A report is one file that needs nothing beside it, and anybody's text in it is text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image
from rich.table import Table as ConsoleTable

from smart_train.errors import DataError, WriteError
from smart_train.report import (
    Code,
    Facts,
    Gallery,
    Paragraph,
    Picture,
    Report,
    Section,
    Table,
    render_report,
    write_report,
)
from smart_train.report.html import check_replaceable
from smart_train.report.text import shown
from tests.browser import scripted

HOSTILE = "</td></title><script>alert(1)</script> \" onerror='x' &amp; \u202e\x1b[1m\ud800 {{ 1 }}"


class Attributes(HTMLParser):
    """The names of all attributes, as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


def hostile_report() -> Report:
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot([0, 1])
    blocks = [
        Paragraph(HOSTILE),
        Paragraph(HOSTILE, note=True),
        Facts([(HOSTILE, HOSTILE)]),
        Code(HOSTILE),
        Table((HOSTILE, "value"), [(HOSTILE, "1.0"), ("b", "2.0")], caption=HOSTILE, marked=frozenset({1})),
        Gallery([Picture.of_figure(figure, HOSTILE, HOSTILE)], HOSTILE),
        Picture.of_image(Image.new("RGB", (8, 8)), HOSTILE),
        Picture.of_image(Image.new("RGBA", (8, 8)), HOSTILE),
    ]
    return Report(HOSTILE, [Section(HOSTILE, blocks), Section("second", [])], lead=HOSTILE)


def test_anybodys_text_is_text() -> None:
    text = render_report(hostile_report())
    assert "<script" not in text and "\u202e" not in text and "\x1b" not in text
    text.encode("utf-8")  # no half of a character is left
    escaped = str(shown(HOSTILE))
    assert (
        escaped.startswith("&lt;/td&gt;&lt;/title&gt;&lt;script&gt;") and "\\ud800" in escaped and "{{ 1 }}" in escaped
    )
    # Title (twice), lead, link, heading, paragraphs, facts, code, table (three places), gallery, what pictures say.
    assert text.count(escaped) == 2 + 1 + 1 + 1 + 2 + 2 + 1 + 3 + 1 + 2 + 2
    seen = Attributes()
    seen.feed(text)
    assert {"alt", "class", "src"} <= seen.names and not [name for name in seen.names if name.startswith("on")]


def test_nothing_is_fetched() -> None:
    text = render_report(hostile_report())
    fetched = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(fetched) == 3 + 2
    assert all(re.match(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+$|#section-\d+$", address) for address in fetched)
    assert "http" not in text.replace("viewport", "")


def test_a_table_keeps_its_shape() -> None:
    html = Table(("score", "value", "p"), [("late", "0.9", "0.01")], marked=frozenset({0}), left=1).html()
    assert html.count('class="number"') == 4 and html.count('class="word"') == 2 and '<tr class="marked">' in html
    with pytest.raises(DataError, match="a row has 1 cells and the table 2 columns"):
        Table(("a", "b"), [("one",)])


def test_anything_with_html_is_a_block() -> None:
    class Own:
        def html(self) -> Markup:
            return Markup("<hr>")

    assert "<hr>" in render_report(Report("t", [Section("s", [Own()])]))


def test_one_section_needs_no_links_and_no_lead() -> None:
    text = render_report(Report("t", [Section("s", [Paragraph("p")])]))
    assert "<nav" not in text and 'class="lead"' not in text and "<p>p</p>" in text


def test_it_is_written_whole_or_refused(tmp_path: Path) -> None:
    written = write_report(Report("t", []), tmp_path / "sub" / "report.html")
    assert written.read_text(encoding="utf-8").startswith("<!doctype html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        write_report(Report("t", []), tmp_path / "file" / "report.html")


def test_a_picture_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"report picture .*no.png: cannot be read \(No such file or directory\)"):
        Picture.of_file(tmp_path / "no.png", "plot")


@pytest.mark.slow
def test_a_browser_shows_it_wide_and_narrow(tmp_path: Path) -> None:
    """However wide a table and long a word, the page is as wide as the window, and no script of the data runs."""
    long = "w" * 400
    wide = Table([long] * 8, [[long] * 8], caption=long)
    sections = [*hostile_report().sections, Section(long, [Paragraph(long), Facts([(long, long)]), Code(long), wide])]
    page = write_report(Report(long, sections, long), tmp_path / "report.html")
    question = (
        "[document.documentElement.scrollWidth <= innerWidth, document.querySelectorAll('script').length].join(' ')"
    )
    for width in (1200, 500):
        assert scripted(page, question, tmp_path, width) == "true 1"  # the one script is the question's


def test_what_was_not_made_here_is_not_replaced(tmp_path: Path) -> None:
    page = write_report(Report("t", []), tmp_path / "report.html")
    check_replaceable("--report", page)
    check_replaceable("--report", tmp_path / "new.html")
    with pytest.raises(DataError, match="--report .*: is a folder; name a file in it"):
        check_replaceable("--report", tmp_path)
    (tmp_path / "mine.html").write_text("<html>mine")
    with pytest.raises(DataError, match="exists and was not written by smart-train; name another file"):
        check_replaceable("--report", tmp_path / "mine.html")


def test_a_table_of_the_console_keeps_its_cells_and_which_hold_words() -> None:
    console = ConsoleTable(title="a title", caption="a caption")
    console.add_column("task")
    console.add_column("value", justify="right")
    console.add_row("one", "1.0")
    made = Table.of_console(console)
    assert (made.columns, made.rows) == (["task", "value"], [("one", "1.0")])
    assert (made.left, made.caption) == (1, "a title. a caption")
    assert Table.of_console(ConsoleTable("only", "words")).left == 2
