"""PDF files for tests, written object by object, and words to fill them with."""

from __future__ import annotations

import random
from pathlib import Path


def make_pdf(path: Path, pages: list[list[str | tuple[int, str]]], bookmarks: list[tuple[str, int]]) -> None:
    """A PDF with a text layer and an outline, written object by object. A line is its text, in 10 points, or its size
    and its text."""
    objects: list[str] = []

    def add(body: str) -> int:
        objects.append(body)
        return len(objects)

    catalog, tree, outline, font = add(""), add(""), add(""), add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    kids = []
    for lines in pages:
        sized = [(10, line) if isinstance(line, str) else line for line in lines]
        escaped = [(n, t.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")) for n, t in sized]
        drawn = " ".join(f"/F1 {size} Tf {size * 1.2:g} TL T* ({line}) Tj" for size, line in escaped)
        text = f"BT 40 760 Td {drawn} ET"
        stream = add(f"<</Length {len(text)}>>stream\n{text}\nendstream")
        resources = f"<</Font<</F1 {font} 0 R>>>>"
        kids.append(
            add(f"<</Type/Page/Parent {tree} 0 R/MediaBox[0 0 612 792]/Contents {stream} 0 R/Resources{resources}>>")
        )
    items = [add("") for _ in bookmarks]
    for index, (title, page) in enumerate(bookmarks):
        following = f"/Next {items[index + 1]} 0 R" if index + 1 < len(items) else ""
        destination = f"/Dest[{kids[page]} 0 R/Fit]"
        objects[items[index] - 1] = f"<</Title({title})/Parent {outline} 0 R{destination}{following}>>"
    objects[catalog - 1] = f"<</Type/Catalog/Pages {tree} 0 R/Outlines {outline} 0 R>>"
    objects[tree - 1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{kid} 0 R' for kid in kids)}]>>"
    ends = f"/First {items[0]} 0 R/Last {items[-1]} 0 R" if items else ""
    objects[outline - 1] = f"<</Type/Outlines/Count {len(items)}{ends}>>"
    content, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(content)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    content += f"trailer<</Size {len(objects) + 1}/Root {catalog} 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(content)


def words(seed: str, lines: int = 12) -> list[str]:
    """Lines of invented words, different for every seed."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [" ".join("".join(rng.choices(letters, k=6)) for _ in range(9)) for _ in range(lines)]


def locked_pdf(path: Path) -> None:
    """A file that asks for a password: its check value fits none."""
    content = (
        b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count 0/Kids[]>>\nendobj\n"
    )
    content += b"3 0 obj\n<</Filter/Standard/V 1/R 2/P -4/O<" + b"00" * 32 + b">/U<" + b"11" * 32 + b">>>\nendobj\n"
    start = len(content)
    table = "".join(f"{content.index(f'{number} 0 obj'.encode()):010d} 00000 n \n" for number in (1, 2, 3))
    content += f"xref\n0 4\n0000000000 65535 f \n{table}".encode()
    ids = "<" + "22" * 16 + ">"
    content += f"trailer<</Size 4/Root 1 0 R/Encrypt 3 0 R/ID[{ids}{ids}]>>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(content)
