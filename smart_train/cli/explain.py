"""`smart-train explain`: why a document scores as it does for a query, token by token, and where on the page."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from smart_train.cli.arguments import READING, ModelPath, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import plain_console
from smart_train.cli.rows import pages_of
from smart_train.errors import DataError

_PDF_PAGE = re.compile(r"(?P<file>.+\.pdf)#page=(?P<number>\d+)(?:&chunk=(?P<chunk>\d+))?", re.IGNORECASE)


@grouped
def explain(
    model: ModelPath,
    query: Annotated[str, typer.Option(help="The query: a text, or an image file.")],
    document: Annotated[
        list[str],
        typer.Option(
            help="The document: an image file or its address, FILE.pdf#page=N, or a text. One only.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Also write an HTML page (map.html: heat maps of a page, coloured words of a text) or a picture "
            "(map.png).",
            show_default=False,
        ),
    ] = None,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Show which tokens of a query match which parts of a document, and what each adds to the score."""
    from smart_train.explain import explain as explain_pair
    from smart_train.explain import write_explanation
    from smart_train.explain.page import check_output
    from smart_train.inputs.model_input import as_model_input
    from smart_train.report.html import check_replaceable

    if len(document) > 1:
        raise DataError(f"--document: given {len(document)} times; explain shows one document, name one")
    for option, value in (("--query", query), ("--document", document[0])):
        _check_address(option, value)
    query_input, document_input = as_model_input(query), as_model_input(_of_pdf(document[0], model, reading))
    for option, item in (("--query", query_input), ("--document", document_input)):
        if item.video is not None:
            raise DataError(
                f"{option} {item.video}: is a video; pages and texts can be explained, videos cannot. Name one of its "
                "frames as an image"
            )
        if item.is_blank:
            raise DataError(f"{option}: is empty; give a text or an image")
    if output is not None:
        check_output(output, text_alone=not document_input.images)
        check_replaceable("--output", output)
    reader = open_model(model, reading)
    explanation = explain_pair(reader, query_input, document_input)
    _print(explanation)
    if output is not None:
        plain_console().print(f"Written: {write_explanation(explanation, output)}")


def _print(explanation: Any) -> None:
    from rich.table import Table

    from smart_train.explain.page import images_note

    console = plain_console()
    console.print(f"score {explanation.sum}")
    table = Table("token", "similarity", "share", "best match", box=None)
    for row in explanation.records():
        table.add_row(row["token"], f"{row['best']:.4f}", f"{row['share']:.4f}", row["match"])
    if explanation.pooled is not None:
        table.add_row("pooled vector", f"{explanation.pooled:.4f}", f"{explanation.pooled_share:.4f}", "pooled vector")
    console.print(table)
    if explanation.document.images:
        console.print(images_note(explanation))


def _check_address(option: str, value: str) -> None:
    """Raises DataError for a value that reads as a file name but is not a file that can be explained. Without this
    check it would be explained as a text."""
    from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS
    from smart_train.inputs.fetching import URL_SCHEMES

    if value.startswith((*URL_SCHEMES, "data:")) or "\n" in value or _PDF_PAGE.fullmatch(value):
        return
    ending = os.path.splitext(value)[1].lower()
    if os.path.isdir(value):
        raise DataError(f"{option} {value}: is a folder; explain shows one document, name one page in it")
    if ending == ".pdf":
        raise DataError(f"{option} {value}: a PDF file has pages, and explain shows one; write {value}#page=1")
    if not os.path.exists(value):
        if ending in (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS) and not any(letter.isspace() for letter in value):
            raise DataError(f"{option} {value}: no such file")
        return
    if ending not in (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS):
        raise DataError(
            f"{option} {value}: is a file, but not an image ({', '.join(IMAGE_EXTENSIONS[:5])}, ...); to explain a "
            f'text, give the text itself: {option} "$(cat {value})"'
        )


def _of_pdf(value: str, model: str, reading: Mapping[str, Any]) -> Any:
    """The page where `value` names one, as results of `smart-train search` do: its image, or its text, or the part of
    its text, where `model` reads no images; else `value`."""
    named = _PDF_PAGE.fullmatch(value)
    if named is None:
        return value
    from smart_train.data import read_pdf
    from smart_train.data.formats.pdf_texts import NO_TEXT, read_pdf_texts

    as_text = pages_of(model, reading) == "text"
    if named["chunk"] is not None and not as_text:
        raise DataError(f"--document {value}: only a model that reads no images has a page in chunks; leave out &chunk")
    pages: Sequence[Any] = read_pdf_texts(named["file"]) if as_text else read_pdf(named["file"])
    number = int(named["number"])
    if not 1 <= number <= len(pages):
        raise DataError(f"--document {value}: the file has {len(pages)} pages, counted from 1")
    page = pages[number - 1]
    if not as_text:
        return page.image
    if page.made_by is None:
        raise DataError(f"--document {value}: this page has no text layer; {NO_TEXT}")
    return {
        "text": page.text if named["chunk"] is None else _chunk(page.text, int(named["chunk"]), value, model, reading)
    }


def _chunk(text: str, number: int, value: str, model: str, reading: Mapping[str, Any]) -> str:
    """The part of a page's text with this number, as `smart-train search` cuts it for the model."""
    from smart_train.data.chunks import splitter
    from smart_train.models.loading import family_of

    parts = splitter(family_of(model, family=reading["family"], base=reading["base"]))(text)
    if not 1 <= number <= len(parts):
        raise DataError(f"--document {value}: for this model the page has {len(parts)} chunks, counted from 1")
    return parts[number - 1]
