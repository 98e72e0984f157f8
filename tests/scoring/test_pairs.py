"""Scores of chosen pairs: those of the full matrix, with one product a document."""

from __future__ import annotations

import random

import pytest
import torch

import smart_train.scoring.pairs
from smart_train.errors import ScoreError
from smart_train.scoring import EMPTY_DOCUMENT_SCORE, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.pairs import pair_parts


def drawn(items: int, longest: int, empty: tuple[int, ...] = ()) -> Embeddings:
    tokens = [torch.randn(0 if item in empty else random.randint(1, longest), 24) for item in range(items)]
    return Embeddings(torch.randn(items, 12), tokens)


def chosen(queries: int, documents: int, share: float) -> torch.Tensor:
    pairs = [(document, query) for document in range(documents) for query in range(queries) if random.random() < share]
    return torch.tensor(pairs)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize(("budget", "most"), [(64 * 2**20, 256), (24 * 4 * 20, 3)])
@pytest.mark.parametrize("store", ["float32", "int8"])
def test_pairs_have_the_scores_of_the_matrix(
    share: float, budget: int, most: int, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smart_train.scoring.pairs, "_GATHERED_BYTES", budget)
    monkeypatch.setattr(smart_train.scoring.pairs, "_DOCUMENT_PAIRS", most)
    queries, documents = drawn(17, 5), drawn(23, 9, empty=(4, 22)).quantize(store)
    pairs = chosen(17, 23, share)
    found, expected = pair_parts(queries, documents, pairs), score_parts(queries, documents)
    for term in ("pooled", "late"):
        matrix = expected.of(term)[pairs[:, 1], pairs[:, 0]]
        torch.testing.assert_close(found.of(term), matrix, rtol=1e-5, atol=1e-5)
    alone = pair_parts(queries, documents, pairs, pooled=False)
    assert alone.pooled is None and torch.equal(alone.of("late"), found.of("late"))


def test_a_document_without_tokens_has_its_score_exactly_also_for_a_query_without_any() -> None:
    queries, documents = drawn(3, 40, empty=(1,)), drawn(2, 5, empty=(0,))
    pairs = torch.tensor([[0, 0], [0, 1], [0, 2], [1, 1]])
    found = pair_parts(queries, documents, pairs, pooled=False).of("late")
    assert found.tolist() == [EMPTY_DOCUMENT_SCORE] * 3 + [0.0]
    assert torch.equal(found, score_parts(queries, documents, pooled=False).of("late")[pairs[:, 1], pairs[:, 0]])


def test_a_document_costs_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[int] = []
    multiply = smart_train.scoring.pairs.inner_products
    monkeypatch.setattr(
        smart_train.scoring.pairs,
        "inner_products",
        lambda left, *right: (products.append(len(left)), multiply(left, *right))[1],
    )
    queries, documents = drawn(40, 5), drawn(30, 9)
    pairs = chosen(40, 30, 0.3)
    pair_parts(queries, documents, pairs)
    assert len(products) == len(pairs[:, 0].unique())
    assert sum(products) == int(queries.lengths[pairs[:, 1]].sum()), "no pair is scored that was not asked for"


def test_no_pairs() -> None:
    found = pair_parts(drawn(2, 3), drawn(2, 3), torch.empty(0, 2, dtype=torch.int64))
    assert found.of("pooled").shape == found.of("late").shape == (0,)


def test_refusals() -> None:
    queries, documents = drawn(3, 2), drawn(4, 5)
    pairs = torch.tensor([[2, 1]])
    wide = Embeddings(torch.randn(4, 12), [torch.randn(2, 25)] * 4)
    with pytest.raises(ScoreError, match="tokens of queries are 24 wide, of documents 25"):
        pair_parts(queries, wide, pairs)
    documents.packed[int(documents.offsets[2])] = float("nan")
    with pytest.raises(ScoreError, match="document"):
        pair_parts(queries, documents, pairs)
    documents = drawn(4, 5)
    documents.pooled[2] = float("inf")
    with pytest.raises(ScoreError, match="the pooled vector of document 2, or of query 1, is NaN or infinite"):
        pair_parts(queries, documents, pairs)
