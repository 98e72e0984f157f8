"""What a section of a report is made of."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from rich.table import Table as ConsoleTable

from smart_train.errors import DataError
from smart_train.report.text import shown

_DPI = 150
_QUALITY = 88  # of JPEG: print stays readable


class Block(Protocol):
    """Anything that can be put into a section."""

    def html(self) -> Markup:
        """Its HTML. Whoever makes it has escaped what is not its own."""
        ...


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of plain text. `note`: in grey, for what is beside the point."""

    text: str
    note: bool = False

    def html(self) -> Markup:
        return Markup("<p{}>{}</p>").format(Markup(' class="note"') if self.note else "", shown(self.text))


@dataclass(frozen=True)
class Facts:
    """What it is, and its value, one pair a row."""

    rows: Sequence[tuple[str, str]]

    def html(self) -> Markup:
        rows = [Markup("<dt>{}</dt><dd>{}</dd>").format(shown(label), shown(value)) for label, value in self.rows]
        return Markup('<dl class="facts">{}</dl>').format(Markup("").join(rows))


@dataclass(frozen=True)
class Code:
    """Lines as they are, in letters of one width; they scroll within the page where they are wider."""

    text: str

    def html(self) -> Markup:
        return Markup('<pre class="scroll" tabindex="0">{}</pre>').format(shown(self.text))


@dataclass(frozen=True)
class Table:
    """A table, which scrolls within the page where it is wider.

    Args:
        columns: their headings.
        rows: as many cells each as there are columns.
        left: how many of the first columns hold words; the others hold numbers, set to the right.
        marked: places of rows to set in bold.

    Raises:
        DataError: a row of another length.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    left: int = 1
    marked: frozenset[int] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise DataError(f"report table: a row has {len(row)} cells and the table {len(self.columns)} columns")

    @classmethod
    def of_console(cls, table: ConsoleTable) -> Table:
        """A table that was made for the console: its plain cells, title and caption. Columns that are set to the right
        there hold numbers."""
        words = [column.justify != "right" for column in table.columns]
        rows = list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))
        caption = ". ".join(str(text) for text in (table.title, table.caption) if text)
        headings = [str(column.header) for column in table.columns]
        return cls(headings, rows, caption, left=words.index(False) if False in words else len(words))

    def html(self) -> Markup:
        caption = Markup("<caption>{}</caption>").format(shown(self.caption)) if self.caption else ""
        head = self._row("th", self.columns)
        body = [self._row("td", row, place in self.marked) for place, row in enumerate(self.rows)]
        # What scrolls can be reached by the keyboard.
        return Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="table">'
            "<table>{}<thead>{}</thead><tbody>{}</tbody></table></div>"
        ).format(caption, head, Markup("").join(body))

    def _row(self, tag: str, cells: Sequence[str], marked: bool = False) -> Markup:
        opens = f'{tag} scope="col"' if tag == "th" else tag
        made = [
            Markup(f'<{opens} class="{"word" if place < self.left else "number"}">{{}}</{tag}>').format(shown(cell))
            for place, cell in enumerate(cells)
        ]
        return Markup("<tr{}>{}</tr>").format(Markup(' class="marked"') if marked else "", Markup("").join(made))


@dataclass(frozen=True)
class Picture:
    """An image inside the page.

    Args:
        content: of a PNG or JPEG file.
        alt: what it shows, for those who do not see it.
        caption: below it; empty for none.
    """

    content: bytes
    alt: str
    caption: str = ""

    @classmethod
    def of_file(cls, path: str | Path, alt: str, caption: str = "") -> Picture:
        """A PNG or JPEG file. Raises DataError where it cannot be read."""
        try:
            return cls(Path(path).read_bytes(), alt, caption)
        except OSError as error:
            raise DataError(f"report picture {path}: cannot be read ({error.strerror})") from error

    @classmethod
    def of_figure(cls, figure: Figure, alt: str, caption: str = "") -> Picture:
        """A matplotlib figure, drawn without a window."""
        drawn = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(drawn, dpi=_DPI, format="png")
        return cls(drawn.getvalue(), alt, caption)

    @classmethod
    def of_image(cls, image: Image.Image, alt: str, caption: str = "") -> Picture:
        """A Pillow image: PNG where it has transparency, else JPEG."""
        encoded = io.BytesIO()
        if image.mode == "RGBA":
            image.save(encoded, "PNG", optimize=True)
        else:
            image.convert("RGB").save(encoded, "JPEG", quality=_QUALITY)
        return cls(encoded.getvalue(), alt, caption)

    @property
    def address(self) -> str:
        """A `data:` URI, safe inside an attribute: it holds letters, digits and `+/=;:,` only."""
        kind = "png" if self.content.startswith(b"\x89PNG") else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode()}"

    def html(self) -> Markup:
        caption = Markup("<figcaption>{}</figcaption>").format(shown(self.caption)) if self.caption else ""
        return Markup('<figure><img alt="{}" src="{}">{}</figure>').format(shown(self.alt), self.address, caption)


@dataclass(frozen=True)
class Gallery:
    """Blocks beside each other where the page is wide enough, else below each other, under one line of text."""

    blocks: Sequence[Block]
    heading: str = ""

    def html(self) -> Markup:
        heading = Markup("<h3>{}</h3>").format(shown(self.heading)) if self.heading else ""
        cells = [Markup("<div>{}</div>").format(block.html()) for block in self.blocks]
        return Markup('{}<div class="gallery">{}</div>').format(heading, Markup("").join(cells))
