"""Pages that draw letters and marks of any script where a test wants them."""

from __future__ import annotations

from pathlib import Path

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import open_pdf

# Drawn with Helvetica, whose glyphs a table of the file names otherwise: letters for letters, accents for marks.
# At 10 points n, o, u, e and a are 5.56 wide and s is 5.00; an acute or a dieresis is 3.33 wide and drawn over a
# small letter, a cedilla below it.
ACUTE, DIERESIS, CEDILLA = "\xb4", "\xa8", "\xb8"


def page_of(path: Path, named: dict[str, str], content: str, *, encoding: str = "/WinAnsiEncoding") -> list[str]:
    """The lines of a page; `named`: what each glyph stands for."""
    names = "".join(f"<{ord(code):02x}><{text.encode('utf-16-be').hex()}>\n" for code, text in named.items())
    table = f"1 begincodespacerange <00><ff> endcodespacerange\n{len(named)} beginbfchar\n{names}endbfchar"
    streams = [f"BT /F1 10 Tf {content} ET", table]
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Resources<</Font<</F1 4 0 R>>>>>>",
        f"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding{encoding}/ToUnicode 6 0 R>>",
        *(f"<</Length {len(stream)}>>stream\n{stream}\nendstream" for stream in streams),
    ]
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(bodies, 1))
    path.write_bytes(f"%PDF-1.5\n{body}trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\n%%EOF\n".encode("latin-1"))
    with open_pdf(path, path.read_bytes()) as pdf:
        return [line.text for line in read_page_text(pdf, 0, layers=False).lines]


def at(x: float, text: str, y: float = 700) -> str:
    """What draws a text with the pen at a place."""
    return f"1 0 0 1 {x} {y} Tm ({text}) Tj "
