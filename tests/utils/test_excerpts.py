"""The beginning of a long text: one line, cut after a word, and never empty."""

from __future__ import annotations

import pytest

from smart_train.utils.excerpts import beginning


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("a  blue\nsky", 10, "a blue sky"),
        ("a blue sky is", 12, "a blue [...]"),
        ("a grey cat sat", 16, "a grey cat sat"),
        ("a grey cat sat on", 16, "a grey cat [...]"),
        ("the cats sat", 10, "the [...]"),
        ("how to reset", 12, "how to reset"),
        ("重置水泵之前请先关闭电源", 10, "重置水泵 [...]"),
        ("A: 重置水泵之前请先关闭电源", 14, "A: 重置水泵之 [...]"),
        ("incomprehensibilities", 12, "incomp [...]"),
    ],
)
def test_the_beginning_of_a_text(text: str, most: int, expected: str) -> None:
    assert beginning(text, most) == expected
    assert len(expected) <= most
