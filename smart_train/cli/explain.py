"""`smart-train explain`: why a document scores as it does for a query, token by token, and where on the page."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import READING, ModelPath, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_place, plain_console
from smart_train.cli.rows import Ocr, as_options
from smart_train.cli.typed_options import rewritten
from smart_train.errors import DataError, ModelError

if TYPE_CHECKING:
    from smart_train.data.formats.ocr_engine import OcrMode

_PAGE = re.compile(r".+\.(pdf|tiff?)#page=\d+(&chunk=\d+)?", re.IGNORECASE)
_CHUNK = re.compile(r"#chunk=\d+$")  # of a picture, whose name stands before it


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
    ocr: Ocr = None,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Show which tokens of a query match which parts of a document, and what each adds to the score."""
    from smart_train.cli.named_page import named_page
    from smart_train.explain import explain as explain_pair
    from smart_train.explain import write_explanation
    from smart_train.explain.page import check_output
    from smart_train.explain.printed_words import on_picture
    from smart_train.inputs.model_input import as_model_input
    from smart_train.report.html import check_replaceable

    if len(document) > 1:
        raise DataError(f"--document: given {len(document)} times; explain shows one document, name one")
    for option, value in (("--query", query), ("--document", document[0])):
        _check_address(option, value)
    with rewritten(as_options):
        page = named_page(document[0], model, reading, ocr)
    query_input, document_input = as_model_input(query), as_model_input(page.value)
    for option, item in (("--query", query_input), ("--document", document_input)):
        if item.video is not None:
            raise DataError(
                f"{option} {item.video}: is a video; pages and texts can be explained, videos cannot. Name one of its "
                "frames as an image"
            )
        if item.is_blank:
            raise DataError(f"{option}: is empty; give a text or an image")
    if output is not None:
        check_output(output, text_alone=not document_input.images and page.printed is None)
        check_replaceable("--output", output)
        check_place("--output", output)
    reader = open_model(model, reading)
    for option, item in (("--query", query_input), ("--document", document_input)):
        if item.images and "image" not in reader.family.modalities:
            raise ModelError(
                f"{option}: is an image, and the model reads {' and '.join(reader.family.modalities)} alone; "
                f"{_instead(page.value if option == '--document' else query, ocr)}"
            )
    explanation = explain_pair(reader, query_input, document_input)
    if page.printed is not None:
        explanation = on_picture(explanation, *page.printed)
    _print(explanation)
    if output is not None:
        plain_console().print(f"Written: {write_explanation(explanation, output)}")


def _instead(value: Any, ocr: OcrMode | None) -> str:
    """What to do about an image that the model does not read."""
    from smart_train.data.formats.ocr_engine import chosen_engine
    from smart_train.data.formats.scan_texts import to_do

    if isinstance(value, Path) and chosen_engine(ocr or "auto") is None:
        return as_options(to_do(ocr))
    return "give a text, or choose a model that reads images"


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

    if value.startswith((*URL_SCHEMES, "data:")) or "\n" in value or _PAGE.fullmatch(value):
        return
    file = _CHUNK.sub("", value)
    ending = os.path.splitext(file)[1].lower()
    if os.path.isdir(value):
        raise DataError(f"{option} {value}: is a folder; explain shows one document, name one page in it")
    if ending == ".pdf":
        raise DataError(f"{option} {value}: a PDF file has pages, and explain shows one; write {value}#page=1")
    if not os.path.exists(file):
        if ending in (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS) and not any(letter.isspace() for letter in file):
            raise DataError(f"{option} {value}: no such file")
        return
    if ending not in (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS):
        raise DataError(
            f"{option} {value}: is a file, but not an image ({', '.join(IMAGE_EXTENSIONS[:5])}, ...); to explain a "
            f'text, give the text itself: {option} "$(cat {value})"'
        )
