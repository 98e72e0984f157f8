"""A folder of documents -> training and held-out pairs with their pages, a manifest and a card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from smart_train.data.formats.ocr_engine import OcrEngine
from smart_train.data.formats.pdf import PdfPage
from smart_train.errors import DataError, listing
from smart_train.inputs.images import MAX_ASPECT
from smart_train.pairs.candidates import Page
from smart_train.pairs.card import write_card
from smart_train.pairs.counted_files import count_files
from smart_train.pairs.documents import Document
from smart_train.pairs.pages_as_text import TextRows, split_pages_by, text_candidates, unread
from smart_train.pairs.picture_twins import without_picture_twins
from smart_train.pairs.reading import program_for, read_usable, undrawn
from smart_train.pairs.rows import Chosen, RowsOf, image_rows, too_long, write_pages, write_rows
from smart_train.pairs.scans import Scans
from smart_train.pairs.settings import HELD_OUT, TEST, TRAIN, PairReport, PairSettings
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.split import split_documents, split_pages, without_repeated, without_twins
from smart_train.utils.atomic import filling, settle
from smart_train.utils.counts import counted
from smart_train.utils.defaults import PAIRS, QUERIES_OF_MODEL, QUERIES_OF_TEXT
from smart_train.utils.differences import changes, flat, lines, sections
from smart_train.utils.locks import beside, only_one

if TYPE_CHECKING:
    from smart_train.pairs.round_trip import RoundTrip

FORMAT = 14  # raise it when the same files and settings would give other pairs
NO_TEXT = "hardly any text"
NOTHING_TO_ASK = "nothing of its own that is likely worth asking"
NO_PAGE_FOUND = "not found by its queries"
SPARE = 2  # with a check, this many times the wanted queries are tried, so that those left out can be replaced
MANIFEST = "manifest.json"


class QueryWriter(Protocol):
    """Writes queries from what pages look like."""

    @property
    def method(self) -> dict[str, Any]:
        """What its queries depend on, as JSON values."""

    def write(self, images: Sequence[Path], limit: int) -> tuple[Chosen, list[str]]:
        """place in `images` -> up to `limit` queries that this page answers, pages without any left out; and what was
        wrong with pages that could not be asked for."""


@dataclass
class _Parts:
    """The pages of each part, in order, and why others are in none. `images_alone`: pages need no text. `twins`: a line
    for each page that is left out because of its picture. `lowered`: see `choose_queries`."""

    pages: dict[str, list[Page]]
    left_out: Counter[str] = field(default_factory=Counter)
    twins: list[str] = field(default_factory=list)
    one_document: bool = False
    images_alone: bool = False
    lowered: dict[int, float] = field(default_factory=dict)


def make_pairs(
    folder: str | Path,
    output: str | Path,
    settings: PairSettings | None = None,
    *,
    writer: QueryWriter | None = None,
    check: RoundTrip | None = None,
    cache_dir: str | Path | None = None,
    show_progress_bar: bool | None = None,
    ocr_engine: type[OcrEngine] | None = None,
    say: Callable[[str], None] | None = None,
) -> PairReport:
    """Makes the data set `output` of the documents below `folder`, PDF files and what LibreOffice makes such files of:
    `train.jsonl`, `held_out.jsonl`, `corpus.jsonl` (all held-out pages that a search may find), `pages/`,
    `manifest.json` and a card, `README.md`; with `settings.test` also `test.jsonl` and `test_corpus.jsonl`. Where
    `settings.pages_as` is "text", the rows hold the pages' text, and there is no `pages/`.

    It appears whole or not at all. Pages that were drawn, and queries that were written, are kept in caches: started
    again after a kill, the work goes on where it was.

    Args:
        writer: asks a vision model for the queries; None takes them from the pages' own text.
        check: leaves out the queries whose page a model does not find; None keeps all.
        cache_dir: of drawn pages; see `smart_train.data.formats.pdf.page_cache`.
        show_progress_bar: None shows bars on a terminal only.
        ocr_engine: reads pages without a text layer; None takes rapidocr. See `PairSettings.ocr`.
        say: gets a sentence that estimates how long OCR will take, before it begins.

    Returns:
        The report; `report.again` when `output` holds this very data set already.

    Raises:
        DataError: no PDF file, files that cannot be used (all of them), no page with anything to ask for, an `output`
            that holds something else, or a `writer` for pages as text.
        ModelError: the model of `settings.tokenizer` cannot be opened.
        MissingExtra: `ocr` is "all", and rapidocr is not installed.
        BusyError: another process makes `output`.
    """
    settings, output = settings or PairSettings(), Path(output)
    if settings.queries_per_page is None:
        settings = replace(settings, queries_per_page=QUERIES_OF_TEXT if writer is None else QUERIES_OF_MODEL)
    with only_one(beside(output), "make-pairs"):
        settle(output)
        scans = Scans.of(settings.ocr, ocr_engine, text_needed=writer is None)
        scans.as_text = settings.pages_as == "text"
        return _make(folder, output, settings, writer, check, scans, cache_dir, say, show_progress_bar)


def _make(
    folder: str | Path,
    output: Path,
    settings: PairSettings,
    writer: QueryWriter | None,
    check: RoundTrip | None,
    scans: Scans,
    cache_dir: str | Path | None,
    say: Callable[[str], None] | None,
    show_progress_bar: bool | None,
) -> PairReport:
    as_text = settings.pages_as == "text"
    if as_text and writer is not None:
        raise DataError(
            "a vision model writes queries from drawn pages, and pages_as is text: leave out --endpoint, or --as text"
        )
    if writer is not None and settings.least_chance != PAIRS.least_chance:
        raise DataError(
            f"least_chance (--least-chance) is {settings.least_chance:g}; it is for queries from the text of pages, "
            "and here a vision model writes them: leave it out, or --endpoint"
        )
    # Before files are read, so that a wrong setting is reported at once.
    split = split_pages_by(settings) if as_text else None
    documents, drawn, problems = read_usable(
        folder,
        settings,
        scans,
        text_needed=writer is None,
        cache_dir=cache_dir,
        say=say,
        show_progress_bar=show_progress_bar,
    )
    read = {document.path for document in documents}
    files, not_read = count_files(Path(folder), read, office=program_for(settings) is not None)
    parameters = {**_parameters(documents, settings, writer, check), "ocr_engine": scans.method}
    finished = _made_already(output, parameters)
    if finished is not None:
        return replace(finished, files=files, beside=not_read)
    try:
        parts = _split(documents, drawn, settings, images_alone=writer is not None)
        _leave_out_picture_twins(parts, documents, drawn, show_progress_bar)
    except DataError as error:
        raise DataError(f"{error}; not read:\n{listing(not_read)}" if not_read else str(error)) from error
    queries, unanswered = _ask(parts, drawn, settings, writer, check)
    report = _report(output, documents, parts, queries, problems + unanswered, check)
    report = replace(report, files=files, beside=not_read, read_by_ocr=scans.read, ocr_engine=scans.method)
    names = list(parts.pages)
    lowered = {names[number]: bound for number, bound in parts.lowered.items()}
    report = replace(report, twins=parts.twins, lowered=lowered)
    if split is None:
        rows_of: RowsOf = partial(image_rows, drawn)
        report = replace(report, undrawn=undrawn(documents, drawn), not_legible=scans.notes + scans.unread)
    else:
        rows_of = TextRows(documents, split)
        report = replace(report, not_legible=scans.notes + unread(documents, scans.to_do))
        for name, part_pages in parts.pages.items():
            report.counts[name]["texts"] = sum(len(rows_of(page)) for page in part_pages)
    with filling(output) as made_here:
        write_pages(made_here, drawn, show_progress_bar)
        write_rows(made_here, parts.pages, queries, rows_of)
        values = {"format": FORMAT, "parameters": parameters, "report": _as_json(report)}
        (made_here / MANIFEST).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        write_card(made_here, report, settings, parameters["method"])
    return report


def _ask(
    parts: _Parts,
    drawn: Mapping[str, Sequence[PdfPage]],
    settings: PairSettings,
    writer: QueryWriter | None,
    check: RoundTrip | None,
) -> tuple[Chosen, list[str]]:
    """The queries of all pages, by their place, and pages that the writer has none for."""
    pages = [page for part in parts.pages.values() for page in part]
    images = [drawn[page.document][page.number].image for page in pages if page.document in drawn]
    limit = cast(int, settings.queries_per_page)
    unanswered: list[str] = []
    if writer is not None:
        queries, unanswered = writer.write(images, limit)
    else:
        tried = limit if check is None else limit * SPARE
        queries = choose_queries(pages, tried, settings.least_chance, parts=_places(parts), lowered=parts.lowered)
    if check is None:
        return queries, unanswered
    checked = check.keep(pages, images, queries, limit)
    parts.left_out[NO_PAGE_FOUND] += len(queries) - len(checked)
    return checked, unanswered


def _places(parts: _Parts) -> list[range]:
    """The places of each part's pages in the list of all."""
    ends = list(accumulate(map(len, parts.pages.values())))
    return [range(end - len(pages), end) for end, pages in zip(ends, parts.pages.values(), strict=True)]


def _parameters(
    documents: Sequence[Document], settings: PairSettings, writer: QueryWriter | None, check: RoundTrip | None
) -> dict[str, Any]:
    values = {name: value for name, value in asdict(settings).items() if name != "on_error"}
    method = writer.method if writer is not None else {"name": "text layer"}
    checked = {"check": None if check is None else check.method}
    return {
        **values,
        **checked,
        "method": method,
        "documents": {document.key: document.digest for document in documents},
    }


def _made_already(output: Path, parameters: dict[str, Any]) -> PairReport | None:
    """The report of the data set in `output` if it was made with `parameters`; None where nothing is there yet."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    manifest = output / MANIFEST
    try:
        values = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    except ValueError as error:  # not JSON, or not UTF-8
        raise DataError(f"{manifest}: not valid JSON ({error}); remove the folder or name another output") from error
    if "report" not in values or "parameters" not in values:
        raise DataError(f"{output}: exists and does not hold pairs made by smart_train; name another output")
    theirs = {**values["parameters"], "format": values.get("format")}
    ours = {**parameters, "format": FORMAT}
    differing = changes(flat(theirs), flat(ours), {**asdict(PairSettings()), "check": None})
    if differing:
        raise DataError(
            f"{output}: holds pairs made with other {', '.join(sorted(sections(differing)))} ({manifest}); remove it, "
            f"or name another output\n{listing(lines(differing))}"
        )
    return PairReport(output=output, **{**values["report"], "again": True})


def _split(
    documents: Sequence[Document], drawn: Mapping[str, Sequence[PdfPage]], settings: PairSettings, *, images_alone: bool
) -> _Parts:
    """Training and held-out pages. `images_alone`: pages need no text, because a vision model sees their image."""
    parts = _Parts({TRAIN: [], HELD_OUT: []}, images_alone=images_alone)
    usable = {
        d.key: text_candidates(d, parts.left_out)
        if settings.pages_as == "text"
        else _candidates(d, drawn[d.key], parts.left_out, images_alone)
        for d in documents
    }
    with_pages = [
        document for document in documents if images_alone or any(page.words for page in usable[document.key])
    ]
    with_pages = [document for document in with_pages if usable[document.key]]
    if not with_pages:
        raise DataError("no page has text to make a query from")
    silent = [key for key in usable if key not in {document.key for document in with_pages}]
    parts.left_out[NO_TEXT] += sum(len(usable[key]) for key in silent)
    if len(with_pages) == 1 and not settings.test:
        parts.one_document = True
        pages = usable[with_pages[0].key]
        first, second = split_pages([page.number for page in pages], with_pages[0].chapters, settings.held_out)
        for page in pages:
            if page.number in first or page.number in second:
                parts.pages[TRAIN if page.number in first else HELD_OUT].append(page)
        parts.left_out["at the seam"] += len(pages) - len(first) - len(second)
    else:
        for name, keys in _parts_of_documents(with_pages, usable, settings).items():
            parts.pages[name] = [
                page for document in with_pages if document.key in keys for page in usable[document.key]
            ]
    for name, pages in parts.pages.items():
        parts.pages[name] = without_twins(pages)
        parts.left_out["says what another document of its part says"] += len(pages) - len(parts.pages[name])
    parts.pages, repeated = without_repeated(parts.pages)
    parts.left_out["says what held-out pages say"] += repeated
    return parts


def _leave_out_picture_twins(
    parts: _Parts,
    documents: Sequence[Document],
    drawn: Mapping[str, Sequence[PdfPage]],
    show_progress_bar: bool | None,
) -> None:
    if drawn:  # else pages are text
        parts.pages, twins = without_picture_twins(parts.pages, documents, drawn, show_progress_bar=show_progress_bar)
        parts.left_out.update({why: len(lines) for why, lines in twins.items()})
        parts.twins = [line for of_reason in twins.values() for line in of_reason]
    for name, pages in parts.pages.items():
        if not pages:
            raise DataError(
                f"no page is left in the {name} part: those that say or show what others do are left out; add documents"
                + (f"\n{listing(parts.twins)}" if parts.twins else "")
            )


def _parts_of_documents(
    documents: Sequence[Document], usable: Mapping[str, Sequence[Page]], settings: PairSettings
) -> dict[str, set[str]]:
    """part -> keys of its documents. Asking for a test part moves none into or out of those held out, unless there are
    too few."""
    sizes = {document.key: len(usable[document.key]) for document in documents}
    digests = {document.key: document.digest for document in documents}
    pages, leave = sum(sizes.values()), 2 if settings.test else 1
    held_out = split_documents(sizes, digests, settings.held_out, settings.seed, leave=leave)
    rest = {key: size for key, size in sizes.items() if key not in held_out}
    if not settings.test:
        return {TRAIN: set(rest), HELD_OUT: held_out}
    test = split_documents(rest, digests, settings.test * pages / sum(rest.values()), settings.seed)
    return {TRAIN: rest.keys() - test, HELD_OUT: held_out, TEST: test}


def _candidates(document: Document, drawn: Sequence[PdfPage], left_out: Counter[str], images_alone: bool) -> list[Page]:
    """The pages of a document that can be found, in order. One without text, such as a figure, can be found too, though
    without a vision model nothing asks for it. Why others are left out is counted in `left_out`."""
    left_out["table of contents or index"] += len(document.listings)
    candidates = []
    silent = [Page.without_text(document.key, number) for number in document.silent]
    for page in sorted([*document.pages, *silent], key=lambda page: page.number):
        if too_long(drawn[page.number]):
            left_out[f"more than {MAX_ASPECT} times as long as wide, which no model takes"] += 1
        # One with text stays: its fonts are missing here, see `undrawn`.
        elif drawn[page.number].blank and page.number in document.silent and not images_alone:
            left_out["blank"] += 1
        else:
            candidates.append(page)
    return candidates


def _report(
    output: Path,
    documents: Sequence[Document],
    parts: _Parts,
    chosen_queries: Chosen,
    problems: list[str],
    check: RoundTrip | None,
) -> PairReport:
    counts: dict[str, dict[str, int]] = {}
    queries: Counter[tuple[str, str]] = Counter()
    start = 0
    for name, pages in parts.pages.items():
        of_part = {
            place: chosen_queries[start + place] for place in range(len(pages)) if start + place in chosen_queries
        }
        start += len(pages)
        for place, page_queries in of_part.items():
            queries[name, pages[place].document] += len(page_queries)
        counts[name] = {
            "documents": len({page.document for page in pages}),
            "pages": len(of_part),
            "corpus": len(pages),
            "queries": sum(map(len, of_part.values())),
        }
        if not of_part:
            raise DataError(
                f"no query was found for the {counted(len(pages), f'{name} page')} of "
                f"{counted(counts[name]['documents'], 'document')}: "
                "a query needs a page with words that no other page has"
                + ("" if check is None else f", and {check.name} must find it (checked: {dict(check.counts)})")
            )
    places = {(page.document, name) for name, pages in parts.pages.items() for page in pages}
    rows: list[dict[str, str | int]] = [
        {
            "document": document.key,
            "sha256": document.digest,
            "part": " and ".join(name for name in parts.pages if (document.key, name) in places) or "none",
            "pages": document.page_count,
            "queries": sum(queries[name, document.key] for name in parts.pages),
        }
        for document in documents
    ]
    kinds = Counter(kind for page_queries in chosen_queries.values() for kind, _ in page_queries)
    unasked = sum(part["corpus"] - part["pages"] for part in counts.values()) - parts.left_out[NO_PAGE_FOUND]
    pages = [page for part in parts.pages.values() for page in part]
    silent = sum(
        not page.words and not parts.images_alone for place, page in enumerate(pages) if place not in chosen_queries
    )
    reasons = parts.left_out + Counter({NO_TEXT: silent, NOTHING_TO_ASK: unasked - silent})
    left_out = {reason: count for reason, count in reasons.items() if count}
    report = PairReport(output, counts, dict(kinds.most_common()), rows, left_out, problems, parts.one_document)
    return report if check is None else replace(report, checked=dict(check.counts), not_found=check.left_out)


def _as_json(report: PairReport) -> dict[str, Any]:
    return {name: value for name, value in asdict(report).items() if name not in ("output", "again")}
