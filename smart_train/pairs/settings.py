"""What a caller chooses about the pairs, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from smart_train.data.formats.ocr_engine import OcrMode
from smart_train.errors import DataError
from smart_train.utils.defaults import PAIRS

TRAIN, HELD_OUT, TEST = "train", "held_out", "test"
MAX_QUERIES = 20
MIN_CHUNK = 16  # tokens; less is hardly a sentence
OfficeMode = Literal["auto", "off"]


@dataclass(frozen=True)
class PairSettings:
    """How pairs are made.

    Args:
        dpi: resolution of the page images. Finer print needs more; the model's max_pixels bounds what it sees.
        queries_per_page: maximum number of queries of a page. None: 15 from its text, 5 that a vision model writes.
        held_out: about this share of the pages is held out, whole documents at a time.
        test: likewise for a third part, which a recipe reports and chooses nothing by; 0: no such part.
        seed: decides which documents.
        licence: under which the documents may be used, for the card; None: not known.
        on_error: what a file that cannot be used does: "fail" stops, with all of them listed; "skip" leaves it out.
        pages_as: what a page is in the data set: its image, or its text, for models that read no images.
        chunk_tokens: of text: the most tokens of one document; longer pages are several. None: as many as the model of
            `tokenizer` reads, else 256.
        tokenizer: of text: the model that is to read it, whose tokens are counted. None estimates them.
        ocr: which pages are read by OCR where queries are taken from the text: "auto", those without a legible text
            layer, if the extra `ocr` is installed; "all", every page, and text layers are not read; "off", none.
        office: "auto" has LibreOffice, where it is installed, make PDF files of office, web and book files; "off"
            leaves these out.
        least_chance: of queries from the text of the pages: how likely one must be worth asking. 0 asks whatever may be
            asked. Not for a vision model's.

    Raises:
        DataError: a value out of its range.
    """

    dpi: int = PAIRS.dpi
    queries_per_page: int | None = PAIRS.queries_per_page
    held_out: float = PAIRS.held_out
    test: float = PAIRS.test
    seed: int = PAIRS.seed
    licence: str | None = PAIRS.licence
    on_error: Literal["fail", "skip"] = PAIRS.on_error
    pages_as: Literal["image", "text"] = PAIRS.pages_as
    chunk_tokens: int | None = PAIRS.chunk_tokens
    tokenizer: str | None = PAIRS.tokenizer
    ocr: OcrMode = PAIRS.ocr
    office: OfficeMode = PAIRS.office
    least_chance: float = PAIRS.least_chance

    def __post_init__(self) -> None:
        if not 20 <= self.dpi <= 600:
            raise DataError(f"dpi (--dpi) is {self.dpi}; it must be 20 to 600")
        if self.queries_per_page is not None and not 1 <= self.queries_per_page <= MAX_QUERIES:
            raise DataError(
                f"queries_per_page (--queries-per-page) is {self.queries_per_page}; it must be 1 to {MAX_QUERIES}"
            )
        if not 0 <= self.least_chance <= 1:
            raise DataError(f"least_chance (--least-chance) is {self.least_chance:g}; it must be 0 to 1")
        if not 0 < self.held_out <= 0.5:
            raise DataError(f"held_out (--held-out) is {self.held_out:g}; it must be above 0 and at most 0.5")
        if not 0 <= self.test <= 0.5 - self.held_out:
            raise DataError(
                f"test (--test) is {self.test:g}; it must be at least 0, and with held_out ({self.held_out:g}) at most "
                "0.5"
            )
        if self.pages_as not in ("image", "text"):
            raise DataError(f"pages_as (--as) is {self.pages_as!r}; it must be image or text")
        if self.chunk_tokens is not None and self.chunk_tokens < MIN_CHUNK:
            raise DataError(f"chunk_tokens (--chunk-tokens) is {self.chunk_tokens}; it must be at least {MIN_CHUNK}")
        for name in ("chunk_tokens", "tokenizer"):
            if self.pages_as == "image" and getattr(self, name) is not None:
                raise DataError(
                    f"{name} (--{name.replace('_', '-')}) is {getattr(self, name)}, which is for pages as text; add "
                    "pages_as text (--as text on the command line), or leave it out"
                )


@dataclass
class PairReport:
    """What a data set of pairs holds, and what was left out; kept in its `manifest.json`.

    Attributes:
        counts: part -> {"documents", "pages" (that answer a query), "corpus" (that can be found), "queries"}; of pages
            as text also "texts", the documents that they are.
        kinds: where queries come from -> how many.
        documents: of each file its key, SHA-256, part, pages and queries.
        left_out: reason -> number of pages without a query; with those that have one, they are all the pages read.
        problems: files, and pages that a vision model gave no queries for, that were skipped; one line each.
        one_document: the parts are two stretches of a single document.
        again: the data set was there already, and nothing was done.
        files: what became of the files of the folder -> how many.
        beside: for each kind of file that is not read, a line that says why and names some.
        undrawn: for each file with pages that have text and are drawn blank, a line; they are not left out.
        read_by_ocr: pages whose text comes from OCR. ocr_engine: that read them, None where there are none.
        not_legible: what OCR was not asked or not able to read, a line each; these pages are not left out.
        checked: queries that a model searched for (`RoundTrip`), and why some were left out -> how many.
        not_found: a line for each query that was left out so.
        twins: a line for each page that was left out because another page shows the same picture.
        lowered: part -> the lower bound by which its queries were taken, because none reached the one that was set.
    """

    output: Path
    counts: dict[str, dict[str, int]]
    kinds: dict[str, int]
    documents: list[dict[str, str | int]]
    left_out: dict[str, int]
    problems: list[str] = field(default_factory=list)
    one_document: bool = False
    again: bool = False
    files: dict[str, int] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    undrawn: list[str] = field(default_factory=list)
    read_by_ocr: int = 0
    ocr_engine: str | None = None
    not_legible: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    not_found: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    lowered: dict[str, float] = field(default_factory=dict)
