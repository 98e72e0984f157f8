"""The rows of ms-swift for embeddings: conversations `messages`, `positive_messages` and `negative_messages`, each side
with its `images` and `videos` (`positive_images`, ...), whose places the marks <image> and <video> show.

The text of a side is what its user says, or the assistant where no user speaks, as in documents of its rows for
rerankers; a system message is the instruction of its side. The marks are taken out: here a model's prompt decides where
an image goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from smart_train.data.table import SplitRows, Table, listed
from smart_train.errors import DataError

_MARKS = re.compile(r"<(image|video|audio)>")
_ALIKE = 0.5
_CALLED = {
    "query": "messages, images, videos",
    "positive": "positive_messages, positive_images, positive_videos",
    "negatives": "negative_messages, negative_images, negative_videos",
    "instruction": "messages",
}


def matches(table: Table) -> bool:
    """Whether the columns are those of ms-swift's rows for embeddings."""
    return {"messages", "positive_messages"} <= {*table.columns}


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    columns = ["query", "positive", "negatives", "instruction"]
    return table.renamed(SplitRows(table, name, "positive_messages", row), columns, _CALLED)


def row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer.

    Raises:
        DataError: a label that says that the two sides do not belong together, or messages of another form.
    """
    _check_label(raw.get("label"))
    for column in ("audios", "positive_audios", "negative_audios"):
        if any(map(listed, listed(raw.get(column)))):
            raise DataError(f"column {column!r}: holds sound, which is not read; remove the row")
    said = listed(raw.get("messages"))
    query = _item(said, listed(raw.get("images")), listed(raw.get("videos"))) or {}
    return {
        "query": {name: value for name, value in query.items() if name != "instruction"} or None,
        "positive": _side(raw, "positive", answer),
        "negatives": [_side(raw, "negative", place) for place in range(len(listed(raw.get("negative_messages"))))]
        or None,
        "instruction": query.get("instruction"),
    }


def _check_label(label: Any) -> None:
    """A label is how alike the two sides are, from 0 to 1, or whether they belong together."""
    if label in (0, "0", "0.0"):
        raise DataError("column 'label': 0 says that the two sides do not belong together; remove the row")
    if isinstance(label, (int, float)) and label < _ALIKE:
        raise DataError(f"column 'label': {label} says that the two sides are hardly alike; remove the row")


def _side(raw: Mapping[str, Any], side: str, place: int) -> dict[str, Any] | None:
    """Conversation number `place` of a side, with the images and videos that belong to it."""
    said = listed(raw.get(f"{side}_messages"))
    if not said:
        return None
    if len(said) > 1 and all(isinstance(message, Mapping) for message in said):
        raise DataError(f"column '{side}_messages': must be a list of conversations, each a list of messages: [[...]]")
    images, videos = listed(raw.get(f"{side}_images")), listed(raw.get(f"{side}_videos"))
    return _item(listed(said[place]), listed(_at(images, place)), listed(_at(videos, place)))


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _item(said: list[Any], images: list[Any], videos: list[Any]) -> dict[str, Any] | None:
    """Text, images, video and instruction of one side, as far as it has them; None where it has no content."""
    if len(videos) > 1:
        raise DataError(f"has {len(videos)} videos on one side; an input may have one")
    words = _said_by("user", said) if any(_role(message) == "user" for message in said) else _said_by("assistant", said)
    _check_marks(said, {"image": images, "video": videos})
    parts = {"text": words, "images": images, "video": videos[0] if videos else None}
    if not any(parts.values()):
        return None
    return {name: value for name, value in {**parts, "instruction": _said_by("system", said)}.items() if value}


def _check_marks(said: list[Any], files: Mapping[str, list[Any]]) -> None:
    """Raises DataError where a side has marks, and more or fewer images or videos than these."""
    marks = [mark for message in said for mark in _MARKS.findall(message["content"])]
    for kind, there in files.items():
        if marks.count(kind) not in (0, len(there)):
            raise DataError(
                f"a side has {marks.count(kind)} marks <{kind}> and {len(there)} {kind}s; name one for each mark in "
                f"that side's column of {kind}s, or remove the row"
            )
    if "audio" in marks:
        raise DataError("a side has the mark <audio>, and sound is not read; remove the row")


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
