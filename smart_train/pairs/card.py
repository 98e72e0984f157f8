"""The card of a data set of pairs, with the metadata that the Hugging Face Hub reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from smart_train.pairs.settings import TEST, PairReport, PairSettings
from smart_train.utils.counts import counted
from smart_train.utils.defaults import CHUNK_TOKENS
from smart_train.utils.markdown import plain

CARD = "README.md"
_SOURCES = {
    "title": "the largest print of a document's first page",
    "bookmark": "the document's name and a bookmark that points to the page",
    "heading": "the document's name and larger print than the running text, or a bold line over some",
    "caption": "the document's name and the caption of a figure or table",
    "term": "the document's name and an entry of its index that names only this page",
    "section": "the document's name and a heading with the one that it stands under, where it does not suffice alone",
    "sentence": "the document's name, the heading that stands over a sentence, and the sentence",
    "item": "the document's name and an item of a list with the heading that it stands under",
    "line": "the document's name and a line that stands for itself (of a slide, a form)",
    "written": "written by a vision model that saw the page",
}


_POSITIVE = {
    "image": "the page that answers it, a path relative to the file",
    "text": "the text of the page that answers it, or the part of it that does",
}
_IDS = {"image": "file and page, from 1", "text": "file, page and, of a page in parts, chunk, all from 1"}


def write_card(folder: Path, report: PairReport, settings: PairSettings, method: Mapping[str, Any]) -> None:
    """Writes `README.md` into the data set's folder: what it holds, how it was made, and what is not known of it."""
    data = DatasetCardData(
        license="other",
        license_name=settings.licence or "unknown",
        task_categories=["text-retrieval" if settings.pages_as == "text" else "visual-document-retrieval"],
        tags=["smart_train"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"{name}.jsonl"} for name in report.counts],
            }
        ],
    )
    text = "\n\n".join([f"---\n{data.to_yaml()}\n---", *_sections(report, settings, method)]) + "\n"
    (folder / CARD).write_text(text, encoding="utf-8")


def _sections(report: PairReport, settings: PairSettings, method: Mapping[str, Any]) -> list[str]:
    counts = [
        [name, *(part[key] for key in ("documents", "corpus", "pages", "queries"))]
        for name, part in report.counts.items()
    ]
    documents = [
        [row["document"], row["part"], row["pages"], row["queries"], row["sha256"]] for row in report.documents
    ]
    sections = [
        f"# Queries and pages of {_files(report)}",
        "Made by `smart-train make-pairs`. `train.jsonl` and `held_out.jsonl` have the columns `query`, `positive` "
        f"({_POSITIVE[settings.pages_as]}), `query_id`, `document_id` ({_IDS[settings.pages_as]}) "
        "and `kind`; `corpus.jsonl` lists all held-out pages that a search may find."
        + (" `test.jsonl` and `test_corpus.jsonl` are likewise." if TEST in report.counts else ""),
        _table(["part", "documents", "pages", "pages with a query", "queries"], counts),
        "## How it was made",
        _method(method, settings, report) + _by_ocr(report),
        _table(["kind", "where it comes from", "queries"], [[k, _SOURCES[k], n] for k, n in report.kinds.items()]),
        _split(report, settings),
    ]
    if report.checked:
        sections.append(_check(report))
    if report.left_out:
        sections += [
            "Pages that are read but have no query:"
            if settings.pages_as == "text"
            else "Pages that are drawn but have no query:",
            _table(["why", "pages"], [[why, number] for why, number in report.left_out.items()]),
        ]
    if report.problems:
        sections += ["Left out:", "\n".join(f"- {plain(problem)}" for problem in report.problems)]
    return [
        *sections,
        "## Documents",
        _table(["file", "part", "pages", "queries", "SHA-256"], documents),
        "## Licence",
        _licence(settings),
    ]


def _files(report: PairReport) -> str:
    """`2 PDF files and 1 office, web or book file`."""
    pdf = sum(str(row["document"]).lower().endswith(".pdf") for row in report.documents)
    numbers = [
        (pdf, "PDF file", "PDF files"),
        (len(report.documents) - pdf, "office, web or book file", "office, web and book files"),
    ]
    return " and ".join(counted(*number) for number in numbers if number[0])


def _method(method: Mapping[str, Any], settings: PairSettings, report: PairReport) -> str:
    form = f"Pages were drawn at {settings.dpi} dpi."
    if settings.pages_as == "text":
        tokens = "by an estimate" if settings.tokenizer is None else f"as `{plain(settings.tokenizer)}` counts them"
        all_that_fits = settings.tokenizer is not None and settings.chunk_tokens is None
        limit = "as many tokens as it reads" if all_that_fits else f"{settings.chunk_tokens or CHUNK_TOKENS} tokens"
        form = f"Pages are the text of their text layer, in parts of at most {limit}, {tokens}."
    drawn = f"{form} Up to {settings.queries_per_page} queries a page"
    if "model" in method:
        return (
            f"{drawn} were written by the vision model `{method['model']}` from the page's image alone (prompt "
            f"{method['prompt']}). Labels are not judged: no one has checked that a query is answered by its page, "
            "and by no other. A query that was written for two pages was left out."
        )
    return (
        f"{drawn} were taken from its own text, with no model. The name of the document and the heading that a text "
        "stands under are put before it, where they are known and the text lacks their words. Labels are derived, not "
        "judged: the words of the text itself are on its page and on no other page of the set. It therefore quotes the "
        "page. This rewards reading more than understanding, and says little about questions that people would ask in "
        "their own words. By the signs of its page, a query is worth asking with a chance of "
        f"{settings.least_chance:g} or more."
        + "".join(
            f" None of the {name} part is: its queries are those from {bound:.2f} on."
            for name, bound in report.lowered.items()
        )
    )


def _by_ocr(report: PairReport) -> str:
    if not report.read_by_ocr:
        return ""
    return (
        f" The text of {report.read_by_ocr} pages was read by OCR ({report.ocr_engine}), because they have no legible "
        "text layer or theirs was not to be read: expect misread letters in their queries."
    )


def _check(report: PairReport) -> str:
    reasons = "; ".join(f"{number} left out: {why}" for why, number in report.checked.items() if why != "checked")
    return (
        f"A model searched for {report.checked['checked']} queries among all pages ({reasons or 'none left out'}). "
        "`manifest.json` names the model and every query that was left out."
    )


def _split(report: PairReport, settings: PairSettings) -> str:
    if report.one_document:
        return (
            "**There is only one document.** Its end is held out, from the beginning of a chapter if one is near; the "
            "page before is in neither part. Figures measured on it are valid for further pages of this document, not "
            "for other documents."
        )
    return (
        f"Split by document (seed {settings.seed}): no document is in two parts. A training page was left out if more "
        "than half of its text is on held-out pages; a held-out page, if more than half of its text is on pages of a "
        "test part. Pages without a text layer were also left out if they show the picture of another page."
    )


def _licence(settings: PairSettings) -> str:
    stated = f"As stated when it was made: {plain(settings.licence)}. " if settings.licence else ""
    return (
        f"{stated}The pages, and the queries taken from them, are parts of the documents: each document's own licence "
        "governs them, and nothing here grants any right to them. Check it, and look for personal data, before you "
        "share this data set or a model trained on it."
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)
