"""PairCollator: the order of documents, and keys that know the same page and the same query again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from smart_train.data import PairCollator, SourceConfig, load_examples
from smart_train.errors import DataError, ModelError
from smart_train.types import ModelInput

Write = Callable[..., Path]


def test_positives_first_then_negatives_row_by_row(pages: list[Path], write_jsonl: Write, echo: object) -> None:
    path = write_jsonl(
        {"query": "a", "positive": "pages/0.png", "negatives": ["pages/2.png", "pages/3.png", "pages/1.png"]},
        {"query": "b", "positive": "pages/1.png", "negatives": ["pages/3.png", "pages/2.png"]},
    )
    batch = PairCollator(echo, negatives_per_query=2)(list(load_examples(SourceConfig(path))))
    (query_role, queries), (document_role, documents) = echo.seen
    assert (query_role, document_role) == ("query", "document")
    assert [query.text for query in queries] == ["a", "b"]
    assert [document.images[0].stem for document in documents] == ["0", "1", "2", "3", "3", "2"]
    assert batch["positive"].tolist() == [0, 1]
    keys = batch["document_keys"]
    assert keys[2] == keys[5] and keys[3] == keys[4]
    assert len(set(keys.tolist())) == 4
    first, second = batch["query_keys"]
    assert torch.equal(batch["owner"], torch.stack([first, second, first, first, second, second]))
    assert batch["rows"] == [f"{path}, row 0", f"{path}, row 1"]
    assert all(batch[name].dtype == torch.int64 for name in ("positive", "query_keys", "document_keys", "owner"))


def test_the_same_page_and_query_are_known_again(pages: list[Path], write_jsonl: Write, echo: object) -> None:
    (pages[0].parent / "copy.png").write_bytes(pages[0].read_bytes())
    path = write_jsonl(
        {"query": "a", "positive": "pages/0.png", "document_id": "x"},
        {"query": "a", "positive": "pages/copy.png", "document_id": "y"},
        {"query": "b", "positive": "pages/1.png", "document_id": "x"},
    )
    batch = PairCollator(echo)(list(load_examples(SourceConfig(path))))
    queries, names, contents = (batch[key].tolist() for key in ("query_keys", "document_keys", "document_contents"))
    assert queries[0] == queries[1] != queries[2]
    assert names[0] == names[2] != names[1]
    assert contents[0] == contents[1] != contents[2]


def test_an_instruction_makes_another_query(write_jsonl: Write, echo: object) -> None:
    rows = [{"query": "a", "positive": "t", "instruction": name} for name in ("Find.", "Answer.")]
    keys = PairCollator(echo)(list(load_examples(SourceConfig(write_jsonl(*rows)))))["query_keys"]
    assert keys[0] != keys[1]


def test_errors_name_the_rows(pages: list[Path], write_jsonl: Write, echo: object) -> None:
    path = write_jsonl({"query": "a", "positive": "pages/0.png", "document_id": "x"})
    examples = list(load_examples(SourceConfig(path)))
    with pytest.raises(DataError, match="row 0: has 0 explicit negatives, negatives_per_query is 1"):
        PairCollator(echo, negatives_per_query=1)(examples)
    with pytest.raises(DataError, match="must be at least 0"):
        PairCollator(echo, negatives_per_query=-1)
    pages[0].unlink()
    with pytest.raises(DataError, match=r"0.png: no such file \(in the batch of .*train.jsonl, row 0\)"):
        PairCollator(echo)(examples)


def test_a_row_that_the_model_cannot_take_is_named(write_jsonl: Write) -> None:
    class Short:
        def featurize(self, inputs: Sequence[ModelInput], role: str) -> dict[str, torch.Tensor]:
            if any(len(item.text or "") > 9 for item in inputs):
                raise ModelError("an input needs 10 tokens")
            return {}

    path = write_jsonl(*({"query": f"q{row}", "positive": "d" * (9 + row // 2 % 2)} for row in range(4)))
    with pytest.raises(DataError, match=r"^an input needs 10 tokens \(in [^ ]*, row 2; [^ ]*, row 3\)$"):
        PairCollator(Short())(list(load_examples(SourceConfig(path))))
