"""Lengths of rows, from headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from smart_train.data import Mixture, MixturePart, groups_of
from smart_train.data.lengths import cut_shares, longest_documents
from smart_train.errors import DataError
from smart_train.types import Example, ModelInput


class Counter:
    """A token for every word, and for every ten pixels of an image's side."""

    max_length = 50

    def token_count(self, item: ModelInput, role: str, image_sizes: Sequence[tuple[int, int]]) -> int:
        assert role == "document" and len(image_sizes) == len(item.images)
        return len((item.text or "").split()) + sum(width * height // 100 for width, height in image_sizes)


def row(*documents: ModelInput) -> Example:
    return Example(ModelInput("q"), documents, "q", tuple(map(str, range(len(documents)))), "made", 0)


@pytest.fixture
def rows(tmp_path: Path) -> list[Example]:
    for name, size in (("a.png", (20, 30)), ("b.png", (40, 50))):
        Image.new("RGB", size).save(tmp_path / name)
    page, large = (ModelInput(images=(tmp_path / name,)) for name in ("a.png", "b.png"))
    return [row(page, large), row(large), row(ModelInput("one two three"), page), row(ModelInput("w " * 99))]


def test_the_longest_of_the_documents_used(rows: list[Example]) -> None:
    assert longest_documents(rows, Counter()) == [6, 20, 3, 50]
    assert longest_documents(rows, Counter(), negatives=1) == [20, 20, 6, 50]


class SidesCounter(Counter):
    def token_count(self, item: ModelInput, role: str, image_sizes: Sequence[tuple[int, int]]) -> int:
        return 60 if role == "query" else super().token_count(item, role, image_sizes)


def test_the_share_that_is_cut_of_each_side(rows: list[Example]) -> None:
    # Every query has 60 tokens, of which 50 are read; of the positives' 6 + 20 + 3 + 99 the last loses 49.
    assert cut_shares(rows, SidesCounter()) == pytest.approx({"query": 10 / 60, "document": 49 / 128})
    assert cut_shares(rows, SidesCounter(), negatives=1)["document"] == pytest.approx(49 / 154)
    assert cut_shares(rows * 100, SidesCounter(), sample=4)["query"] == pytest.approx(10 / 60)
    videos = [replace(rows[0], query=ModelInput(video="a.mp4"), documents=(ModelInput(video="a.mp4"),))]
    assert cut_shares(videos, SidesCounter()) == {"query": 0.0, "document": 0.0}


def test_groups_know_their_lengths(rows: list[Example]) -> None:
    mixture = Mixture([MixturePart("a", rows[:3], negatives=1), MixturePart("b", rows[3:])])
    first, second = groups_of(mixture, counter=Counter())
    assert (first.lengths, first.documents) == ([20, 20, 6], 2) and (second.lengths, second.documents) == ([50], 1)


def test_an_image_that_cannot_be_read_is_named(rows: list[Example], tmp_path: Path) -> None:
    (tmp_path / "b.png").unlink()
    with pytest.raises(DataError, match="b.png: no such file"):
        longest_documents(rows, Counter())
