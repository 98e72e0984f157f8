"""Token states of 16 and 8 bits are searched and mined as they are stored: never all in fp32, and ranked alike."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smart_train.evaluation import EvaluationSet, RetrievalEvaluator, evaluator
from smart_train.retrieval import blocks, search, search_embeddings
from smart_train.retrieval.mining_search import CorpusSearch, Ranking
from smart_train.retrieval.search import Hit
from smart_train.retrieval.shards import EmbeddingShards
from smart_train.scoring import (
    ScoringConfig,
    document_groups,
    forced_arithmetic,
    number_formats,
    pairs,
    product,
    rounding_bounds,
)
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.inputs import total
from smart_train.types import ModelInput
from tests.retrieval.test_search import drawn
from tests.scoring.live_bytes import LiveBytes

STORES = pytest.mark.parametrize("store", ["float16", "bfloat16", "int8"])
NATIVE = pytest.mark.parametrize("store", ["float16", "bfloat16"])
BLOCK = 1 << 16
COUNT = 120
LATE = ScoringConfig(pooled_weight=0.0)
IDS = [f"page-{number:03}" for number in range(COUNT)]


@pytest.fixture
def queries() -> Embeddings:
    return drawn(6, 5, width=64, seed=1)


@pytest.fixture
def documents() -> Embeddings:
    return drawn(COUNT, 200, width=64, seed=2)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every budget a small one, so that a corpus of a test is many blocks."""
    for module, name in (
        (number_formats, "_BLOCK_BYTES"),
        (rounding_bounds, "_BLOCK_BYTES"),
        (pairs, "_GATHERED_BYTES"),
    ):
        monkeypatch.setattr(module, name, BLOCK)
    for table in (product.SLICE_BYTES, document_groups.BLOCK_BYTES):
        monkeypatch.setitem(table, "cpu", BLOCK)
    monkeypatch.setattr(document_groups, "LEAST_QUERY_ROWS", 1)
    monkeypatch.setattr(sys.modules[search.__module__], "DOCUMENT_BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(blocks.document_blocks, "__defaults__", (4 * BLOCK,))


def evaluation_set(count: int) -> EvaluationSet:
    """`count` queries of the documents `IDS`; a query's answer is the document of its number."""
    asked = [f"query {number}" for number in range(count)]
    texts, pages = ([ModelInput(name) for name in names] for names in (asked, IDS))
    return EvaluationSet(texts, asked, pages, IDS, [{name} for name in IDS[:count]])


def stored_bytes(embeddings: Embeddings) -> int:
    return sum(tensor.nbytes for tensor in embeddings.parts().values())


def peak_of(run: Callable[[], object]) -> int:
    with LiveBytes() as counted:
        run()
    return counted.peak


def mined(folder: Path, queries: Embeddings, documents: Embeddings, store: str, **options: object) -> list[Ranking]:
    sides = []
    for name, side in (("queries", queries), ("documents", documents)):
        shards = EmbeddingShards(folder, name, len(side), 64, store=store)
        shards.encode(lambda places, of=side: of[list(places)])
        sides.append(shards)
    known = [{query} for query in range(len(queries))]
    work = CorpusSearch(
        sides[0].load_all(), sides[1], known, ScoringConfig(), depth=5, file=folder / "search.safetensors", **options
    )
    return work.run(show_progress_bar=False)


def assert_same_hits(some: list[list[Hit]], others: list[list[Hit]]) -> None:
    """The same ranking; scores up to the order of sums, which follows the shape of a block."""
    for mine, theirs in zip(some, others, strict=True):
        assert [hit.document_id for hit in mine] == [hit.document_id for hit in theirs]
        for name in ("pooled", "late", "hybrid"):
            values = [[getattr(hit, name) for hit in row] for row in (mine, theirs)]
            assert values[0] == pytest.approx(values[1], abs=1e-6)


@STORES
@pytest.mark.parametrize("candidates", [None, 80])
def test_a_search_holds_a_block_beside_what_is_stored(
    queries: Embeddings, documents: Embeddings, store: str, candidates: int | None, small_blocks: None
) -> None:
    small = documents.quantize(store)
    beside = peak_of(lambda: search_embeddings(queries, small, IDS, ScoringConfig(), top_k=5, candidates=candidates))
    gathered = BLOCK if candidates else 0
    assert beside <= gathered + 4 * BLOCK < small.packed.nbytes / 2, "a few blocks, and not the corpus once more"


@STORES
@pytest.mark.parametrize(("candidates", "products"), [(None, "exact"), (80, "exact"), (None, "bfloat16")])
def test_mining_holds_a_shard_as_it_is_stored_and_a_block(
    queries: Embeddings,
    documents: Embeddings,
    store: str,
    candidates: int | None,
    products: str,
    tmp_path: Path,
    small_blocks: None,
) -> None:
    options = {"candidates": candidates, "products": products}
    mined(tmp_path, queries, documents, store, **options)  # encodes
    for file in tmp_path.glob("search*"):
        file.unlink()
    shard = max(
        stored_bytes(documents[list(range(start, min(start + 64, COUNT)))].quantize(store)) for start in (0, 64)
    )
    rounded = 4 * BLOCK if products != "exact" else 0
    held = peak_of(lambda: mined(tmp_path, queries, documents, store, **options))
    assert held <= shard + stored_bytes(queries) * 2 + rounded + 6 * BLOCK


@STORES
@pytest.mark.parametrize("candidates", [None, 80])
def test_the_ranking_is_that_of_the_widened_corpus(
    queries: Embeddings, documents: Embeddings, store: str, candidates: int | None, tmp_path: Path
) -> None:
    small = documents.quantize(store)
    options = {"top_k": 20, "candidates": candidates}
    as_stored = search_embeddings(queries, small, IDS, ScoringConfig(), **options)
    widened = search_embeddings(queries, small.quantize("float32"), IDS, ScoringConfig(), **options)
    assert_same_hits(as_stored, widened)
    sides = [side.quantize(store).quantize("float32") for side in (queries, documents)]
    one = mined(tmp_path / "stored", queries, documents, store, candidates=candidates)
    other = mined(tmp_path / "wide", *sides, "float32", candidates=candidates)
    for mine, theirs in zip(one, other, strict=True):
        assert mine.places.tolist() == theirs.places.tolist()
        torch.testing.assert_close(mine.scores, theirs.scores, rtol=0, atol=1e-6)
        assert mine.positives == pytest.approx(theirs.positives, abs=1e-6)


@NATIVE
def test_where_the_device_multiplies_them_their_own_products_find_the_first(
    queries: Embeddings, documents: Embeddings, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = documents.quantize(store)
    with forced_arithmetic("widened"):
        expected = search_embeddings(queries, small, IDS, ScoringConfig(), top_k=20)
    multiplied = set()
    multiply = torch.mm

    def noted(left: torch.Tensor, right: torch.Tensor, **options: object) -> torch.Tensor:
        multiplied.add(left.dtype)
        return multiply(left, right, **options)

    monkeypatch.setattr(torch, "mm", noted)
    with forced_arithmetic("native"):
        by_own = search_embeddings(queries, small, IDS, ScoringConfig(), top_k=20)
    assert small.packed.dtype in multiplied
    assert_same_hits(by_own, expected)


@NATIVE
def test_many_hits_of_many_blocks_are_merged_once_a_query_and_block(
    queries: Embeddings, documents: Embeddings, store: str, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, top_k = documents.quantize(store), 90
    with forced_arithmetic("widened"):
        expected = search_embeddings(queries, small, IDS, ScoringConfig(), top_k=top_k)
    merged = []
    merge = heapq.nsmallest

    def noted(count: int, items: list[object]) -> list[object]:
        merged.append(len(items))
        return merge(count, items)

    monkeypatch.setattr(heapq, "nsmallest", noted)
    with forced_arithmetic("native"):
        by_own = search_embeddings(queries, small, IDS, ScoringConfig(), top_k=top_k)
    assert_same_hits(by_own, expected)
    block_count = len(list(blocks.document_blocks(small)))
    assert block_count > 4 and max(merged) > top_k, "some blocks, and more in all than what is wanted"
    assert len(merged) <= len(queries) * block_count


@NATIVE
def test_an_evaluation_takes_them_too(queries: Embeddings, documents: Embeddings, store: str) -> None:
    judge = RetrievalEvaluator(evaluation_set(len(queries)))
    small = documents.quantize(store)
    results = []
    for choice in ("widened", "native"):
        with forced_arithmetic(choice):
            results.append(judge.score_embeddings(queries, small, ScoringConfig()))
        assert bool(judge.rescored.scores) == (choice == "native")
    assert results[0].found == results[1].found and results[0].per_query == results[1].per_query


@NATIVE
def test_an_evaluation_of_very_many_queries_takes_them_only_if_that_is_asked_for(
    queries: Embeddings, documents: Embeddings, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = documents.quantize(store)
    size, score_count = queries.packed.nbytes, len(queries) * COUNT
    for limit, products, scores in (
        (size, "exact", score_count),
        (size - 1, "exact", 0),
        (size - 1, store, score_count),
    ):
        monkeypatch.setattr(evaluator, "_RESIDENT_BYTES", limit)
        judge = RetrievalEvaluator(evaluation_set(len(queries)), products=products)
        with forced_arithmetic("native"):
            judge.score_embeddings(queries, small, ScoringConfig())
        assert judge.rescored.scores == scores


def test_what_an_evaluation_scored_again_is_that_of_its_last_ranking(
    queries: Embeddings, documents: Embeddings
) -> None:
    judge = RetrievalEvaluator(evaluation_set(len(queries)))
    with forced_arithmetic("native"):
        judge.score_embeddings(queries, documents.quantize("bfloat16"), ScoringConfig())
        assert judge.rescored.scores
        judge.score_embeddings(queries, documents, ScoringConfig())
    assert judge.rescored.told == "", "fp32 products alone"


@pytest.mark.parametrize("factors", [(1e6, 1.0), (300.0, 1_000.0)], ids=["query state", "product"])
def test_states_of_which_products_overflow_fp16_are_searched_and_mined_in_fp32(
    queries: Embeddings, documents: Embeddings, factors: tuple[float, float], tmp_path: Path
) -> None:
    large = [
        Embeddings(side.pooled, side.packed * factor, side.offsets)
        for side, factor in zip((queries, documents), factors, strict=True)
    ]
    small = large[1].quantize("float16")
    judge = RetrievalEvaluator(evaluation_set(len(queries)))
    hits, rankings, results = [], [], []
    for choice in ("widened", "native"):
        with forced_arithmetic(choice):
            hits.append([[hit.document_id for hit in row] for row in search_embeddings(large[0], small, IDS, LATE)])
            results.append(judge.score_embeddings(large[0], small, LATE).found)
            # Shards keep queries in fp16 too.
            if factors[0] < torch.finfo(torch.float16).max:
                mined_rows = mined(tmp_path / choice, *large, "float16", candidates=None)
                rankings.append([ranking.places.tolist() for ranking in mined_rows])
    assert hits[0] == hits[1] and results[0] == results[1] and rankings[:1] == rankings[1:]


@pytest.mark.parametrize("count", [0, 2])
def test_a_search_for_all_documents_or_without_queries_needs_no_rounded_search(
    queries: Embeddings, documents: Embeddings, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules[search.__module__], "RoundedSearch", lambda *_: pytest.fail("a rounded search was made")
    )
    small = documents.quantize("bfloat16")
    with forced_arithmetic("native"):
        hits = search_embeddings(queries[list(range(count))], small, IDS, ScoringConfig(), top_k=COUNT if count else 5)
    assert [len(row) for row in hits] == [COUNT] * count


@STORES
def test_states_that_are_not_finite_are_named(queries: Embeddings, documents: Embeddings, store: str) -> None:
    small = documents.quantize(store)
    row = int(small.offsets[7]) + 2
    (small.packed if small.scales is None else small.scales)[row] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinite: document 7 \(token 2\)"):
        search_embeddings(queries, small, IDS, ScoringConfig(), top_k=5)


def test_many_finite_states_of_fp16_do_not_add_up_to_infinity(queries: Embeddings) -> None:
    states = torch.full((4_000, 64), 1.0, dtype=torch.float16)
    assert states.sum().isinf() and total(states) == 256_000
