"""A teacher's scores: every way to write them gives the same Example, and the batch aligns them with its documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smart_train.data import PairCollator, SourceConfig, load_examples
from smart_train.errors import DataError

Write = Callable[..., Path]
DOCUMENTS = {"query": "q", "positive": "p", "negative_0": "a", "negative_1": "b"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"scores": [0.9, 0.3, -1]}, (0.9, 0.3, -1.0)),
        ({"score": 0.9, "negative_0_score": 0.3, "negative_1_score": -1}, (0.9, 0.3, -1.0)),
        ({"positive_score": 0.9, "negative_1_score": 0}, (0.9, None, 0.0)),
        ({"scores": [None, 0.3, None]}, (None, 0.3, None)),
        ({"scores": [None, None, None]}, ()),
        ({}, ()),
    ],
)
def test_ways_to_write_scores(write_jsonl: Write, values: dict, expected: tuple) -> None:
    assert load_examples(SourceConfig(write_jsonl({**DOCUMENTS, **values})))[0].scores == expected


def test_scores_beside_a_list_of_negatives(write_jsonl: Write) -> None:
    row = {"query": "q", "positive": "p", "negatives": ["a", "b"], "score": 2, "negatives_score": [1, None]}
    assert load_examples(SourceConfig(write_jsonl(row)))[0].scores == (2.0, 1.0, None)


def test_the_batch_aligns_scores_with_own_documents(write_jsonl: Write, echo: object) -> None:
    path = write_jsonl(
        {**DOCUMENTS, "scores": [3, 2, 1], "task": "find"},
        {"query": "r", "positive": "s", "negative_0": "c", "negative_1": "d"},
        {"query": "t", "positive": "u", "negative_0": "e", "negative_1": "f", "score": 9},
    )
    examples = list(load_examples(SourceConfig(path)))
    assert [example.task for example in examples] == ["find", None, None]
    batch = PairCollator(echo, negatives_per_query=1)(examples)
    nan = float("nan")
    expected = torch.tensor([[3.0, 2.0], [nan, nan], [9.0, nan]])
    torch.testing.assert_close(batch["teacher_scores"], expected, equal_nan=True, rtol=0, atol=0)
    (_, _), (_, documents) = echo.seen
    assert [[documents[column].text for column in row] for row in batch["own_documents"].tolist()] == [
        ["p", "a"],
        ["s", "c"],
        ["u", "e"],
    ]
    alone = PairCollator(echo)(examples)
    assert alone["teacher_scores"].shape == (3, 1) and alone["own_documents"].tolist() == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scores": [1, 2]}, "row 0, column 'scores': holds 2 scores for 3 documents; give one for each, null where"),
        ({"scores": 1}, "row 0, column 'scores': int 1; must be a list, the positive's score first"),
        ({"score": "high"}, "row 0, column 'score': 'high' is not a score; a score is a finite number"),
        ({"score": float("nan")}, "row 0, column 'score': nan is not a score"),
        ({"negative_1_score": True}, "row 0, column 'negative_1_score': true is not a score"),
        ({"task": ["find"]}, "row 0, column 'task': .'find'. is not the name of a task; a name is text"),
    ],
)
def test_bad_scores(write_jsonl: Write, values: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_examples(SourceConfig(write_jsonl({**DOCUMENTS, **values})))[0]
