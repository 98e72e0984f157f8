"""Search: exact against brute force, two stages against exact, ties, and the folder road."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from smart_train.errors import DataError, ModelError, ScoreError
from smart_train.retrieval import DocumentIndex, blocks, encode_folder, search, search_embeddings, search_folder
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput

WEIGHTS = [ScoringConfig(), ScoringConfig(pooled_weight=0.0), ScoringConfig(pooled_weight=0.3, late_weight=2.0)]


def drawn(count: int, most: int, width: int = 6, seed: int = 0) -> Embeddings:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, most + 1, (count,), generator=generator).tolist()
    tokens = [normalize(torch.randn(length, width, generator=generator), dim=-1) for length in lengths]
    return Embeddings(normalize(torch.randn(count, 4, generator=generator), dim=-1), tokens)


@pytest.fixture
def queries() -> Embeddings:
    return drawn(9, 5, seed=1)


@pytest.fixture
def documents() -> Embeddings:
    return drawn(31, 12, seed=2)


IDS = [f"page-{i:02}" for i in range(31)]


@pytest.mark.parametrize("scoring", WEIGHTS)
def test_exact_equals_brute_force(queries, documents, scoring):
    hits = search_embeddings(queries, documents, IDS, scoring, top_k=5)
    parts = score_parts(queries, documents)
    hybrid = combine(parts, scoring)
    for i, row in enumerate(hits):
        order = hybrid[i].argsort(descending=True)[:5].tolist()
        assert [hit.document_id for hit in row] == [IDS[j] for j in order]
        assert [hit.rank for hit in row] == [1, 2, 3, 4, 5]
        for hit, j in zip(row, order, strict=True):
            assert (hit.pooled, hit.late, hit.hybrid) == pytest.approx(
                (parts.pooled[i, j].item(), parts.late[i, j].item(), hybrid[i, j].item())
            )


def test_blocks_equal_the_whole(queries, documents, monkeypatch):
    whole = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=31)
    monkeypatch.setattr(blocks.document_blocks, "__defaults__", (300,))
    monkeypatch.setattr(blocks.query_blocks, "__defaults__", (2,))
    assert len(list(blocks.document_blocks(documents))) > 10
    cut = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=31)
    assert [[hit.document_id for hit in row] for row in cut] == [[hit.document_id for hit in row] for row in whole]
    scores = [[hit.hybrid for row in hits for hit in row] for hits in (cut, whole)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)  # blocks of another shape round differently


@pytest.mark.parametrize("candidates", [None, 8])
def test_scoring_shows_its_progress_when_it_takes_long(queries, documents, candidates, monkeypatch, capsys):
    def shown(**wish):
        search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=2, candidates=candidates, **wish)
        return "Scoring" in capsys.readouterr().err

    assert not shown() and shown(show_progress_bar=True)
    monkeypatch.setattr(blocks, "PROGRESS_FROM", 1000)
    assert shown() and not shown(show_progress_bar=False)


@pytest.mark.parametrize("candidates", [31, 1000])
def test_two_stages_with_all_candidates_equal_exact(queries, documents, candidates):
    exact = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=7)
    assert search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=7, candidates=candidates) == exact


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_compressed_tokens_are_searched_in_one_stage_and_in_two(queries, documents, dtype):
    small = documents.quantize(dtype)
    exact = search_embeddings(queries, small, IDS, ScoringConfig(), top_k=7)
    assert search_embeddings(queries, small, IDS, ScoringConfig(), top_k=7, candidates=31) == exact


def test_two_stages_rank_the_pooled_best_by_hybrid(queries, documents):
    hits = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=4, candidates=8)
    parts = score_parts(queries, documents)
    hybrid = combine(parts, ScoringConfig())
    for i, row in enumerate(hits):
        let_through = parts.pooled[i].topk(8).indices
        order = let_through[hybrid[i, let_through].argsort(descending=True)][:4].tolist()
        assert [hit.document_id for hit in row] == [IDS[j] for j in order]
        assert [hit.hybrid for hit in row] == pytest.approx(hybrid[i, order].tolist())


def test_all_but_one_candidate_loses_only_the_pooled_last(queries, documents):
    exact = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=31)
    staged = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=30, candidates=30)
    for full, short in zip(exact, staged, strict=True):
        last = min(full, key=lambda hit: hit.pooled).document_id
        assert [hit.document_id for hit in short] == [hit.document_id for hit in full if hit.document_id != last]


@pytest.mark.parametrize("candidates", [None, 10])
def test_order_of_the_documents_changes_nothing(queries, documents, candidates):
    order = torch.randperm(31).tolist()
    plain = search_embeddings(queries, documents, IDS, ScoringConfig(), top_k=9, candidates=candidates)
    shuffled = search_embeddings(
        queries, documents[order], [IDS[i] for i in order], ScoringConfig(), top_k=9, candidates=candidates
    )
    assert [[hit.document_id for hit in row] for row in plain] == [[hit.document_id for hit in row] for row in shuffled]


@pytest.mark.parametrize("candidates", [None, 3])
def test_equal_scores_are_ordered_by_id(candidates):
    one = drawn(1, 1)
    copies = Embeddings(one.pooled.repeat(5, 1), one.tokens * 5)
    hits = search_embeddings(one, copies, list("ebdac"), ScoringConfig(), top_k=3, candidates=candidates)
    assert [hit.document_id for hit in hits[0]] == ["a", "b", "c"]


def test_fewer_documents_than_asked_for(queries, documents):
    hits = search_embeddings(queries, documents[:2], IDS[:2], ScoringConfig(), top_k=10, candidates=50)
    assert [len(row) for row in hits] == [2] * 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "search: top_k is 0; it must be at least 1"),
        (
            {"top_k": 5, "candidates": 4},
            "search: candidates is 4, fewer than the top_k of 5 hits; raise candidates, or leave",
        ),
        ({"document_ids": ["a"]}, "31 documents but 1 document ids"),
    ],
)
def test_numbers_out_of_range(queries, documents, options, message):
    with pytest.raises(DataError, match=message):
        search_embeddings(queries, documents, scoring=ScoringConfig(), **{"document_ids": IDS, **options})


def test_finds_the_page_with_both_colours(pages, model):
    index = encode_folder(model, pages)
    hits = search(model, ["red blue", "green", ModelInput(text="blue")], index, top_k=2)
    assert [row[0].document_id for row in hits] == ["deep/d.bmp", "a.webp", "deep/er/c.PNG"]
    assert search(model, "green", index, top_k=1)[0][0].document_id == "a.webp"
    assert search(model, {"text": "green"}, index, candidates=3, top_k=1)[0][0].document_id == "a.webp"


def test_weights_may_change_and_tokens_may_not(pages, model):
    index = encode_folder(model, pages)
    late = search(model, ["red"], index, scoring=ScoringConfig(pooled_weight=0.0))[0]
    assert all(hit.hybrid == hit.late for hit in late)
    with pytest.raises(ScoreError, match="scoring.query_tokens is 'text', but the model keeps 'content'"):
        search(model, ["red"], index, scoring=ScoringConfig(query_tokens="text"))


def test_refusals(pages, model, make_model):
    index = encode_folder(model, pages)
    with pytest.raises(DataError, match="there is no query"):
        search(model, [], index)
    with pytest.raises(ModelError, match="made by another model"):
        search(make_model(seed=3), ["red"], index)


def test_search_folder_keeps_and_reuses_the_index(tmp_path, pages, paint, model):
    keep = tmp_path / "kept" / "index"
    plain = search_folder(model, pages, ["red", "blue"], top_k=3)
    assert len(model.encoded) == 4
    assert search_folder(model, pages, ["red", "blue"], 3, None, keep) == plain
    assert len(model.encoded) == 8
    assert search_folder(model, pages, ["red", "blue"], 3, None, keep) == plain
    assert len(model.encoded) == 8
    paint(pages / "new.png", "grey")
    search_folder(model, pages, ["red"], index_dir=keep)
    assert model.encoded[8:] == ["new.png"]
    assert DocumentIndex.load(keep).document_ids == ["a.webp", "b.png", "deep/d.bmp", "deep/er/c.PNG", "new.png"]


def test_search_folder_never_overwrites_another_models_index(tmp_path, pages, make_model):
    keep = tmp_path / "index"
    search_folder(make_model(), pages, "red", index_dir=keep)
    before = sorted(path.name for path in keep.iterdir())
    with pytest.raises(ModelError, match="made by another model"):
        search_folder(make_model(seed=1), pages, "red", index_dir=keep)
    assert sorted(path.name for path in keep.iterdir()) == before


def test_search_folder_loads_a_model_by_path(pages, model, monkeypatch):
    import smart_train.models

    asked = []

    class Loader:
        @staticmethod
        def from_pretrained(name):
            asked.append(name)
            return model

    monkeypatch.setattr(smart_train.models, "SmartModel", Loader)
    assert search_folder("some/model", pages, "green", top_k=1)[0][0].document_id == "a.webp"
    assert asked == ["some/model"]


@pytest.mark.cuda
@pytest.mark.parametrize("candidates", [None, 10])
def test_a_gpu_finds_what_the_cpu_finds(queries, documents, candidates):
    options = {"top_k": 5, "candidates": candidates}
    on_cpu = search_embeddings(queries, documents, IDS, ScoringConfig(), **options)
    on_gpu = search_embeddings(queries, documents.to("cuda"), IDS, ScoringConfig(), **options)
    assert [[hit.document_id for hit in row] for row in on_gpu] == [[hit.document_id for hit in row] for row in on_cpu]
