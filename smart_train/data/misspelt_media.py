"""Texts that are rather names than documents: in columns that hold images or videos, and ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from smart_train.data.references import OTHER_TYPES, References, bare
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS

IMAGE_COLUMNS = ("image", "page_image")  # whatever a text there looks like, it names an image
_EXTENSIONS = "|".join(re.escape(extension[1:]) for extension in (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS))
_FILE_INSIDE = re.compile(rf"\S\.(?:{_EXTENSIONS}|{OTHER_TYPES})\b", re.IGNORECASE)
_FILE_AT_END = re.compile(r"\S\.[A-Za-z][A-Za-z0-9]{1,4}$")
_OTHER_AT_END = re.compile(rf"\S\.(?:{OTHER_TYPES})$", re.IGNORECASE)
_LONGEST_NAME = 250
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SLASH = re.compile(r"[/\\]")
_FEW_WORDS = 4
# A picture's number, as in "manual page 2" and "IMG 0001 copy". A number alone is in many a short text ("World War 2").
_NUMBERED = re.compile(
    r"_|\b0\d|\b(?:page|pg|p|scan|image|img|figure|fig|slide|sheet|photo|picture|pic|seite|folie|bild)s?[ .-]{0,2}\d",
    re.I,
)
# "doc-12"; not an address, and not a number with a sign.
_COUNTED_ID = re.compile(r"(?!.*://)(?=[_.:/#-]*[A-Za-z])(?P<prefix>[A-Za-z_.:/#-]{1,64})\d{1,20}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{16,128}", re.IGNORECASE)
_FEWEST_IDS = 3  # fewer may be short answers
_A_SENTENCE = 12  # characters of one word, from which languages without blanks may have written a sentence


class MediaColumns:
    """The columns of a source in which some value is an image or a video. A column is looked through when it is first
    asked for, which few sources ever need.

    Args:
        rows: all raw rows of the source, list-like. references: of the same source.
        like: columns whose documents are of the kind of another column's, as negatives are of the positives'. They hold
            images or videos where every value of the other column is one: a text among these allows for more texts.
    """

    def __init__(self, rows: Sequence[Any], references: References, like: Mapping[str, str] | None = None) -> None:
        self._rows, self._references, self._like = rows, references, like or {}
        self._holds_media: dict[str, bool] = {}
        self._media_alone: dict[str, bool] = {}

    def __contains__(self, column: str) -> bool:
        other = self._like.get(column)
        return self._holds(column) or (other is not None and self._holds_nothing_else(other))

    def named(self, column: str) -> str:
        """Which column holds images or videos, where `column` is one of these: for messages."""
        return "this column" if self._holds(column) else f"the column {self._like[column]!r}"

    def _holds(self, column: str) -> bool:
        if column not in self._holds_media:
            self._holds_media[column] = any(map(self._is_media, self._values(column)))
        return self._holds_media[column]

    def _holds_nothing_else(self, column: str) -> bool:
        if column not in self._media_alone:
            kind = type((getattr(self._rows, "features", None) or {}).get(column)).__name__
            values = (value for value in self._values(column) if value is not None)
            # A column of images of `datasets` says so; looking at them all would read all their files.
            self._media_alone[column] = kind == "Image" or (self._holds(column) and all(map(self._is_media, values)))
        return self._media_alone[column]

    def _values(self, column: str) -> Iterator[Any]:
        rows = self._rows.select_columns(column) if hasattr(self._rows, "select_columns") else self._rows
        some = (rows[place] for place in range(len(rows)))
        return (row.get(column) for row in some if isinstance(row, Mapping))

    def _is_media(self, value: Any) -> bool:
        if isinstance(value, str):
            return self._references.names_media(value) or names_other_file(value)
        if isinstance(value, Mapping):
            return any(value.get(key) for key in ("image", "images", "video", "bytes", "path"))
        if isinstance(value, (list, tuple)):
            return any(map(self._is_media, value))
        return isinstance(value, (bytes, Path, Image.Image))


def names_other_file(text: str) -> bool:
    """Whether a text is the name of a file, in few words, that is not read as an image or a video, or not written so
    that it can be: its column was meant to hold such names."""
    name = text.strip()
    if len(name) > _LONGEST_NAME or "\n" in name:
        return False
    words = len(name.split())
    return (words == 1 and bool(_FILE_INSIDE.search(name))) or (words < _FEW_WORDS and bool(_OTHER_AT_END.search(name)))


def reads_as_name(text: str) -> bool:
    """Whether a text is rather a name than words to be read: an address, a few words with a file in them, a single word
    that is more than letters, two words with a number, a few with the number of a picture."""
    name = text.strip()
    words = name.split()
    if _ADDRESS.match(name) or (len(words) <= _FEW_WORDS and (_FILE_INSIDE.search(name) or _FILE_AT_END.search(name))):
        return True
    if len(words) == 1:
        alone = name.rstrip(".,;:!?\"')")
        sentence = len(name) >= _A_SENTENCE and not name.isascii() and not _SLASH.search(name)
        return not sentence and not alone.isalpha()
    numbered = any(letter.isdigit() for letter in name)
    return numbered and (len(words) == 2 or (len(words) <= _FEW_WORDS and bool(_NUMBERED.search(name))))


def are_ids(rows: Sequence[Any], column: str, references: References) -> bool:
    """Whether a column holds nothing but ids, as of documents that are kept apart: several texts which are one prefix
    with a counter, UUIDs or hashes. Other numbers, dates and codes are short answers. The column is read up to the
    first text that is not such an id.

    Args:
        rows: all raw rows of the source, list-like. references: of the same source; a file that is there is an image.
    """
    if column in IMAGE_COLUMNS:
        return False
    rows = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
    seen: set[str] = set()
    kinds: set[str | None] = set()
    for place in range(len(rows)):
        value = rows[place].get(column) if isinstance(rows[place], Mapping) else None
        if value is None:
            continue
        kinds.add(_kind_of_id(bare(value)) if isinstance(value, str) else None)
        if None in kinds or len(kinds) > 1:
            return False
        seen.add(bare(value))
    several = len(seen) >= _FEWEST_IDS and not all(map(str.isdigit, seen))
    return several and not any(map(references.is_there, seen))


def _kind_of_id(text: str) -> str | None:
    """What ids of one set have in common: their prefix, or their form; None of a text that is not such an id."""
    if _UUID.fullmatch(text):
        return "UUID"
    if _HASH.fullmatch(text):
        return "hash"
    counted = _COUNTED_ID.fullmatch(text)
    return None if counted is None else counted["prefix"]
