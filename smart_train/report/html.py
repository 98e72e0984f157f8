"""A report as one HTML file: no script, no network, nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

from smart_train.report.blocks import Block
from smart_train.report.text import shown
from smart_train.utils.atomic import write_text

REPORT_FILE = "report.html"


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
    return template.render(report=report)


def write_report(report: Report, path: str | Path) -> Path:
    """Writes the page, whole or not at all. Raises WriteError where the place cannot be written to."""
    return write_text(path, render_report(report))
