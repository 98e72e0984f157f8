"""The columns of VLM2Vec and MMEB: `qry`, `qry_image_path`, `pos_text`, `pos_image_path`, `neg_text`, `neg_image_path`;
in the evaluation sets `qry_text`, `qry_img_path` and lists `tgt_text`, `tgt_img_path` whose first entry is the answer.

Image paths start from `image_root`, or from the folder of the file. What marks in the text where the image goes,
`<|image_1|>` or the mark of a model, is taken out: here a model's prompt decides that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smart_train.data.table import AdaptedRows, Table, listed
from smart_train.errors import DataError

_MARK = re.compile(r"<\|image_\d+\|>|(?:<\|vision_start\|>)?<\|(?:image|video)_pad\|>(?:<\|vision_end\|>)?|<image>")
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
        rows=AdaptedRows(table.rows, row, name, table.numbers),
        columns=["query", "positive", "negatives"],
        called=called,
        available=table.columns,
    )


def row(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One row under our names; what has neither text nor image is None.

    Raises:
        DataError: a text has a mark for an image, and there is none.
    """
    positives, negatives = _items(raw, "positive"), _items(raw, "negative")
    query = _items(raw, "query")
    return {
        "query": query[0] if query else None,
        "positive": positives[0] if positives else None,
        "negatives": [item for item in (*positives[1:], *negatives) if item is not None],
    }


def _items(raw: Mapping[str, Any], side: str) -> list[dict[str, Any] | None]:
    """The inputs of one side; a list of several stands in both columns or in one of them."""
    texts, images = (listed(next((raw[name] for name in names if name in raw), None)) for names in _SIDES[side])
    count = max(len(texts), len(images))
    texts += [None] * (count - len(texts))
    images += [None] * (count - len(images))
    return [_item(text, image) for text, image in zip(texts, images, strict=True)]


def _item(text: Any, image: Any) -> dict[str, Any] | None:
    # What is not text is left to the reader of rows, which names the row.
    words = _MARK.sub(" ", text).strip() if isinstance(text, str) else text
    if image in (None, "") and isinstance(text, str) and _MARK.search(text):
        raise DataError(f"{text[:60]!r} has a mark for an image, and there is no image beside it; remove the row")
    parts = {"text": words, "image": image}
    return {name: value for name, value in parts.items() if value not in (None, "")} or None
