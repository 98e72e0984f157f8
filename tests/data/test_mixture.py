"""Mixtures: the rows of several sources, each with its own instruction and number of negatives."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from smart_train.data import GroupedBatches, Mixture, MixturePart, PairCollator, SourceConfig, groups_of, load_examples
from smart_train.errors import DataError

Write = Callable[..., Path]


def source(write_jsonl: Write, name: str, rows: int, negatives: int, **values: object) -> Path:
    return write_jsonl(
        *(
            {"query": f"{name}{row}", "positive": f"p {name}{row}", "negatives": [f"n{name}{row}{i}" for i in range(3)],
             "scores": [3, 2, 1, 0], **{key: value[row] for key, value in values.items()}}
            for row in range(rows)
        ),
        name=f"{name}.jsonl",
    )  # fmt: skip


@pytest.fixture
def mixture(write_jsonl: Write) -> Mixture:
    first = load_examples(SourceConfig(source(write_jsonl, "a", 5, 3), instruction="Find.", max_samples=4))
    second = load_examples(SourceConfig(source(write_jsonl, "b", 3, 3), instruction="Answer."))
    return Mixture([MixturePart("a", first, negatives=2), MixturePart("b", second, negatives=0)])


def test_rows_end_to_end_each_as_its_source_uses_it(mixture: Mixture) -> None:
    assert len(mixture) == 7
    assert [row.query.text for row in mixture] == ["a0", "a1", "a2", "a3", "b0", "b1", "b2"]
    assert [row.query.instruction for row in mixture[3:5]] == ["Find.", "Answer."]
    assert [len(row.documents) for row in mixture[3:5]] == [3, 1]
    assert mixture[3].scores == (3, 2, 1) and mixture[4].scores == (3,)
    assert len(mixture[4].document_ids) == 1
    assert mixture[-1] == mixture[6] == pickle.loads(pickle.dumps(mixture))[6]
    with pytest.raises(IndexError):
        mixture[7]


def test_batches_of_a_mixture_collate(mixture: Mixture, echo: object) -> None:
    sampler = GroupedBatches(groups_of(mixture), batch_size=3, drop_last=False)
    collate = PairCollator(echo, negatives_per_query=None)
    shapes = {}
    for batch in sampler:
        made = collate([mixture[row] for row in batch])
        shapes.setdefault(made["rows"][0].split(".jsonl")[0][-1], set()).add(tuple(made["own_documents"].shape))
    assert shapes == {"a": {(3, 3), (1, 3)}, "b": {(3, 1)}}
    with pytest.raises(DataError, match="different numbers of explicit negatives: .*row 0 has 2; .*row 0 has 0"):
        collate([mixture[0], mixture[4]])


def test_tasks_are_kinds_too(write_jsonl: Write) -> None:
    tasks = ["count", "find", "count", None, "find", "count"]
    rows = load_examples(SourceConfig(source(write_jsonl, "a", 6, 0, task=tasks)))
    groups = groups_of(rows, negatives=1)
    assert [(group.name, list(group.rows), group.documents) for group in groups] == [
        ("data.train, task count", [0, 2, 5], 2),
        ("data.train, task find", [1, 4], 2),
        ("data.train, task None", [3], 2),
    ]
    plain = load_examples(SourceConfig(source(write_jsonl, "b", 6, 0)))
    both = groups_of(Mixture([MixturePart("a", rows, weight=3.0), MixturePart("b", plain[:4], weight=1.0)]))
    assert [(group.name, group.weight) for group in both] == [
        ("a, task count", 1.5),
        ("a, task find", 1.0),
        ("a, task None", 0.5),
        ("b", 1.0),
    ]
    assert list(both[-1].rows) == [6, 7, 8, 9]
    assert groups_of(list(rows))[0].rows == [0, 2, 5]
