"""A folder of PDF files -> training and held-out pairs with their pages, a manifest and a card."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image
from tqdm.auto import tqdm

from smart_train.data.formats.pdf import PdfError, PdfPage, pdf_files, read_pdf
from smart_train.errors import DataError, listing
from smart_train.inputs.images import MAX_ASPECT
from smart_train.pairs.beside import files_beside
from smart_train.pairs.candidates import Kind, Page
from smart_train.pairs.card import write_card
from smart_train.pairs.documents import Document, read_documents
from smart_train.pairs.settings import HELD_OUT, TEST, TRAIN, PairReport, PairSettings
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.split import split_documents, split_pages, without_repeated, without_twins
from smart_train.utils.atomic import filling, settle
from smart_train.utils.differences import changes, flat, lines, sections
from smart_train.utils.locks import beside, only_one

if TYPE_CHECKING:
    from smart_train.pairs.round_trip import RoundTrip

FORMAT = 4  # raise it when the same files and settings would give other pairs
NO_TEXT = "hardly any text"
NO_PAGE_FOUND = "not found by its queries"
SPARE = 2  # with a check, so many times the wanted queries are tried, so that those left out can be replaced
MANIFEST, PAGES = "manifest.json", "pages"
CORPORA = {HELD_OUT: "corpus.jsonl", TEST: "test_corpus.jsonl"}

Chosen = dict[int, list[tuple[Kind, str]]]


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
    """The pages of each part, in order, and why others are in none. `images_alone`: pages need no text."""

    pages: dict[str, list[Page]]
    left_out: Counter[str] = field(default_factory=Counter)
    one_document: bool = False
    images_alone: bool = False


def make_pairs(
    folder: str | Path,
    output: str | Path,
    settings: PairSettings | None = None,
    *,
    writer: QueryWriter | None = None,
    check: RoundTrip | None = None,
    cache_dir: str | Path | None = None,
    show_progress_bar: bool | None = None,
) -> PairReport:
    """Makes the data set `output` of the PDF files below `folder`: `train.jsonl`, `held_out.jsonl`, `corpus.jsonl` (all
    held-out pages that a search may find), `pages/`, `manifest.json` and a card, `README.md`; with `settings.test` also
    `test.jsonl` and `test_corpus.jsonl`.

    It appears whole or not at all. Pages that were drawn, and queries that were written, are kept in caches: started
    again after a kill, the work goes on where it was.

    Args:
        writer: asks a vision model for the queries; None takes them from the pages' own text.
        check: leaves out the queries whose page a model does not find; None keeps all.
        cache_dir: of drawn pages; see `smart_train.data.formats.pdf.page_cache`.
        show_progress_bar: None shows bars on a terminal only.

    Returns:
        The report; `report.again` when `output` holds this very data set already.

    Raises:
        DataError: no PDF file, files that cannot be used (all of them), no page with anything to ask for, or an
            `output` that holds something else.
        BusyError: another process makes `output`.
    """
    settings, output = settings or PairSettings(), Path(output)
    with only_one(beside(output), "make-pairs"):
        settle(output)
        return _make(folder, output, settings, writer, check, cache_dir, show_progress_bar)


def _make(
    folder: str | Path,
    output: Path,
    settings: PairSettings,
    writer: QueryWriter | None,
    check: RoundTrip | None,
    cache_dir: str | Path | None,
    show_progress_bar: bool | None,
) -> PairReport:
    documents, drawn, problems = _read(folder, settings, writer, cache_dir, show_progress_bar)
    files, not_read = _count_files(Path(folder), documents, problems)
    parameters = _parameters(documents, settings, writer, check)
    made = _made_already(output, parameters)
    if made is not None:
        return replace(made, files=files, beside=not_read)
    try:
        parts = _split(documents, drawn, settings, images_alone=writer is not None)
    except DataError as error:
        raise DataError(f"{error}; not read:\n{listing(not_read)}" if not_read else str(error)) from error
    chosen, unanswered = _ask(parts, drawn, settings, writer, check)
    report = _report(output, documents, parts, chosen, problems + unanswered, check)
    report = replace(report, files=files, beside=not_read, undrawn=_undrawn(documents, drawn))
    with filling(output) as partial:
        _write_pages(partial, drawn, show_progress_bar)
        _write_rows(partial, parts, chosen, drawn)
        values = {"format": FORMAT, "parameters": parameters, "report": _as_json(report)}
        (partial / MANIFEST).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        write_card(partial, report, settings, parameters["method"])
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
    images = [drawn[page.document][page.number].image for page in pages]
    limit = settings.queries_per_page
    unanswered: list[str] = []
    if writer is not None:
        chosen, unanswered = writer.write(images, limit)
    else:
        chosen = choose_queries(pages, limit if check is None else limit * SPARE)
    if check is None:
        return chosen, unanswered
    kept = check.keep(pages, images, chosen, limit)
    parts.left_out[NO_PAGE_FOUND] += len(chosen) - len(kept)
    return kept, unanswered


def _read(
    folder: str | Path,
    settings: PairSettings,
    writer: QueryWriter | None,
    cache_dir: str | Path | None,
    show_progress_bar: bool | None,
) -> tuple[list[Document], dict[str, list[PdfPage]], list[str]]:
    """The usable documents, their drawn pages, and what is wrong with the others."""
    documents, problems = read_documents(folder, text_needed=writer is None, show_progress_bar=show_progress_bar)
    drawn: dict[str, list[PdfPage]] = {}
    hidden = None if show_progress_bar is None else not show_progress_bar
    for document in tqdm(documents, desc="drawing pages", leave=False, disable=hidden):
        try:
            drawn[document.key] = read_pdf(document.path, name=document.key, dpi=settings.dpi, cache_dir=cache_dir)
        except PdfError as error:
            problems.append(str(error))
    usable = [document for document in documents if document.key in drawn]
    if problems and settings.on_error == "fail":
        raise DataError(
            f"{folder}: {len(problems)} PDF files cannot be used (on_error skip, --on-error skip on the command line, "
            f"leaves them out):\n{listing(problems)}"
        )
    if not usable:
        raise DataError(f"{folder}: none of its PDF files can be used:\n{listing(problems)}")
    return usable, drawn, problems


def _count_files(
    folder: Path, documents: Sequence[Document], problems: Sequence[str]
) -> tuple[dict[str, int], list[str]]:
    """What became of every file below `folder` -> how many, and a line for each kind that is not read at all."""
    there = pdf_files(folder)
    beside, lines = files_beside(folder, set(there))
    counts = {"PDF files read": len(documents), "PDF files that cannot be used": len(there) - len(documents), **beside}
    return {what: number for what, number in counts.items() if number}, lines


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
    """Training and held-out pages. `images_alone`: pages need no text, as they are looked at."""
    parts = _Parts({TRAIN: [], HELD_OUT: []}, images_alone=images_alone)
    found = {d.key: _candidates(d, drawn[d.key], parts.left_out, images_alone) for d in documents}
    asked = [document for document in documents if images_alone or any(page.words for page in found[document.key])]
    asked = [document for document in asked if found[document.key]]
    if not asked:
        raise DataError("no page has text to make a query from")
    silent = [key for key in found if key not in {document.key for document in asked}]
    parts.left_out[NO_TEXT] += sum(len(found[key]) for key in silent)
    if len(asked) == 1 and not settings.test:
        parts.one_document = True
        pages = found[asked[0].key]
        first, second = split_pages([page.number for page in pages], asked[0].chapters, settings.held_out)
        for page in pages:
            if page.number in first or page.number in second:
                parts.pages[TRAIN if page.number in first else HELD_OUT].append(page)
        parts.left_out["at the seam"] += len(pages) - len(first) - len(second)
    else:
        for name, keys in _parts_of_documents(asked, found, settings).items():
            parts.pages[name] = [page for document in asked if document.key in keys for page in found[document.key]]
    for name, pages in parts.pages.items():
        parts.pages[name] = without_twins(pages)
        parts.left_out["says what another document of its part says"] += len(pages) - len(parts.pages[name])
    parts.pages, repeated = without_repeated(parts.pages)
    parts.left_out["says what held-out pages say"] += repeated
    return parts


def _parts_of_documents(
    asked: Sequence[Document], found: Mapping[str, Sequence[Page]], settings: PairSettings
) -> dict[str, set[str]]:
    """part -> keys of its documents. Asking for a test part moves none into or out of those held out, unless there are
    too few."""
    sizes = {document.key: len(found[document.key]) for document in asked}
    digests = {document.key: document.digest for document in asked}
    pages, leave = sum(sizes.values()), 2 if settings.test else 1
    held_out = split_documents(sizes, digests, settings.held_out, settings.seed, leave=leave)
    rest = {key: size for key, size in sizes.items() if key not in held_out}
    if not settings.test:
        return {TRAIN: set(rest), HELD_OUT: held_out}
    test = split_documents(rest, digests, settings.test * pages / sum(rest.values()), settings.seed)
    return {TRAIN: rest.keys() - test, HELD_OUT: held_out, TEST: test}


def _undrawn(documents: Sequence[Document], drawn: Mapping[str, Sequence[PdfPage]]) -> list[str]:
    """A line for each document with pages that have text and are drawn blank."""
    lines = []
    for document in documents:
        blank = sum(drawn[document.key][page.number].blank for page in document.pages)
        if blank:
            lines.append(
                f"{document.key}: {blank} of {document.page_count} pages have text and are drawn blank, because their "
                "fonts are neither in the file nor on this machine; install the fonts, or train on text alone"
            )
    return lines


def _candidates(document: Document, drawn: Sequence[PdfPage], left_out: Counter[str], images_alone: bool) -> list[Page]:
    """The pages of a document that can be found, in order. One without text, such as a figure, can be found too, though
    without a vision model nothing asks for it. Why others are left out is counted in `left_out`."""
    left_out["table of contents or index"] += len(document.listings)
    found = []
    silent = [Page.without_text(document.key, number) for number in document.silent]
    for page in sorted([*document.pages, *silent], key=lambda page: page.number):
        if _too_long(drawn[page.number]):
            left_out[f"more than {MAX_ASPECT} times as long as wide, which no model takes"] += 1
        # One with text stays: its fonts are missing here, see `_undrawn`.
        elif drawn[page.number].blank and page.number in document.silent and not images_alone:
            left_out["blank"] += 1
        else:
            found.append(page)
    return found


def _too_long(page: PdfPage) -> bool:
    with Image.open(page.image) as image:
        return max(image.size) > MAX_ASPECT * min(image.size)


def _report(
    output: Path,
    documents: Sequence[Document],
    parts: _Parts,
    chosen: Chosen,
    problems: list[str],
    check: RoundTrip | None,
) -> PairReport:
    counts: dict[str, dict[str, int]] = {}
    queries: Counter[tuple[str, str]] = Counter()
    start = 0
    for name, pages in parts.pages.items():
        of_part = {place: chosen[start + place] for place in range(len(pages)) if start + place in chosen}
        start += len(pages)
        for place, found in of_part.items():
            queries[name, pages[place].document] += len(found)
        counts[name] = {
            "documents": len({page.document for page in pages}),
            "pages": len(of_part),
            "corpus": len(pages),
            "queries": sum(map(len, of_part.values())),
        }
        if not of_part:
            raise DataError(
                f"no query was found for the {name} pages ({len(pages)} of {counts[name]['documents']} documents): "
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
    kinds = Counter(kind for found in chosen.values() for kind, _ in found)
    unasked = sum(part["corpus"] - part["pages"] for part in counts.values()) - parts.left_out[NO_PAGE_FOUND]
    pages = [page for part in parts.pages.values() for page in part]
    silent = sum(not page.words and not parts.images_alone for place, page in enumerate(pages) if place not in chosen)
    reasons = parts.left_out + Counter({NO_TEXT: silent, "nothing of its own": unasked - silent})
    left_out = {reason: count for reason, count in reasons.items() if count}
    report = PairReport(output, counts, dict(kinds.most_common()), rows, left_out, problems, parts.one_document)
    return report if check is None else replace(report, checked=dict(check.counts), not_found=check.left_out)


def _as_json(report: PairReport) -> dict[str, Any]:
    return {name: value for name, value in asdict(report).items() if name not in ("output", "again")}


def _write_pages(folder: Path, drawn: dict[str, list[PdfPage]], show_progress_bar: bool | None) -> None:
    """Copies of all pages that a model takes, so that the data set stands for itself and the cache may go."""
    everything = [page for pages in drawn.values() for page in pages if not _too_long(page)]
    hidden = None if show_progress_bar is None else not show_progress_bar
    for page in tqdm(everything, desc="writing pages", leave=False, disable=hidden):
        target = folder / page_path(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page.image, target)


def page_path(page: PdfPage) -> str:
    """Where a page lies in the data set."""
    return f"{PAGES}/{page.document}/{page.image.name}"


def _write_rows(folder: Path, parts: _Parts, chosen: Chosen, drawn: dict[str, list[PdfPage]]) -> None:
    start = 0
    for name, pages in parts.pages.items():
        rows, corpus = [], []
        for place, page in enumerate(pages, start=start):
            source = drawn[page.document][page.number]
            row = {"positive": page_path(source), "document_id": source.id}
            corpus.append(row)
            for number, (kind, query) in enumerate(chosen.get(place, [])):
                rows.append({"query": query, **row, "query_id": f"{source.id}&query={number}", "kind": kind})
        start += len(pages)
        _write_jsonl(folder / f"{name}.jsonl", rows)
        if name in CORPORA:
            _write_jsonl(folder / CORPORA[name], corpus)


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
