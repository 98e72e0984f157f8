"""`smart-train make-pairs`: a folder of PDF files as training and held-out pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from smart_train.cli.output import plain_console


def make_pairs(
    folder: Annotated[Path, typer.Argument(help="A folder of PDF files, all levels.", metavar="PDF_DIR")],
    output: Annotated[Path, typer.Option(help="The data set to make: a folder that is not there yet.")],
    queries_per_page: Annotated[int, typer.Option(help="At most so many queries for a page.")] = 3,
    held_out: Annotated[float, typer.Option(help="Share of the pages to hold out, whole documents at a time.")] = 0.2,
    dpi: Annotated[int, typer.Option(help="Resolution of the pages.")] = 144,
    seed: Annotated[int, typer.Option(help="Decides which documents are held out.")] = 0,
    licence: Annotated[str | None, typer.Option(help="The documents' licence, for the card.")] = None,
    on_error: Annotated[
        Literal["fail", "skip"], typer.Option(help="Stop at files that cannot be used, or leave them out.")
    ] = "fail",
) -> None:
    """Make queries for the pages of PDF files, split by document, with the pages drawn and a card."""
    from smart_train.pairs import PairSettings
    from smart_train.pairs import make_pairs as make

    settings = PairSettings(dpi, queries_per_page, held_out, seed, licence, on_error)
    report = make(folder, output, settings)
    console = plain_console()
    if report.again:
        console.print(f"{output}: made already, with these files and settings")
    for problem in report.problems:
        console.print(f"left out: {problem}")
    for name, part in report.counts.items():
        console.print(
            f"{output / name}.jsonl: {part['queries']} queries for {part['pages']} of {part['corpus']} pages, "
            f"{part['documents']} documents"
        )
    console.print("queries: " + ", ".join(f"{number} {kind}" for kind, number in report.kinds.items()))
    if report.left_out:
        console.print("pages not asked for: " + ", ".join(f"{n} {why}" for why, n in report.left_out.items()))
    if report.one_document:
        console.print(
            "WARNING: there is one document only. Its last pages are held out: figures measured on them speak of this "
            "document, not of others. Add documents for an honest figure."
        )
