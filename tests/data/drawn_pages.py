"""Pages that draw letters and marks of any script where a test wants them."""

from __future__ import annotations

from pathlib import Path

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import open_pdf
from smart_train.data.formats.pdf_text_layer import TextLine

# Drawn with Helvetica, whose glyphs a table of the file names otherwise: letters for letters, accents for marks.
# At 10 points n, o, u, e and a are 5.56 wide and s is 5.00; an acute or a dieresis is 3.33 wide and drawn over a
# small letter, a cedilla below it.
ACUTE, DIERESIS, CEDILLA = "\xb4", "\xa8", "\xb8"


def page_of(path: Path, named: dict[str, str], content: str, *, encoding: str = "/WinAnsiEncoding") -> list[str]:
    """The texts of a page's lines; `named`: what each glyph stands for."""
    return [line.text for line in lines_of(path, content, named, encoding=encoding)]


def lines_of(
    path: Path, content: str, named: dict[str, str] | None = None, *, encoding: str = "/WinAnsiEncoding"
) -> tuple[TextLine, ...]:
    """The lines of a page. The font /F1 names its glyphs as `named` says, /F2 is Helvetica-Bold."""
    named = named or {letter: letter for letter in map(chr, range(32, 127))}
    names = "".join(f"<{ord(code):02x}><{text.encode('utf-16-be').hex()}>\n" for code, text in named.items())
    table = f"1 begincodespacerange <00><ff> endcodespacerange\n{len(named)} beginbfchar\n{names}endbfchar"
    streams = [f"BT /F1 10 Tf {content} ET", table]
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Resources<</Font<</F1 4 0 R/F2 7 0 R>>>>>>",
        f"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding{encoding}/ToUnicode 6 0 R>>",
        *(f"<</Length {len(stream)}>>stream\n{stream}\nendstream" for stream in streams),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>",
    ]
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(bodies, 1))
    path.write_bytes(f"%PDF-1.5\n{body}trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\n%%EOF\n".encode("latin-1"))
    with open_pdf(path, path.read_bytes()) as pdf:
        return read_page_text(pdf, 0, layers=False, print_signs=True).lines


def at(x: float, text: str, y: float = 700) -> str:
    """What draws a text with the pen at a place."""
    return f"1 0 0 1 {x} {y} Tm ({text}) Tj "
