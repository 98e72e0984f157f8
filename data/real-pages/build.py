# /// script
# dependencies = ["smart_train[pdf]"]
# ///
"""Build the real-pages data set: pages of real manuals, rendered here, with queries taken from their own structure.

Run:     python data/real-pages/build.py --output data/real-pages/built
Needs:   smart_train with its pdf extra; `apt-get download` on Debian or Ubuntu; one core.
Expect:  1,119 train pages of seven manuals and 260 held-out pages of two others, 60 dpi, 42 MB, one minute.

Nothing is installed: packages are downloaded by name and unpacked into a cache folder. The manuals' licences allow
that; neither PDF files nor pages are part of this project.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import pypdfium2
except ImportError:
    sys.exit("data/real-pages needs pypdfium2: pip install pypdfium2")

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
# The path above is set for these: data/ is not a package, and this file is run from anywhere.
from build_once import build_once  # noqa: E402
from debian_packages import cache_folder, download  # noqa: E402
from page_queries import Page, choose_queries, read_pages  # noqa: E402

FORMAT = 1  # raise it when the same parameters would give other pages or other queries
SPLITS = ("train", "held_out")


@dataclass(frozen=True)
class Document:
    """One PDF file. `key` begins the ids of its pages; `package` is None for files of the user's own."""

    key: str
    split: str
    package: str | None
    path: str


MANUALS = (
    Document("bashref", "train", "bash-doc", "usr/share/doc/bash/bashref.pdf"),
    Document("gnuplot", "train", "gnuplot-doc", "usr/share/doc/gnuplot/gnuplot.pdf"),
    Document("R-exts", "train", "r-doc-pdf", "usr/share/R/doc/manual/R-exts.pdf"),
    Document("R-ints", "train", "r-doc-pdf", "usr/share/R/doc/manual/R-ints.pdf"),
    Document("R-lang", "train", "r-doc-pdf", "usr/share/R/doc/manual/R-lang.pdf"),
    Document("R-admin", "train", "r-doc-pdf", "usr/share/R/doc/manual/R-admin.pdf"),
    Document("debian-reference", "train", "debian-reference-en", "usr/share/debian-reference/debian-reference.en.pdf"),
    Document("debian-policy", "held_out", "debian-policy", "usr/share/doc/debian-policy/policy.pdf.gz"),
    Document("R-intro", "held_out", "r-doc-pdf", "usr/share/R/doc/manual/R-intro.pdf"),
)


def own_documents(folder: Path) -> list[Document]:
    """The PDF files of a folder, by name; every fourth, and always the last, is held out."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".pdf")
    if len(files) < 2:
        sys.exit(f"--pdf-dir {folder}: {len(files)} PDF files; at least 2 are needed, because one is held out")
    held_out = {index for index in range(len(files)) if index % 4 == 3} | {len(files) - 1}
    keys = [file.relative_to(folder).with_suffix("").as_posix().replace("/", "-") for file in files]
    return [
        Document(key, SPLITS[index in held_out], None, str(file))
        for index, (key, file) in enumerate(zip(keys, files, strict=True))
    ]


def obtain(documents: Sequence[Document], cache: Path) -> dict[str, Path]:
    """Where each document's file is: as named, installed on this machine, or unpacked into `cache`, where packages that
    are missing are downloaded to. Exits with what to do when a package is unavailable."""
    found, failed = {}, {}
    for document in documents:
        if document.package is None:
            found[document.key] = Path(document.path)
            continue
        places = [Path("/") / document.path, cache / "unpacked" / document.path]
        if not any(place.is_file() for place in places) and document.package not in failed:
            failed |= download(document.package, cache)
        place = next((place for place in places if place.is_file()), None)
        if place is not None:
            found[document.key] = place
        else:
            failed.setdefault(document.package, f"{document.package}: holds no {document.path}")
    if failed:
        reasons = "\n  ".join(failed.values())
        sys.exit(
            f"these Debian packages could not be downloaded:\n  {reasons}\nRun `apt-get update` first (as root) if "
            "package lists are missing, install the packages, or bring PDF files of your own with --pdf-dir."
        )
    return found


def open_pdf(path: Path) -> tuple[pypdfium2.PdfDocument, str]:
    """The document and the SHA-256 of its file; gzip-packed files are unpacked first."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        return pypdfium2.PdfDocument(content), hashlib.sha256(content).hexdigest()
    except pypdfium2.PdfiumError as error:
        sys.exit(f"{path}: cannot be read as PDF ({error})")


class Split:
    """Pages and rows of one split, written below `folder`."""

    def __init__(self, folder: Path, name: str, options: argparse.Namespace) -> None:
        self.folder, self.name, self.options = folder, name, options
        self.documents: list[tuple[Document, pypdfium2.PdfDocument]] = []
        self.pages: dict[str, list[Page]] = {}
        self.facts: list[dict[str, Any]] = []
        (folder / "images" / name).mkdir(parents=True)

    def add(self, document: Document, path: Path) -> None:
        pdf, digest = open_pdf(path)
        self.documents.append((document, pdf))
        self.pages[document.key] = read_pages(pdf)
        self.facts.append({"key": document.key, "package": document.package, "sha256": digest})

    def drop_texts(self, texts: set[str]) -> None:
        """Forget pages that say what one of `texts` says: licences, mostly, which manuals share."""
        for key, pages in self.pages.items():
            self.pages[key] = [page for page in pages if page.words not in texts]

    def texts(self) -> set[str]:
        return {page.words for pages in self.pages.values() for page in pages}

    def write(self) -> dict[str, Any]:
        rng = random.Random(f"{self.options.seed} {self.name}")
        everything = [page for pages in self.pages.values() for page in pages]
        rows, written, kinds = [], 0, dict.fromkeys(("bookmark", "index", "snippet"), 0)
        for document, pdf in self.documents:
            chosen = choose_queries(self.pages[document.key], everything, self.options.queries_per_page, rng)
            for page, queries in chosen:
                identity = f"{document.key}-{page.number:04d}"
                image = f"images/{self.name}/{identity}.png"
                self.render(pdf, page.number, self.folder / image)
                written += 1
                for index, (kind, query) in enumerate(queries):
                    kinds[kind] += 1
                    rows.append(
                        {
                            "query": query,
                            "positive": image,
                            "query_id": f"{identity}-{index}",
                            "document_id": identity,
                            "kind": kind,
                        }
                    )
        if not rows:
            names = ", ".join(document.key for document, _ in self.documents)
            sys.exit(f"no queries for the {self.name} documents ({names}): do they have a text layer?")
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.folder / f"{self.name}.jsonl").write_text(text, encoding="utf-8")
        return {"rows": len(rows), "pages": written, "kinds": kinds, "documents": self.facts}

    def render(self, pdf: pypdfium2.PdfDocument, number: int, file: Path) -> None:
        """A page as PNG. Sixty-four colours are as good as all on printed pages, at half the size."""
        image = pdf[number].render(scale=self.options.dpi / 72).to_pil().convert("RGB")
        image.quantize(64, dither=0).save(file)


def write_data_set(folder: Path, documents: Sequence[Document], options: argparse.Namespace) -> dict[str, Any]:
    paths = obtain(documents, options.cache)
    splits = {name: Split(folder, name, options) for name in SPLITS}
    for document in documents:
        splits[document.split].add(document, paths[document.key])
    splits["train"].drop_texts(splits["held_out"].texts())
    assert splits["train"].texts().isdisjoint(splits["held_out"].texts()), "a page is in both splits"
    return {name: split.write() for name, split in splits.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Build the real-pages data set.")
    parser.add_argument("--output", type=Path, required=True, help="folder to make; see manifest.json in it")
    parser.add_argument("--pdf-dir", type=Path, help="use the PDF files of this folder instead of Debian's manuals")
    parser.add_argument(
        "--cache", type=Path, default=cache_folder("real-pages"), help="folder to keep packages in (%(default)s)"
    )
    parser.add_argument("--dpi", type=int, default=60, help="dots per inch of the pages (%(default)s)")
    parser.add_argument(
        "--queries-per-page", type=int, default=3, help="maximum number of queries per page (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not 20 <= options.dpi <= 600:
        parser.error(f"--dpi {options.dpi}: must be 20 to 600")
    if not 1 <= options.queries_per_page <= 20:
        parser.error(f"--queries-per-page {options.queries_per_page}: must be 1 to 20")
    documents = own_documents(options.pdf_dir) if options.pdf_dir else list(MANUALS)
    parameters: dict[str, Any] = {
        "documents": [document.path if document.package is None else document.key for document in documents],
        "dpi": options.dpi,
        "queries_per_page": options.queries_per_page,
        "seed": options.seed,
        "format": FORMAT,
    }
    build_once(options.output, "real-pages", parameters, lambda folder: write_data_set(folder, documents, options))


if __name__ == "__main__":
    main()
