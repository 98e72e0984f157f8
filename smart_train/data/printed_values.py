"""Texts that stand for something else: what Python prints of a list, of an image in memory or of its bytes, which is in
tables that went through pandas; and the mark of an image. A document about code may hold the same, so that the whole
column decides."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Sequence
from typing import Any

from smart_train.data.column_values import first_values
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS

_KINDS = (
    (re.compile(r"<[\w.]+[^<>\n]*\bat 0x[0-9A-Fa-f]+>"), "an object in memory, which no file holds"),
    (re.compile(r"(?:tensor|array)\(\[.*\)", re.DOTALL), "an array"),
    (re.compile(r"\[\[[\[\]\s\d.,eE+-]+\]"), "an array"),
    (re.compile(r"<img\b[^<>]*>(?:</img>)?", re.IGNORECASE), "an image of a web page"),
    (re.compile(r"<img>[^<>\n]+</img>.*", re.DOTALL), "an image in the marks of a chat"),  # of Qwen-VL
)
_BEGINNINGS = ("<", "{", "[", "tensor(", "array(")


class PrintedColumns:
    """The columns of a source in which most texts are printed values. A column is looked at when a value of it could be
    one.

    Args:
        rows: all raw rows of the source, list-like.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows
        self._mostly: dict[str, bool] = {}

    def kind(self, text: str, column: str) -> str | None:
        """What a text of a column is printed of, for a message; None where it is a text."""
        kind = printed(text)
        return kind if kind is not None and self._is_mostly_printed(column) else None

    def _is_mostly_printed(self, column: str) -> bool:
        if column not in self._mostly:
            texts = [text for value in first_values(self._rows, column) for text in _texts(value)]
            count = sum(printed(text) is not None for text in texts)
            self._mostly[column] = 2 * count > len(texts)
        return self._mostly[column]


def _texts(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(item, str)]


def printed(text: str) -> str | None:
    """What a text alone could be printed of; None of any other text."""
    bare = text.strip()
    if not bare.startswith(_BEGINNINGS):  # nearly every text
        return None
    kind = next((kind for pattern, kind in _KINDS if pattern.fullmatch(bare)), None)
    return _kind_of(_parsed(bare)) if kind is None and bare[0] in "[{" else kind


def _kind_of(value: Any) -> str | None:
    if isinstance(value, list):
        return "a list" if value and all(isinstance(item, str) for item in value) else None
    if not isinstance(value, dict):
        return None
    if value.keys() == {"choices"}:  # of Label Studio
        return "several choices" if _kind_of(value["choices"]) else None
    names_file = str(value.get("path")).lower().endswith((*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS))
    if value and value.keys() <= {"bytes", "path"} and (isinstance(value.get("bytes"), bytes) or names_file):
        return "an image with its bytes or path"
    return None


def _parsed(text: str) -> Any:
    """The value that a whole text is in JSON or in Python; None where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
