"""How many of the words of printed pages OCR reads, measured on pages whose text layer says what they are.

Run:     python -m benchmarks.ocr_recall FILE.pdf ... [--pages 3] [--dpi 144]
Needs:   pip install 'smart_train[pdf,ocr]'; one CPU core and 1 GB of memory, no network; about 10 s a page.
Expect:  a row for each file, as in docs/own-documents.md, section Scans.

Pages are taken at even distances from the file, drawn, and read as if they were scans. A word counts as found as often
as it is in both texts; "in order" counts the words that both texts have in one order.
"""

from __future__ import annotations

import argparse
import difflib
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pypdfium2

from smart_train.data.formats.ocr import read_by_ocr
from smart_train.data.formats.pdf import DPI, open_pdf, read_pdf
from smart_train.pairs.words import clean, words_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="PDF files with a text layer")
    parser.add_argument("--pages", type=int, default=3, help="of each file")
    parser.add_argument("--dpi", type=int, default=DPI)
    chosen = parser.parse_args()
    print("| file | pages | words | found | in order | CPU seconds a page |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        for file in chosen.files:
            print(row(file, chosen.pages, chosen.dpi, Path(cache)), flush=True)


def row(file: Path, count: int, dpi: int, cache: Path) -> str:
    """What is found on `count` pages of a file, as a row of a table."""
    pages = read_pdf(some_pages(file, count, cache / "some.pdf"), dpi=dpi, cache_dir=cache)
    before = time.process_time()
    read = read_by_ocr([page.image for page in pages], workers=1, cache_dir=cache / "read", show_progress_bar=False)
    seconds = (time.process_time() - before) / count
    printed = [words_of(clean(page.text)) for page in pages]
    found = [words_of(clean(page.text)) for page in read]
    words = max(sum(map(len, printed)), 1)
    both = sum(sum((Counter(one) & Counter(other)).values()) for one, other in zip(printed, found, strict=True))
    ordered = sum(in_order(one, other) for one, other in zip(printed, found, strict=True))
    return f"| {file.name} | {count} | {words} | {both / words:.3f} | {ordered / words:.3f} | {seconds:.1f} |"


def some_pages(file: Path, count: int, target: Path) -> Path:
    """Writes pages at even distances from `file` as a PDF file, so that no other is drawn."""
    some = pypdfium2.PdfDocument.new()
    with open_pdf(file, file.read_bytes()) as pdf:
        some.import_pages(pdf, [(2 * place + 1) * len(pdf) // (2 * count) for place in range(count)])
    some.save(target)
    return target


def in_order(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two texts have in one order."""
    return sum(block.size for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())


if __name__ == "__main__":
    main()
