"""The road of a real (tiny, random) Qwen3-VL: folder, index, search, evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator
from smart_train.models.prompt_settings import PromptConfig
from smart_train.retrieval import DocumentIndex, encode_folder, model_fingerprint, search, search_folder, update_index
from smart_train.types import ModelInput

TINY = Path(__file__).parents[2] / "data" / "tiny-qwen3-vl"
QUERIES = ["total revenue 2019", "a red mark", {"text": "blue", "instruction": "Find it."}]


def load(**options) -> SmartModel:
    return SmartModel.from_config(TINY, init_std=0.05, **options)


@pytest.fixture(scope="module")
def model() -> SmartModel:
    return load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for i, colour in enumerate(["red", "green", "blue", "black", "orange"]):
        page = Image.new("RGB", (96 + 32 * (i % 3), 96), "white")
        ImageDraw.Draw(page).rectangle((8 * i, 8, 40 + 8 * i, 40 + 4 * i), fill=colour)
        page.save(folder / f"{i}.png")
    return folder


def test_scores_are_the_models_own(model, folder):
    hits = search_folder(model, folder, QUERIES, top_k=5)
    ids = [f"{i}.png" for i in range(5)]
    scores = model.similarity(model.encode_query(QUERIES), model.encode_document([folder / name for name in ids]))
    for row, found in zip(scores, hits, strict=True):
        assert {hit.document_id: hit.hybrid for hit in found} == pytest.approx(
            dict(zip(ids, row.tolist(), strict=True)), abs=1e-5
        )
        assert [hit.hybrid for hit in found] == sorted((hit.hybrid for hit in found), reverse=True)


def test_an_index_serves_the_saved_model_and_no_other(model, folder, tmp_path):
    encode_folder(model, folder).save(tmp_path / "index")
    index = DocumentIndex.load(tmp_path / "index")
    model.save_pretrained(tmp_path / "model")
    again = SmartModel.from_pretrained(tmp_path / "model", device="cpu")
    assert model_fingerprint(again) == index.model
    assert search(again, QUERIES, index) == search(model, QUERIES, index)
    for other in (load(seed=1), load(prompts=PromptConfig(max_pixels=9216))):
        with pytest.raises(ModelError, match="made by another model"):
            search(other, QUERIES, index)
    with pytest.raises(ModelError, match="layer: -1 there, 1 here"):
        search(load(scoring=ScoringConfig(layer=1)), QUERIES, index)


def test_an_index_follows_where_nothing_is_left_to_encode(model, folder, tmp_path, monkeypatch):
    """Pages that were removed or renamed, and a call that was killed when it had encoded all and saved nothing."""
    pages = Path(shutil.copytree(folder, tmp_path / "pages"))
    first, _ = update_index(model, pages, tmp_path / "index")
    (pages / "4.png").unlink()
    (pages / "0.png").rename(pages / "new.png")
    moved, _ = update_index(model, pages, tmp_path / "index")
    assert moved.document_ids == ["1.png", "2.png", "3.png", "new.png"]
    assert torch.equal(moved.embeddings.pooled, first.embeddings.pooled[[1, 2, 3, 0]])
    with monkeypatch.context() as killed:
        killed.setattr("smart_train.retrieval.encode_documents.write_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update_index(model, folder, tmp_path / "other")
    again, _ = update_index(model, folder, tmp_path / "other")
    assert torch.equal(again.embeddings.packed, first.embeddings.packed)


def test_fingerprint_sees_a_small_step(model):
    stepped = load()
    before = model_fingerprint(stepped)
    assert before == model_fingerprint(model)
    with torch.no_grad():
        next(p for n, p in stepped.named_parameters() if "language_model.layers.1.self_attn.q_proj" in n).mul_(1.001)
    assert model_fingerprint(stepped) != before


def test_an_untrained_model_is_evaluated(model, folder):
    data = EvaluationSet(
        queries=[ModelInput(text=f"query {i}") for i in range(5)],
        query_ids=[f"q{i}" for i in range(5)],
        documents=[ModelInput(images=(folder / f"{i}.png",)) for i in range(5)],
        document_ids=[f"{i}.png" for i in range(5)],
        relevant=[{f"{i}.png"} for i in range(5)],
    )
    result = RetrievalEvaluator(data, ks=(1, 5), batch_size=2)(model)
    assert result.metrics["hybrid"]["recall@5"] == 1.0
    hits = search_folder(model, folder, [query.text for query in data.queries], top_k=1)
    firsts = [float(row[0].document_id == f"{i}.png") for i, row in enumerate(hits)]
    assert result.per_query["hybrid"]["recall@1"] == firsts
