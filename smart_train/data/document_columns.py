"""What a row of a table of documents consists of, where that stands in more columns than one: a title before a text,
images and videos, a picture under a name that may mean other things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smart_train.data.column_values import first_values
from smart_train.data.references import ADDRESS, References, bare
from smart_train.data.table import AdaptedRows, Table

_WORDS = ("text", "document")
_SHOWN = ("positive", "image", "page_image", "video")
# Beside a text these are as often where it comes from ("report.pdf"); what they hold decides.
_MAYBE_SHOWN = ("image_path", "img_path", "image_file", "image_filepath", "img", "images", "page_path", "file_name")


def with_videos(table: Table) -> Table:
    """Documents that are an image in one row and a video in another, or both, as Tevatron's are."""
    if not {"image", "video"} <= {*table.columns} or "positive" in table.columns:
        return table
    return replace(
        table,
        rows=AdaptedRows(table.rows, _shown),
        columns=[name for name in table.columns if name != "video"],
        called={**table.called, "image": "image, video"},
        available=table.columns if table.available is None else table.available,
    )


def picture_beside_text(table: Table, references: References) -> dict[str, str]:
    """The map of columns where a text has its picture beside it in a column that holds names of pictures, or pictures;
    empty where there is none."""
    words = next((name for name in _WORDS if name in table.columns), None)
    if words is None or any(name in table.columns for name in _SHOWN):
        return {}
    shown = next((name for name in _MAYBE_SHOWN if name in table.columns and _shows(table, name, references)), None)
    return {} if shown is None else {"positive": shown, "text": words}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    parts = {name: row.get(name) for name in ("image", "video")}
    shown = {name: value for name, value in parts.items() if value not in (None, "")}
    return {**{name: value for name, value in row.items() if name != "video"}, "image": shown or None}


def _shows(table: Table, column: str, references: References) -> bool:
    """Whether every value of a column is one picture, and not an address or the name of where the text comes from. One
    that is not there is an error later, so that a name misspelt does not lose the pictures of the others; where none is
    there, the names are not meant for this folder."""
    values = [_alone(value) for value in first_values(table.rows, column)]
    if not all(_is_picture(value, references) for value in values):
        return False
    return any(not isinstance(value, str) or references.holds(value) for value in values)


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _is_picture(value: Any, references: References) -> bool:
    if isinstance(value, Mapping):
        return bool(value.get("bytes") or value.get("path"))
    if isinstance(value, str):
        return references.names_media(value) and not ADDRESS.fullmatch(bare(value))
    return isinstance(value, bytes)
