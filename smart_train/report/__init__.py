"""One HTML file that needs nothing beside it: a title and sections, each a list of typed blocks.

    write_report(Report("My run", [Section("Result", [Table(("score", "value"), [("late", "0.98")])])]), "report.html")

Whoever has something to show adds a section. A block is any object with an `html()`; those here escape all text.
"""

from smart_train.report.blocks import Block, Code, Facts, Gallery, Paragraph, Picture, Table
from smart_train.report.html import Report, Section, render_report, write_report

__all__ = [
    "Block",
    "Code",
    "Facts",
    "Gallery",
    "Paragraph",
    "Picture",
    "Report",
    "Section",
    "Table",
    "render_report",
    "write_report",
]
