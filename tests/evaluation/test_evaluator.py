"""The evaluator against naive scoring, in blocks, in any order, and on models that know nothing."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from smart_train.errors import DataError, ScoreError
from smart_train.evaluation import EvaluationResult, EvaluationSet, RetrievalEvaluator, evaluator
from smart_train.evaluation.metrics import score_rankings
from smart_train.evaluation.ranking import RankingBuilder, rank_documents
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput


def naive(model, data: EvaluationSet) -> dict[str, torch.Tensor]:
    queries, documents = model.encode_query(data.queries), model.encode_document(data.documents)
    pooled = torch.tensor([[float(q @ d) for d in documents.pooled] for q in queries.pooled])
    late = torch.tensor([[float((q @ d.T).amax(1).mean()) for d in documents.tokens] for q in queries.tokens])
    return {
        "pooled": pooled,
        "late": late,
        "hybrid": model.scoring.pooled_weight * pooled + model.scoring.late_weight * late,
    }


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.25, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_equals_naive_scoring(evaluation_set, make_model, weights):
    model = make_model(ScoringConfig(pooled_weight=weights[0], late_weight=weights[1]))
    result = RetrievalEvaluator(evaluation_set, ks=(1, 3))(model)
    for score, matrix in naive(model, evaluation_set).items():
        rankings = rank_documents(matrix, evaluation_set.query_ids, evaluation_set.document_ids)
        expected = score_rankings(
            dict(zip(evaluation_set.query_ids, rankings, strict=True)), evaluation_set.qrels, (1, 3)
        )
        assert result.per_query[score] == expected
    assert 0.1 < result.metrics["hybrid"]["ndcg@3"] < 1.0
    assert result.scoring == model.scoring.to_dict()


@pytest.mark.parametrize("products", ["bfloat16", "float16"])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("blocks", [{}, {"query_block": 7, "document_block_bytes": 1000}])
def test_narrow_products_rank_as_exact_ones(evaluation_set, make_model, weights, products, blocks):
    model = make_model(ScoringConfig(pooled_weight=weights[0], late_weight=weights[1]))
    exact = RetrievalEvaluator(evaluation_set, ks=(1, 3))
    narrow = RetrievalEvaluator(evaluation_set, ks=(1, 3), products=products, **blocks)
    expected, result = exact(model), narrow(model)
    assert result.per_query == expected.per_query and result.found == expected.found
    scores = len(evaluation_set.queries) * len(evaluation_set.documents)
    assert narrow.rescored.scores == scores and 0 < narrow.rescored.again < scores
    assert exact.rescored.told == ""


def test_narrow_products_of_a_model_without_a_pooled_score(evaluation_set, make_model):
    model = make_model(ScoringConfig(pooled_weight=0.0))
    whole = {side: getattr(model, f"encode_{side}") for side in ("query", "document")}
    for side, encode in whole.items():
        setattr(model, f"encode_{side}", lambda items, encode=encode, **options: _late_only(encode(items, **options)))
    expected = RetrievalEvaluator(evaluation_set, ks=(1, 3))(model)
    result = RetrievalEvaluator(evaluation_set, ks=(1, 3), products="float16")(model)
    assert set(result.per_query) == {"late"} and result.per_query == expected.per_query


def _late_only(made: Embeddings) -> Embeddings:
    return Embeddings(made.pooled[:, :0], made.packed, made.offsets)


def test_a_constant_model_is_ranked_by_hashes_with_narrow_products(make_model, make_set):
    data, model = make_set(40, 40), make_model(constant=True)
    narrow = RetrievalEvaluator(data, products="bfloat16")
    assert narrow(model).per_query == RetrievalEvaluator(data)(model).per_query
    assert narrow.rescored.again == 40 * 40, "nothing can be told apart"


def test_one_encoding_serves_the_three_scores(evaluation_set, model):
    RetrievalEvaluator(evaluation_set)(model)
    assert len(model.encoded) == len(evaluation_set.queries) + len(evaluation_set.documents)


@pytest.mark.parametrize(("query_block", "document_block_bytes"), [(1, 1), (7, 1000), (1000, 10**9)])
def test_blocks_equal_the_whole(evaluation_set, model, query_block, document_block_bytes):
    blocks = RetrievalEvaluator(evaluation_set, query_block=query_block, document_block_bytes=document_block_bytes)(
        model
    )
    assert blocks.per_query == RetrievalEvaluator(evaluation_set)(model).per_query


def test_order_of_the_corpus_changes_nothing(evaluation_set, model):
    order = torch.randperm(len(evaluation_set.documents)).tolist()
    shuffled = EvaluationSet(
        queries=evaluation_set.queries,
        query_ids=evaluation_set.query_ids,
        documents=[evaluation_set.documents[i] for i in order],
        document_ids=[evaluation_set.document_ids[i] for i in order],
        relevant=evaluation_set.qrels,
    )
    assert RetrievalEvaluator(shuffled)(model).per_query == RetrievalEvaluator(evaluation_set)(model).per_query


def test_a_constant_model_scores_chance(make_model, make_set):
    count = 300
    result = RetrievalEvaluator(make_set(count, count))(make_model(constant=True))
    for columns in result.metrics.values():
        # One relevant of 300: standard error of recall@10 over 300 queries is 0.010, of nDCG@5 0.005.
        assert columns["recall@10"] == pytest.approx(result.chance["recall@10"], abs=0.035)
        assert columns["ndcg@5"] == pytest.approx(result.chance["ndcg@5"], abs=0.02)
    assert result.chance["recall@10"] == pytest.approx(10 / count)


def test_stored_embeddings_give_the_same_result(evaluation_set, model):
    evaluator = RetrievalEvaluator(evaluation_set)
    queries = model.encode_query(evaluation_set.queries)
    documents = model.encode_document(evaluation_set.documents)
    assert evaluator.score_embeddings(queries, documents, model.scoring) == evaluator(model)
    with pytest.raises(DataError, match="30 queries and 1 documents were given, the evaluation set has 30 and 60"):
        evaluator.score_embeddings(queries, documents[:1], model.scoring)


def test_compressed_tokens_are_evaluated_block_by_block(evaluation_set, model):
    queries = model.encode_query(evaluation_set.queries)
    documents = model.encode_document(evaluation_set.documents).quantize("int8")
    whole = RetrievalEvaluator(evaluation_set).score_embeddings(queries, documents, model.scoring)
    blocks = RetrievalEvaluator(evaluation_set, query_block=7, document_block_bytes=100)
    assert blocks.score_embeddings(queries, documents, model.scoring) == whole


def test_nan_embeddings_are_an_error(evaluation_set, model):
    queries = model.encode_query(evaluation_set.queries)
    documents = model.encode_document(evaluation_set.documents)
    documents.pooled[3, 0] = float("nan")
    with pytest.raises(ScoreError, match="NaN"):
        RetrievalEvaluator(evaluation_set).score_embeddings(queries, documents, model.scoring)


def test_graded_relevance_reaches_the_metrics():
    data = EvaluationSet(
        queries=[ModelInput(text="q")],
        query_ids=["q"],
        documents=[ModelInput(text=name) for name in "abc"],
        document_ids=list("abc"),
        relevant=[{"a": 1, "b": 3}],
    )
    unit = torch.eye(3)
    queries = Embeddings(unit[:1], [unit[:1]])
    scores = torch.tensor([0.9, 0.5, 0.1])
    documents = torch.stack([scores, (1 - scores**2).sqrt(), torch.zeros(3)], dim=1)
    result = RetrievalEvaluator(data).score_embeddings(
        queries, Embeddings(documents, list(documents.split(1))), ScoringConfig()
    )
    gain = torch.tensor([1 / 3]).item()
    assert result.metrics["late"]["ndcg@1"] == pytest.approx(gain)
    assert result.metrics["pooled"]["ndcg@1"] == pytest.approx(gain)


def test_result_survives_json(tmp_path, evaluation_set, model):
    result = RetrievalEvaluator(evaluation_set)(model)
    path = result.save(tmp_path / "run" / "evaluation.before.json")
    assert EvaluationResult.load(path) == result
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert EvaluationResult.from_dict(result.to_dict()).metrics == result.metrics


def test_flat_names(evaluation_set, model):
    result = RetrievalEvaluator(evaluation_set, ks=(5,))(model)
    assert result.flat()["eval_hybrid_ndcg@5"] == result.metrics["hybrid"]["ndcg@5"]
    assert len(result.flat()) == 9


def test_unreadable_results_are_named(tmp_path):
    with pytest.raises(DataError, match="absent.json: cannot be read"):
        EvaluationResult.load(tmp_path / "absent.json")
    (tmp_path / "cut.json").write_text('{"metrics": {')
    with pytest.raises(DataError, match="cut.json: is not JSON"):
        EvaluationResult.load(tmp_path / "cut.json")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(DataError, match="holds no JSON object"):
        EvaluationResult.load(tmp_path / "other.json")
    with pytest.raises(DataError, match="per_query"):
        EvaluationResult.from_dict({"query_ids": []})


def test_values_must_match_the_queries(evaluation_set, model):
    result = RetrievalEvaluator(evaluation_set)(model)
    with pytest.raises(DataError, match="has 30 values for 29 queries"):
        dataclasses.replace(result, query_ids=result.query_ids[1:])


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"query_block": 0}, {"document_block_bytes": 0}])
def test_bad_options(evaluation_set, options):
    with pytest.raises(DataError, match="each must be at least 1"):
        RetrievalEvaluator(evaluation_set, **options)


@pytest.mark.cuda
def test_a_gpu_ranks_like_the_cpu(evaluation_set, model):
    evaluator = RetrievalEvaluator(evaluation_set, query_block=8, document_block_bytes=1000)
    queries = model.encode_query(evaluation_set.queries)
    documents = model.encode_document(evaluation_set.documents)
    on_gpu = evaluator.score_embeddings(queries, documents, model.scoring, device="cuda")
    assert on_gpu == evaluator.score_embeddings(queries, documents, model.scoring)


def test_a_query_that_is_a_document_is_left_out_of_its_own_ranking(make_model):
    """As in BEIR: the query would be its own best hit, and push its answer to the second place."""
    pairs = [(f"page {i}", f"page {i}|counter") for i in range(4)]
    texts = [text for pair in pairs for text in pair]
    data = EvaluationSet(
        queries=[ModelInput(text=one) for one, _ in pairs],
        query_ids=[f"d{2 * i}" for i in range(4)],
        documents=[ModelInput(text=text) for text in texts],
        document_ids=[f"d{i}" for i in range(8)],
        relevant=[{f"d{2 * i + 1}"} for i in range(4)],
    )
    model = make_model(ScoringConfig(pooled_weight=1.0, late_weight=0.0))
    result = RetrievalEvaluator(data, ks=(1,))(model)
    narrow = RetrievalEvaluator(data, ks=(1,), products="float16", document_block_bytes=1)(model)
    assert narrow.per_query == result.per_query
    assert result.metrics["hybrid"]["ndcg@1"] == 1.0
    assert result.title.endswith("8 documents (4 queries are documents too, each left out of its own ranking)")
    assert result.chance["ndcg@1"] == pytest.approx(1 / 7)
    assert EvaluationResult.from_dict(result.to_dict()) == result
    renamed = dataclasses.replace(data, query_ids=[f"q{i}" for i in range(4)], relevant=list(data.qrels.values()))
    assert RetrievalEvaluator(renamed, ks=(1,))(model).metrics["hybrid"]["ndcg@1"] == 0.0, "the test could not fail"


@pytest.mark.parametrize("side", ["queries", "documents"])
def test_what_the_model_does_not_read_is_named(evaluation_set, make_model, side):
    model = make_model(ScoringConfig())
    model.family = SimpleNamespace(modalities=("text",))
    items = [dataclasses.replace(item, images=("page.png",)) for item in getattr(evaluation_set, side)]
    data = dataclasses.replace(evaluation_set, **{side: items}, relevant=list(evaluation_set.qrels.values()))
    with pytest.raises(
        DataError, match=rf"evaluation set, {side}: (\d+) of \1 hold images, .* only text: '.0', '.1', "
    ):
        RetrievalEvaluator(data)(model)
    assert model.encoded == []
    model.family = SimpleNamespace(modalities=("text", "image"))
    RetrievalEvaluator(data)(model)


def test_queries_are_sent_once_and_blocks_ranked_together(evaluation_set, model, monkeypatch):
    sent, ranked = [], []
    move, add = Embeddings.to, RankingBuilder.add
    monkeypatch.setattr(Embeddings, "to", lambda self, *to: (sent.append(len(self)), move(self, *to))[1])
    monkeypatch.setattr(RankingBuilder, "add", lambda self, *block: (ranked.append(block), add(self, *block))[1])
    RetrievalEvaluator(evaluation_set, document_block_bytes=1)(model)  # a document at a time
    documents, queries = len(evaluation_set.documents), len(evaluation_set.queries)
    assert sorted(sent) == sorted([queries, *([1] * documents)])
    assert len(ranked) == 3, "one block for each of the three scores"


def test_queries_too_large_to_keep_are_sent_block_by_block(evaluation_set, model, monkeypatch):
    expected = RetrievalEvaluator(evaluation_set)(model).per_query
    monkeypatch.setattr(evaluator, "_RESIDENT_BYTES", 0)
    monkeypatch.setattr(evaluator, "_GATHERED_BYTES", 0)
    assert RetrievalEvaluator(evaluation_set, query_block=3, document_block_bytes=1)(model).per_query == expected
