"""The columns of VLM2Vec and MMEB: `qry`, `qry_image_path`, `pos_text`, `pos_image_path`, `neg_text`, `neg_image_path`;
in the evaluation sets `qry_text`, `qry_img_path` and lists `tgt_text`, `tgt_img_path` whose first entry is the answer.

Image paths start from `image_root`, or from the folder of the file. What marks in the text where the image goes,
`<|image_1|>` or the mark of a model, is taken out: here a model's prompt decides that. `<image>` is also a tag, which a
text may be about: inside a text it is a word where no row of that side has an image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from smart_train.data.table import AdaptedRows, Table, listed
from smart_train.errors import DataError

_MARK = re.compile(r"<\|image_\d+\|>|(?:<\|vision_start\|>)?<\|(?:image|video)_pad\|>(?:<\|vision_end\|>)?|<image>")
_TAG = "<image>"
_EMPTY = (None, "")
_SIDES = {  # our name -> (text, image) columns, those of training first
    "query": (("qry", "qry_text"), ("qry_image_path", "qry_img_path")),
    "positive": (("pos_text", "tgt_text"), ("pos_image_path", "tgt_img_path")),
    "negative": (("neg_text",), ("neg_image_path",)),
}


def matches(table: Table) -> bool:
    """Whether the columns are those of VLM2Vec."""
    names = {*table.columns}
    pairs = (("qry", "pos_text"), ("qry_text", "tgt_text"), ("qry_text", "pos_text"))
    return any({query, positive} <= names for query, positive in pairs)


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    theirs = {
        ours: ", ".join(name for names in sides for name in names if name in table.columns)
        for ours, sides in _SIDES.items()
    }
    called = {"query": theirs["query"], "positive": theirs["positive"], "negatives": theirs["negative"]}
    return replace(
        table,
        rows=AdaptedRows(table.rows, _Adapt(table.rows), name, table.numbers),
        columns=["query", "positive", "negatives"],
        called=called,
        available=table.columns,
    )


class _Adapt:
    """Gives a row under our names; what has neither text nor image is None there.

    Args:
        rows: all rows of the source. They are looked through for images of a side only if a text of it needs that.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows
        self._with_images: dict[str, bool] = {}

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """
        Raises:
            DataError: a text has a mark for an image, and there is none.
        """
        positives, negatives = self._items(raw, "positive"), self._items(raw, "negative")
        query = self._items(raw, "query")
        return {
            "query": query[0] if query else None,
            "positive": positives[0] if positives else None,
            "negatives": [item for item in (*positives[1:], *negatives) if item is not None],
        }

    def _items(self, raw: Mapping[str, Any], side: str) -> list[dict[str, Any] | None]:
        """The inputs of one side; a list of several stands in both columns or in one of them."""
        texts, images = (_values(raw, names) for names in _SIDES[side])
        count = max(len(texts), len(images))
        texts += [None] * (count - len(texts))
        images += [None] * (count - len(images))
        return [self._item(text, image, side) for text, image in zip(texts, images, strict=True)]

    def _item(self, text: Any, image: Any, side: str) -> dict[str, Any] | None:
        words = text
        if isinstance(text, str) and self._has_mark(text, side):  # the reader of rows refuses what is not text
            if image in _EMPTY:
                raise DataError(f"{text[:60]!r} has a mark for an image, but its row lacks the image; remove the row")
            words = _MARK.sub(" ", text)
        parts = {"text": words.strip() if isinstance(words, str) else words, "image": image}
        return {name: value for name, value in parts.items() if value not in _EMPTY} or None

    def _has_mark(self, text: str, side: str) -> bool:
        marks = set(_MARK.findall(text))
        if marks != {_TAG}:
            return bool(marks)
        words = text.strip()
        return words.startswith(_TAG) or words.endswith(_TAG) or self._has_images(side)

    def _has_images(self, side: str) -> bool:
        if side not in self._with_images:
            names = _SIDES[side][1]
            some = (self._rows[place] for place in range(len(self._rows)))
            images = (image for raw in some if isinstance(raw, Mapping) for image in _values(raw, names))
            self._with_images[side] = any(image not in _EMPTY for image in images)
        return self._with_images[side]


def _values(raw: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """What the first of these columns that is there holds, as a list."""
    return listed(next((raw[name] for name in names if name in raw), None))
