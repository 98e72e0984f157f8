"""The rows of ms-swift for embeddings: conversations `messages`, `positive_messages` and `negative_messages`, each side
with its `images` and `videos` (`positive_images`, ...), whose places the marks <image> and <video> show.

The text of a side is what its user says, or the assistant where no user speaks, as in documents of its rows for
rerankers; the query's system message is its instruction. The marks are taken out: here a model's prompt decides where
an image goes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from smart_train.data.table import SplitRows, Table, listed
from smart_train.errors import DataError

_MARKS = re.compile(r"<(image|video|audio)>")
_CALLED = {
    "query": "messages, images, videos",
    "positive": "positive_messages, positive_images, positive_videos",
    "negatives": "negative_messages, negative_images, negative_videos",
    "instruction": "messages",
}


def matches(columns: Collection[str]) -> bool:
    """Whether the columns are those of ms-swift's rows for embeddings."""
    return {"messages", "positive_messages"} <= {*columns}


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    columns = ["query", "positive", "negatives", "instruction"]
    return table.renamed(SplitRows(table, name, "positive_messages", row), columns, _CALLED)


def row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer.

    Raises:
        DataError: a label that says that the two sides do not belong together, or messages of another form.
    """
    if raw.get("label") in (0, "0", "0.0"):
        raise DataError("column 'label': 0 says that the two sides do not belong together; remove the row")
    said = listed(raw.get("messages"))
    return {
        "query": _item(said, listed(raw.get("images")), listed(raw.get("videos"))),
        "positive": _side(raw, "positive", answer),
        "negatives": [_side(raw, "negative", place) for place in range(len(listed(raw.get("negative_messages"))))]
        or None,
        "instruction": _said_by("system", said) or None,
    }


def _side(raw: Mapping[str, Any], side: str, place: int) -> dict[str, Any] | None:
    """Conversation number `place` of a side, with the images and videos that belong to it."""
    said = listed(raw.get(f"{side}_messages"))
    if not said:
        return None
    images, videos = listed(raw.get(f"{side}_images")), listed(raw.get(f"{side}_videos"))
    return _item(listed(said[place]), listed(_at(images, place)), listed(_at(videos, place)))


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _item(said: list[Any], images: list[Any], videos: list[Any]) -> dict[str, Any] | None:
    if len(videos) > 1:
        raise DataError(f"has {len(videos)} videos on one side; an input may have one")
    words = _said_by("user", said) if any(_role(message) == "user" for message in said) else _said_by("assistant", said)
    parts = {"text": words, "images": images, "video": videos[0] if videos else None}
    return {name: value for name, value in parts.items() if value} or None


def _said_by(role: str, said: list[Any]) -> str:
    """What one of a conversation says, without the marks."""
    texts = []
    for message in said:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise DataError('a message must read {"role": ..., "content": TEXT}')
        if _role(message) == role:
            texts.append(" ".join(_MARKS.sub(" ", message["content"]).split()))
    return "\n".join(words for words in texts if words)


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, Mapping) else None
