"""What a caller chooses about the pairs, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from smart_train.data.formats.pdf import DPI
from smart_train.errors import DataError

TRAIN, HELD_OUT, TEST = "train", "held_out", "test"
MAX_QUERIES = 20


@dataclass(frozen=True)
class PairSettings:
    """How pairs are made.

    Args:
        dpi: resolution of the pages that are drawn. Finer print needs more; the model's max_pixels bounds what it sees.
        queries_per_page: maximum number of queries of a page.
        held_out: about this share of the pages is held out, whole documents at a time.
        test: likewise for a third part, which a recipe reports and chooses nothing by; 0: no such part.
        seed: decides which documents.
        licence: under which the documents may be used, for the card; None: not known.
        on_error: what a file that cannot be used does: "fail" stops, with all of them listed; "skip" leaves it out.

    Raises:
        DataError: a value out of its range.
    """

    dpi: int = DPI
    queries_per_page: int = 3
    held_out: float = 0.2
    test: float = 0.0
    seed: int = 0
    licence: str | None = None
    on_error: Literal["fail", "skip"] = "fail"

    def __post_init__(self) -> None:
        if not 20 <= self.dpi <= 600:
            raise DataError(f"dpi is {self.dpi}; it must be 20 to 600")
        if not 1 <= self.queries_per_page <= MAX_QUERIES:
            raise DataError(f"queries_per_page is {self.queries_per_page}; it must be 1 to {MAX_QUERIES}")
        if not 0 < self.held_out <= 0.5:
            raise DataError(f"held_out is {self.held_out:g}; it must be above 0 and at most 0.5")
        if not 0 <= self.test <= 0.5 - self.held_out:
            raise DataError(
                f"test is {self.test:g}; it must be at least 0, and with held_out ({self.held_out:g}) at most 0.5"
            )


@dataclass
class PairReport:
    """What a data set of pairs holds, and what was left out; kept in its `manifest.json`.

    Attributes:
        counts: part -> {"documents", "pages" (that answer a query), "corpus" (that can be found), "queries"}.
        kinds: where queries come from -> how many.
        documents: of each file its key, SHA-256, part, pages and queries.
        left_out: reason -> number of pages without a query; with those that have one, they are all the pages read.
        problems: files, and pages that a vision model gave no queries for, that were skipped; one line each.
        one_document: the parts are two stretches of a single document.
        again: the data set was there already, and nothing was done.
        files: what became of the files of the folder -> how many.
        beside: for each kind of file that is not read, a line that says why and names some.
        undrawn: for each file with pages that have text and are drawn blank, a line; they are not left out.
        checked: queries that a model searched for (`RoundTrip`), and why some were left out -> how many.
        not_found: a line for each query that was left out so.
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
    checked: dict[str, int] = field(default_factory=dict)
    not_found: list[str] = field(default_factory=list)
