"""Rankings: order by score, ties by hash, and the same answer however the matrix is cut or ordered."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from smart_train.errors import DataError, ScoreError
from smart_train.evaluation.ranking import RankingBuilder, id_hashes, rank_documents, tie_keys

QUERIES = [f"q{i}" for i in range(7)]
DOCUMENTS = [f"page-{i}" for i in range(23)]


def scores_with_ties(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 4, (len(QUERIES), len(DOCUMENTS)), generator=generator).float() / 4


def test_distinct_scores_are_ordered_by_score():
    assert rank_documents(torch.tensor([[0.1, 0.9, -0.5, 0.3]]), ["q"], list("abcd")) == [["b", "d", "a", "c"]]


def test_equal_scores_follow_the_hash_worked_out_here():
    def hashed(text: str, role: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=role).digest(), "little")

    def key(query: str, document: str) -> int:
        mixed = hashed(query, b"query") ^ hashed(document, b"document")
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        return mixed ^ (mixed >> 31)

    expected = [sorted(DOCUMENTS, key=lambda document: key(query, document)) for query in QUERIES]
    assert rank_documents(torch.zeros(len(QUERIES), len(DOCUMENTS)), QUERIES, DOCUMENTS) == expected


def test_minus_zero_ties_with_zero():
    ids = list("abcdef")
    zeros = rank_documents(torch.zeros(1, 6), ["q"], ids)
    assert rank_documents(torch.tensor([[0.0, -0.0, 0.0, -0.0, -0.0, 0.0]]), ["q"], ids) == zeros


def test_a_tie_never_favours_the_positive():
    # The positive of query i is column i of a constant matrix and carries the same id as the query.
    count = 400
    ids = [f"id-{i}" for i in range(count)]
    rankings = rank_documents(torch.full((count, count), 0.7), ids, ids)
    places = torch.tensor([ranking.index(item) for item, ranking in zip(ids, rankings, strict=True)]).float()
    # A mean of 400 uniform places has a standard error of 5.8 around 199.5.
    assert abs(places.mean().item() - (count - 1) / 2) < 20
    assert (places < 10).sum() < 25  # 10 expected


@pytest.mark.parametrize("depth", [1, 3, 10, 50])
@pytest.mark.parametrize("step", [(1, 1), (2, 5), (7, 23), (3, 22)])
def test_blocks_equal_the_whole(depth, step):
    scores = scores_with_ties()
    whole = rank_documents(scores, QUERIES, DOCUMENTS, depth=depth)
    builder = RankingBuilder(QUERIES, DOCUMENTS, depth)
    for query in reversed(range(0, len(QUERIES), step[0])):
        for document in reversed(range(0, len(DOCUMENTS), step[1])):
            block = scores[query : query + step[0], document : document + step[1]]
            builder.add(block, query, document)
    assert builder.rankings() == whole
    assert [row[:depth] for row in rank_documents(scores, QUERIES, DOCUMENTS)] == whole


def test_order_of_documents_and_queries_does_not_matter():
    scores = scores_with_ties(1)
    whole = rank_documents(scores, QUERIES, DOCUMENTS)
    documents, queries = torch.randperm(len(DOCUMENTS)), torch.randperm(len(QUERIES))
    shuffled = rank_documents(
        scores[queries][:, documents], [QUERIES[i] for i in queries], [DOCUMENTS[i] for i in documents]
    )
    assert shuffled == [whole[i] for i in queries]


def test_merging_two_halves_equals_the_whole():
    scores = scores_with_ties(2)
    halves = [RankingBuilder(QUERIES, DOCUMENTS, 5) for _ in range(2)]
    halves[0].add(scores[:, :11])
    halves[1].add(scores[:, 11:], document_start=11)
    halves[0].merge(halves[1].kept())
    assert halves[0].rankings() == rank_documents(scores, QUERIES, DOCUMENTS, depth=5)


def test_infinite_scores_are_ranked():
    scores = torch.tensor([[float("-inf"), 0.0, float("inf")]])
    assert rank_documents(scores, ["q"], list("abc")) == [["c", "b", "a"]]


def test_nan_is_named():
    scores = scores_with_ties()
    scores[2, 5] = float("nan")
    builder = RankingBuilder(QUERIES, DOCUMENTS, 3)
    with pytest.raises(ScoreError, match="1 scores are NaN.*'q3' and document 'page-6'"):
        builder.add(scores[:3, :10], query_start=1, document_start=1)


def test_refusals():
    with pytest.raises(ScoreError, match="float32"):
        rank_documents(torch.zeros(1, 2, dtype=torch.bfloat16), ["q"], ["a", "b"])
    with pytest.raises(ScoreError, match="goes beyond 1 queries x 2 documents"):
        rank_documents(torch.zeros(1, 3), ["q"], ["a", "b"])
    with pytest.raises(DataError, match="2 document ids, but only 1"):
        rank_documents(torch.zeros(1, 2), ["q"], ["a", "a"])
    with pytest.raises(DataError, match="depth is 0"):
        RankingBuilder(["q"], ["a"], 0)


def test_keys_differ_between_queries_and_documents():
    documents = id_hashes(DOCUMENTS, "document")
    keys = {int(key) for query in id_hashes(QUERIES, "query") for key in tie_keys(query, documents)}
    assert len(keys) == len(QUERIES) * len(DOCUMENTS)


def test_ids_need_not_be_valid_unicode():
    odd = ["page\udce9", "page"]
    assert sorted(rank_documents(torch.zeros(1, 2), ["q"], odd)[0]) == sorted(odd)


@pytest.mark.parametrize("levels", [2, 40, 10_000])
def test_wide_blocks_equal_a_sort_of_everything(levels):
    # Far more columns than places: whether few, some or many share the last score, and with own documents among them.
    count, depth = 500, 10
    queries, documents = [f"id-{i}" for i in range(30)], [f"id-{i}" for i in range(count)]
    scores = torch.randint(0, levels, (len(queries), count)).float() / 64
    scores[3, :40] = float("-inf")
    builder = RankingBuilder(queries, documents, depth, own=set(queries[:20]))
    for start in range(0, count, 167):
        builder.add(scores[:, start : start + 167], document_start=start)
    expected = rank_documents(scores, queries, documents)
    for query, ranking, whole in zip(queries, builder.rankings(), expected, strict=True):
        assert ranking == [item for item in whole if item != query or query not in queries[:20]][:depth]


def test_a_block_is_ranked_at_once(monkeypatch):
    calls = []
    merge = RankingBuilder._merge
    monkeypatch.setattr(
        RankingBuilder, "_merge", lambda self, rows, *rest: (calls.append(rows), merge(self, rows, *rest))
    )
    queries, documents = [f"q{i}" for i in range(200)], [f"d{i}" for i in range(300)]
    RankingBuilder(queries, documents, 10).add(torch.rand(200, 300))
    assert [len(rows) for rows in calls] == [200], "all queries together, not one after the other"


def test_one_long_list_is_merged_alone(monkeypatch):
    """Or every other query's would be padded to its length."""
    sizes, merge = [], RankingBuilder._merge

    def noting(self, rows, values, columns):
        sizes.append(values.shape)
        merge(self, rows, values, columns)

    monkeypatch.setattr(RankingBuilder, "_merge", noting)
    builder = RankingBuilder([f"q{at}" for at in range(50)], [f"d{at}" for at in range(1000)], 3)
    scores = np.random.default_rng(0).normal(size=(50, 1000)).astype(np.float32)
    lists = [(scores[row, :length], np.arange(length)) for row, length in enumerate([5] * 49 + [1000])]
    builder.merge(lists)
    assert sorted(sizes) == [(1, 1000), (49, 5)]
    for (values, columns), kept in zip(lists, builder.kept(), strict=True):
        best = np.argsort(-values)[:3]
        assert kept[1].tolist() == columns[best].tolist() and kept[0].tolist() == values[best].tolist()
