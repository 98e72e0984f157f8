"""`smart-train make-pairs`: a folder of PDF files as training and held-out pairs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from smart_train.cli.output import plain_console
from smart_train.errors import EndpointError

if TYPE_CHECKING:
    from smart_train.pairs import Estimate, PairReport, VisionWriter

KEY_VARIABLE = "SMART_TRAIN_API_KEY"


def make_pairs(
    folder: Annotated[Path, typer.Argument(help="A folder of PDF files, all levels.", metavar="PDF_DIR")],
    output: Annotated[Path, typer.Option(help="The data set to make: a folder that is not there yet.")],
    queries_per_page: Annotated[int, typer.Option(help="At most so many queries for a page.")] = 3,
    held_out: Annotated[float, typer.Option(help="Share of the pages to hold out, whole documents at a time.")] = 0.2,
    test: Annotated[
        float, typer.Option(help="Share for a third part, likewise: to report by, where the second chooses.")
    ] = 0.0,
    dpi: Annotated[int, typer.Option(help="Resolution of the pages.")] = 144,
    seed: Annotated[int, typer.Option(help="Decides which documents are held out.")] = 0,
    licence: Annotated[str | None, typer.Option(help="The documents' licence, for the card.")] = None,
    on_error: Annotated[
        Literal["fail", "skip"], typer.Option(help="Stop at files that cannot be used, or leave them out.")
    ] = "fail",
    endpoint: Annotated[
        str | None,
        typer.Option(help="Let a vision model write the queries: an OpenAI-compatible address, https://host/v1."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The vision model's name at the endpoint.")] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="Another prompt; $limit stands for the number of queries.")
    ] = None,
    api_key_env: Annotated[str, typer.Option(help="The environment variable that holds the key.")] = KEY_VARIABLE,
    requests_per_minute: Annotated[float | None, typer.Option(help="At most so many; no limit if not given.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Requests at the same time.")] = 4,
    prices: Annotated[
        tuple[float, float] | None, typer.Option(help="Per million tokens in and out, for the cost estimate.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the first request.")] = False,
) -> None:
    """Make queries for the pages of PDF files, split by document, with the pages drawn and a card.

    Without --endpoint they are taken from the pages' own text, and no model is asked.
    """
    from smart_train.pairs import ChatEndpoint, PairSettings, VisionWriter
    from smart_train.pairs import make_pairs as make

    settings = PairSettings(dpi, queries_per_page, held_out, test, seed, licence, on_error)
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
        raise EndpointError("--endpoint and --model go together: the address, and the model's name there")
    elif prompt is not None or prices is not None or requests_per_minute is not None:
        raise EndpointError("--prompt, --prices and --requests-per-minute belong to --endpoint; name one")
    _show(make(folder, output, settings, writer=writer), writer)


def _say(estimate: Estimate, endpoint: str) -> bool:
    plain_console().print(f"{endpoint}: {estimate}")
    return True


def _agreed(estimate: Estimate, endpoint: str) -> bool:
    _say(estimate, endpoint)
    if not sys.stdin.isatty():
        raise EndpointError("nobody is there to agree to the estimate; pass --yes")
    return typer.confirm("Ask?")


def _show(report: PairReport, writer: VisionWriter | None) -> None:
    console = plain_console()
    if report.again:
        console.print(f"{report.output}: made already, with these files and settings")
    for problem in report.problems:
        console.print(f"left out: {problem}")
    for name, part in report.counts.items():
        console.print(
            f"{report.output / name}.jsonl: {part['queries']} queries for {part['pages']} of {part['corpus']} pages, "
            f"{part['documents']} documents"
        )
    console.print("queries: " + ", ".join(f"{number} {kind}" for kind, number in report.kinds.items()))
    if report.left_out:
        console.print("pages not asked for: " + ", ".join(f"{n} {why}" for why, n in report.left_out.items()))
    if writer is not None and any(writer.used):
        console.print(f"tokens used, as the endpoint counts: {writer.used[0]:,} in, {writer.used[1]:,} out")
    if report.one_document:
        console.print(
            "WARNING: there is one document only. Its last pages are held out: figures measured on them speak of this "
            "document, not of others. Add documents for an honest figure."
        )
