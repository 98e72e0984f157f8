"""The rows of ms-swift, for embedding models and for rerankers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smart_train.errors import DataError
from smart_train.types import ModelInput
from tests.data.test_foreign_rows import load, texts

Write = Callable[..., Path]


def test_swift(pages: list[Path], write_jsonl: Write) -> None:
    def user(words: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": words}]

    path = write_jsonl(
        {
            "messages": [{"role": "system", "content": "Find the page."}, *user("<image> like this")],
            "images": ["pages/0.png"],
            "positive_messages": [user("<image>")],
            "positive_images": [["pages/1.png"]],
            "negative_messages": [user("<image><image>two pages"), user("words alone")],
            "negative_images": [["pages/2.png", "pages/3.png"], []],
        },
        {"messages": user("red?"), "label": 0.8,
         "positive_messages": [[{"role": "system", "content": "Read it."}, *user("a red one")]]},
    )  # fmt: skip
    first, second = load(path)
    assert first.query == ModelInput("like this", (pages[0],), instruction="Find the page.")
    assert first.documents == (
        ModelInput(images=(pages[1],)),
        ModelInput("two pages", (pages[2], pages[3])),
        ModelInput("words alone"),
    )
    assert second.query == ModelInput("red?")
    assert second.documents == (ModelInput("a red one", instruction="Read it."),)


def test_swift_for_rerankers(pages: list[Path], write_jsonl: Write) -> None:
    """There the assistant says the documents, and the query is the user's, whatever was answered to it."""

    def said(words: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": words}]

    path = write_jsonl(
        {
            "messages": [{"role": "user", "content": "red?"}, *said("an answer")],
            "positive_messages": [said("a red one"), said("<image>")],
            "positive_images": [[], ["pages/1.png"]],
            "negative_messages": [said("a blue one")],
        }
    )
    first, second = load(path)
    assert first.query == ModelInput("red?") and texts(first) == ["a red one", "a blue one"]
    assert second.documents[0] == ModelInput(images=(pages[1],))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 0}, "row 1, column 'label': 0 says that the two sides do not belong together; remove the row"),
        ({"messages": [{"role": "user"}]}, 'row 1: a message must read {"role": ..., "content": TEXT}'),
        ({"positive_messages": []}, "row 1: column 'positive_messages, positive_images, positive_videos' is null"),
        ({"label": 0.1}, "row 1, column 'label': 0.1 says that the two sides are hardly alike; remove the row"),
        (
            {"messages": [{"role": "user", "content": "<image>a"}]},
            "row 1: a side has 1 marks <image> and 0 images; name",
        ),
        (
            {"messages": [{"role": "user", "content": "<audio>"}]},
            "row 1: a side has the mark <audio>, and sound is not",
        ),
        ({"audios": ["a.wav"]}, "row 1, column 'audios': holds sound, which is not read; remove the row"),
        (
            {"positive_messages": [{"role": "system", "content": "b"}, {"role": "user", "content": "c"}]},
            "row 1, column 'positive_messages': must be a list of conversations, each a list of messages: [[...]]",
        ),
        ({"videos": ["a.mp4", "b.mp4"]}, "row 1: has 2 videos on one side; an input may have one"),
    ],
)
def test_bad_rows_of_swift(write_jsonl: Write, change: dict, message: str) -> None:
    said = {"messages": [{"role": "user", "content": "a"}], "positive_messages": [[{"role": "user", "content": "b"}]]}
    with pytest.raises(DataError) as caught:
        load(write_jsonl(said, {**said, **change}))
    assert message in str(caught.value)
