"""Pairs whose label or score says that their two sides do not belong together are not taken for queries and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smart_train.data import SourceConfig, load_examples
from smart_train.errors import DataError
from smart_train.types import Example

Write = Callable[..., Path]


def load(path: Path) -> list[Example]:
    return list(load_examples(SourceConfig(path, columns="positional")))


@pytest.mark.parametrize("zero", [0, 0.0, False])
def test_labels_of_pairs(write_jsonl: Write, zero: Any) -> None:
    """Pairs with a label are trained on there with another loss, to which the pairs labelled 0 are counterexamples."""
    pair = {"sentence1": "a", "sentence2": "b"}
    path = write_jsonl({**pair, "label": 1}, {**pair, "label": zero}, {**pair, "label": None})
    with pytest.raises(DataError, match="column 'label' is 0 in 1 rows, which says that their two sides do not belong"):
        load(path)
    assert len(load(write_jsonl({**pair, "label": 0}, {**pair, "label": 3}))) == 2, "classes"
    assert len(load(write_jsonl({**pair, "label": 1}))) == 1


@pytest.mark.parametrize(
    ("sides", "values", "message"),
    [
        (("premise", "hypothesis"), ("label", 0, 1, 2), "column 'label' holds 0, 1, 2: whether the hypothesis follows"),
        (
            ("sentence1", "sentence2"),
            ("score", 4.8, 2.3, None),
            "column 'score' is below half of the highest in 1 rows",
        ),
    ],
)
def test_pairs_that_are_not_answers(write_jsonl: Write, sides: tuple[str, ...], values: tuple, message: str) -> None:
    """Inference and graded likeness, as sentence-transformers' data sets have them."""
    column, *all_values = values
    rows = [{sides[0]: "a", sides[1]: "b", column: value} for value in all_values]
    with pytest.raises(DataError, match=message):
        load(write_jsonl(*rows))
    assert len(load(write_jsonl(rows[0], rows[0]))) == 2
