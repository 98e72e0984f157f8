"""A report as one HTML file: no script, no network, nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from smart_train.errors import DataError
from smart_train.report.blocks import Block
from smart_train.report.text import shown
from smart_train.utils.atomic import write_text

REPORT_FILE = "report.html"
MADE_BY = "smart_train.report"  # at the head of what is written, by which it is known again
_HEAD = 1000  # bytes


@dataclass(frozen=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A page. `lead`: the one sentence that a reader needs."""

    title: str
    sections: Sequence[Section]
    lead: str = ""


def render_report(report: Report) -> str:
    """The page as HTML. With more than one section it begins with links to them."""
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("smart_train.report").joinpath("page.html.j2").read_text("utf-8")
    )
    template.globals["shown"] = shown
    return template.render(report=report, made_by=MADE_BY)


def check_replaceable(option: str, path: Path) -> None:
    """Raises DataError where a page or picture may not be written to `path`, which `option` gave: it is a folder, or a
    file that this package did not make, such as the page that is to be explained."""
    if path.is_dir():
        raise DataError(f"{option} {path}: is a folder; name a file in it")
    if path.is_file() and MADE_BY.encode() not in path.read_bytes()[:_HEAD]:
        raise DataError(f"{option} {path}: exists and was not written by smart-train; name another file")


def write_report(report: Report, path: str | Path) -> Path:
    """Writes the page, whole or not at all. Raises WriteError where the place cannot be written to."""
    return write_text(path, render_report(report))
