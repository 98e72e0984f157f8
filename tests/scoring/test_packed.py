"""Packed documents score like `score_parts`, whatever they are stored as."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from smart_train.errors import ScoreError
from smart_train.scoring import EMPTY_DOCUMENT_SCORE, PackedDocuments, ScoringConfig, packed, score_parts, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.int8_products import Rotation, integer_products, quantized_rows
from smart_train.scoring.processor_arithmetic import cut_integer_products
from tests.scoring.live_bytes import LiveBytes

WIDTH = 96
TOLERANCE = {"float32": 1e-6, "bfloat16": 4e-3, "int8": 2e-3}


def embeddings(*lengths: int, outliers: bool = False) -> Embeddings:
    tokens = []
    for length in lengths:
        states = torch.randn(length, WIDTH)
        if outliers:
            states[:, [5, 40]] *= 20
        tokens.append(F.normalize(states, dim=1))
    return Embeddings(F.normalize(torch.randn(len(lengths), 16), dim=1), tokens)


@pytest.mark.usefixtures("either_arithmetic")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("outliers", [False, True])
def test_equals_score_parts(dtype: str, outliers: bool) -> None:
    queries = embeddings(12, 9, 20, outliers=outliers)
    documents = embeddings(40, 1, 0, 25, 25, 60, 3, outliers=outliers)
    expected = score_parts(queries, documents)
    found = PackedDocuments(documents, dtype=dtype).score_parts(queries)
    torch.testing.assert_close(found.pooled, expected.pooled)
    torch.testing.assert_close(found.late, expected.late, rtol=0, atol=TOLERANCE[dtype])
    assert found.late.dtype == torch.float32
    assert (found.late[:, 2] == EMPTY_DOCUMENT_SCORE).all()


@pytest.mark.usefixtures("either_arithmetic")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("weights", [(1, 1), (0, 1), (1, 0)])
def test_top_k_is_the_head_of_the_full_ranking(
    monkeypatch: pytest.MonkeyPatch, dtype: str, weights: tuple[float, float]
) -> None:
    monkeypatch.setitem(packed.BLOCK_BYTES, "cpu", 32)  # a document at a time, or four pooled vectors
    monkeypatch.setattr(packed, "LEAST_COLUMNS", 4)
    queries, documents = embeddings(5, 9), embeddings(*([7, 3, 11] * 5))
    scoring = ScoringConfig(*weights)
    stored = PackedDocuments(documents, dtype=dtype)
    full = stored.scores(queries, scoring)
    torch.testing.assert_close(full, smart_scores(queries, documents, scoring), rtol=0, atol=5e-3)
    for k in (1, 4, 15, 99):
        best = stored.top_k(queries, k, scoring)
        expected = full.sort(dim=1, descending=True, stable=True)
        assert torch.equal(best.scores, expected.values[:, :k])
        assert torch.equal(best.indices, expected.indices[:, :k])


def test_equal_scores_keep_the_documents_order() -> None:
    item = Embeddings(torch.ones(1, 4), [torch.ones(2, 8)])  # products without rounding: equal to the bit
    documents = Embeddings.concatenate([item] * 6)
    assert PackedDocuments(documents).top_k(item, 3, ScoringConfig()).indices.tolist() == [[0, 1, 2]]


def test_top_k_ranks_ties_zeros_and_negative_scores_as_a_stable_sort_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LEAST_COLUMNS", 7)
    monkeypatch.setitem(packed.BLOCK_BYTES, "cpu", 4)
    places = torch.arange(100).view(-1, 1)
    documents = Embeddings(
        torch.tensor([-2.0, -0.0, 0.0, 1.0, -1e-30, 3.0])[places * 7 % 6], torch.zeros(100, 1), torch.arange(101)
    )
    queries = Embeddings(torch.tensor([[1.0], [-1.0], [0.0]]), torch.zeros(3, 1), torch.arange(4))
    pooled = ScoringConfig(1, 0)
    expected = smart_scores(queries, documents, pooled).sort(dim=1, descending=True, stable=True)
    for k in (1, 30, 100):
        best = PackedDocuments(documents).top_k(queries, k, pooled)
        assert torch.equal(best.indices, expected.indices[:, :k]) and torch.equal(best.scores, expected.values[:, :k])


@pytest.mark.parametrize("weights", [(1, 0), (1, 1)])
def test_top_k_never_holds_the_matrix(monkeypatch: pytest.MonkeyPatch, weights: tuple[float, float]) -> None:
    monkeypatch.setattr(packed, "LEAST_COLUMNS", 16)
    monkeypatch.setitem(packed.BLOCK_BYTES, "cpu", 1 << 14)
    count = 2000
    documents = Embeddings(torch.randn(count, 4), torch.randn(count, 4), torch.arange(count + 1))
    queries = Embeddings(torch.randn(300, 4), torch.randn(300, 4), torch.arange(301))
    stored = PackedDocuments(documents)
    with LiveBytes() as counted:
        stored.top_k(queries, 5, ScoringConfig(*weights))
    assert counted.peak < len(queries) * count * 4 / 4


def test_int8_takes_a_quarter_and_bfloat16_half_the_memory() -> None:
    documents = embeddings(500, 300)
    size = {dtype: PackedDocuments(documents, dtype=dtype).nbytes - documents.pooled.nbytes for dtype in TOLERANCE}
    assert size["bfloat16"] == size["float32"] / 2
    assert size["int8"] < size["float32"] * 0.4  # 96 dimensions are padded to 128


def test_rotation_keeps_inner_products_and_flattens_outliers() -> None:
    for width in (8, 64, 96, 200, 512):
        states = F.normalize(torch.randn(50, width), dim=1)
        rotation = Rotation(width, states.device)
        torch.testing.assert_close(rotation(states) @ rotation(states).T, states @ states.T, rtol=0, atol=1e-5)
    spike = torch.zeros(1, 512)
    spike[0, 3] = 1
    assert Rotation(512, spike.device)(spike).abs().max() < 0.1


@pytest.mark.skipif(cut_integer_products() is not None, reason="oneDNN may not use what makes them exact")
def test_integer_products_are_exact_for_any_number_of_rows() -> None:
    left, _ = quantized_rows(torch.randn(5, 64))
    right, _ = quantized_rows(torch.randn(40, 64))
    for rows in (1, 7, 8, 30):
        found = integer_products(left, right, rows)
        assert torch.equal(found, (left.int() @ right[:rows].int().T))


@pytest.mark.usefixtures("either_arithmetic")
def test_compressed_sets_can_be_packed() -> None:
    queries, documents = embeddings(5, 9), embeddings(7, 30)
    expected = score_parts(queries, documents).late
    for stored in ("bfloat16", "int8"):
        found = PackedDocuments(documents.quantize(stored)).score_parts(queries.quantize(stored)).late
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)


@pytest.mark.usefixtures("either_arithmetic")
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_autocast_does_not_reach_packed_documents(dtype: str) -> None:
    queries, documents = embeddings(5, 9), embeddings(40, 1, 0, 25)
    expected = PackedDocuments(documents, dtype=dtype).score_parts(queries)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = PackedDocuments(documents, dtype=dtype).score_parts(queries)
    assert torch.equal(found.late, expected.late) and torch.equal(found.pooled, expected.pooled)


def test_packing_makes_no_wide_copy_of_16_bit_documents() -> None:
    documents = embeddings(*[20] * 100).to(torch.bfloat16)
    for dtype, most in (("bfloat16", 0.1), ("int8", 1.1)):
        with LiveBytes() as counted:
            stored = PackedDocuments(documents, dtype=dtype)
        assert counted.peak < most * documents.packed.nbytes, (dtype, stored.nbytes)


def test_packed_documents_keep_no_graph() -> None:
    documents = embeddings(7, 9)
    documents.pooled.requires_grad_()
    documents.packed.requires_grad_()
    for dtype in TOLERANCE:
        stored = PackedDocuments(documents, dtype=dtype)
        assert not stored.pooled.requires_grad and not stored.score_parts(documents).late.requires_grad


def test_nothing_packed_and_nothing_asked() -> None:
    queries, documents = embeddings(3), embeddings(4, 2)
    assert PackedDocuments(documents[:0]).score_parts(queries).late.shape == (1, 0)
    assert PackedDocuments(documents[:0]).top_k(queries, 3, ScoringConfig()).indices.shape == (1, 0)
    for dtype in TOLERANCE:
        assert PackedDocuments(documents, dtype=dtype).score_parts(queries[:0]).late.shape == (0, 2)


def test_progress_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    stored = PackedDocuments(embeddings(4, 2))
    stored.score_parts(embeddings(3))
    assert capsys.readouterr().err == ""
    stored.score_parts(embeddings(3), show_progress_bar=True)
    assert "Scoring documents" in capsys.readouterr().err


def test_bad_input() -> None:
    documents = embeddings(4, 2)
    stored = PackedDocuments(documents)
    with pytest.raises(ScoreError, match="dtype is 'int4'; choose one of float32, bfloat16, int8"):
        PackedDocuments(documents, dtype="int4")
    for k in (0, True, 2.0):
        with pytest.raises(ScoreError, match="it must be a whole number of at least 1"):
            stored.top_k(documents, k, ScoringConfig())
    narrow = Embeddings(documents.pooled, documents.packed[:, :-1], documents.offsets)
    with pytest.raises(ScoreError, match="queries are 95 wide, documents 96"):
        stored.score_parts(narrow)
    broken = Embeddings(documents.pooled, documents.packed / 0, documents.offsets)
    with pytest.raises(ScoreError, match="NaN or infinite: document 0"):
        PackedDocuments(broken)
    with pytest.raises(ScoreError, match="NaN or infinite: query 0"):
        stored.score_parts(broken)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_cuda_equals_cpu(dtype: str) -> None:
    queries, documents = embeddings(12, 9, 20), embeddings(40, 1, 0, 25, 60)
    expected = score_parts(queries, documents).late
    found = PackedDocuments(documents, dtype=dtype, device="cuda").score_parts(queries).late
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=TOLERANCE[dtype])
