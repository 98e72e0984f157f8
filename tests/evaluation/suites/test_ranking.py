"""`MtebModel` by hand: known vectors, known places; two stages, lists to rank, BEIR's rule, what is encoded."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from smart_train.errors import DataError, ModelError
from smart_train.evaluation import EvaluationResult, EvaluationSet, RetrievalEvaluator
from smart_train.types import ModelInput
from smart_train.utils.terms import SCORES

pytest.importorskip("mteb", reason="needs the extra mteb")

from smart_train.evaluation.suites import MtebModel, RunSettings, choose, run_tasks
from smart_train.evaluation.suites.results import per_query_result
from smart_train.evaluation.suites.rows import Rows, read_rows
from tests.evaluation.suites.conftest import quick
from tests.evaluation.suites.layouts import rows_of


def at(*degrees: float) -> list[list[float]]:
    """Vectors of width 2 at these angles."""
    return [[math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle in degrees]


# Each score puts the three documents in another order.
VECTORS = {
    "question": (at(0)[0], at(0, 90)),
    "near": (at(10)[0], at(45)),
    "far": (at(30)[0], at(10, 60)),
    "best": (at(80)[0], at(0, 90)),
}
ORDERS = {"pooled": ["near", "far", "best"], "late": ["best", "far", "near"], "hybrid": ["far", "near", "best"]}


@pytest.fixture
def asked(hand_model):
    """A model of known vectors, its queries and its documents."""
    model = MtebModel(hand_model(VECTORS))
    queries = read_rows(rows_of(id=["q"], text=["question"]), "query", ["text"], "hand")
    documents = read_rows(rows_of(id=list(VECTORS)[1:], text=list(VECTORS)[1:]), "document", ["text"], "hand")
    for rows in (queries, documents):
        model.encode(rows, {})
    return model, queries, documents


@pytest.mark.parametrize("score", SCORES)
def test_scores_are_those_of_the_hand(asked, score):
    model, queries, documents = asked
    found = model.by(score).found(queries, documents, 10)["q"]
    for name, (pooled, tokens) in list(VECTORS.items())[1:]:
        mean = np.mean([max(np.dot(mine, its) for its in tokens) for mine in VECTORS["question"][1]])
        cosine = np.dot(VECTORS["question"][0], pooled)
        expected = {"pooled": cosine, "late": mean, "hybrid": cosine + mean}[score]
        assert found[name] == pytest.approx(expected, abs=1e-6)
    assert sorted(found, key=lambda name: -found[name]) == ORDERS[score]


def test_two_stages_rank_what_the_pooled_score_lets_through(asked, hand_model):
    _, queries, documents = asked
    model = MtebModel(hand_model(VECTORS), candidates=2)
    for rows in (queries, documents):
        model.encode(rows, {})
    assert set(model.by("late").found(queries, documents, 10)["q"]) == {"near", "far"}
    assert set(model.by("hybrid").found(queries, documents, 10)["q"]) == {"near", "far"}
    assert list(model.by("pooled").found(queries, documents, 10)["q"]) == ORDERS["pooled"]
    exact = asked[0].by("late").found(queries, documents, 10)["q"]
    assert model.by("late").found(queries, documents, 1)["q"] == {"far": pytest.approx(exact["far"])}


@pytest.mark.cuda
@pytest.mark.parametrize("ways", [{}, {"candidates": 2}])
def test_a_gpu_ranks_the_same(hand_model, ways):
    found = []
    for device in ("cpu", "cuda"):
        held = hand_model(VECTORS)
        held.device = torch.device(device)
        model = MtebModel(held, **ways)
        names = list(VECTORS)
        queries = read_rows(rows_of(id=names, text=names), "query", ["text"], "hand")
        documents = read_rows(rows_of(id=names, text=names), "document", ["text"], "hand")
        for rows in (queries, documents):
            model.encode(rows, {})
        for lists in (None, dict.fromkeys(names, names[:2])):
            found.append([model.by(score).found(queries, documents, 3, lists) for score in SCORES])
    for ours, theirs in zip(found[:2], found[2:], strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert {query: list(ranked) for query, ranked in one.items()} == {q: list(r) for q, r in other.items()}
            for query, ranked in one.items():
                assert other[query] == pytest.approx(ranked, abs=1e-5)


def test_lists_to_rank_are_ranked_whole_and_alone(asked):
    model, queries, documents = asked
    found = model.by("late").found(queries, documents, 1, {"q": ["near", "best", "near"]})["q"]
    assert list(found) == ["best", "near"]
    with pytest.raises(DataError, match="query 'q' is to rank document 'page 7', which is not in the corpus of 3"):
        model.found(queries, documents, 1, {"q": ["page 7"]})
    assert model.found(queries, documents, 1, {}) == {"q": {}}


def test_three_scores_take_one_encoding_and_one_scoring(asked, monkeypatch):
    model, queries, documents = asked
    assert len(model.model.encoded) == len(VECTORS)
    first = model.by("pooled").found(queries, documents, 10)
    monkeypatch.setattr("smart_train.evaluation.suites.adapter.rank_all", None)
    assert model.by("late").found(queries, documents, 10) != first
    assert len(model.model.encoded) == len(VECTORS)


def test_what_others_call_it_is_another_experiment(asked, hand_model):
    model = asked[0]
    metas = {score: model.by(score).mteb_model_meta for score in SCORES}
    assert [meta.experiment_name for meta in metas.values()] == ["score_pooled", "score_late", None]
    assert {meta.revision for meta in metas.values()} == {model.revision}
    two = MtebModel(hand_model(VECTORS), candidates=2)
    assert two.mteb_model_meta.experiment_name == "candidates_2"
    assert two.by("pooled").mteb_model_meta.experiment_name == "score_pooled"
    with pytest.raises(DataError, match="score is 'lately', it must be one of pooled, late, hybrid"):
        model.by("lately")
    with pytest.raises(DataError, match="candidates is 0, it must be at least 1"):
        MtebModel(hand_model(VECTORS), candidates=0)


def test_the_cache_serves_a_second_call_and_no_other_model(hand_model, tmp_path):
    rows = read_rows(rows_of(id=["a", "b"], text=["near", "far"]), "document", ["text"], "hand")
    first = MtebModel(hand_model(VECTORS), cache=tmp_path)
    first.encode(rows, {})
    again = MtebModel(hand_model(VECTORS, late_weight=3.0), cache=tmp_path)  # weights act later
    again.encode(rows, {})
    assert (len(first.model.encoded), len(again.model.encoded)) == (2, 0)
    other = read_rows(rows_of(id=["a", "b"], text=["near", "best"]), "document", ["text"], "hand")
    again.encode(other, {})
    assert [item.text for item in again.model.encoded] == ["near", "best"]
    with pytest.raises(ModelError, match="holds embeddings of another model") as refused:
        MtebModel(hand_model({**VECTORS, "more": VECTORS["near"]}), cache=tmp_path)
    assert str(tmp_path) in str(refused.value) and "weights: '" in str(refused.value)
    with pytest.raises(ModelError, match=r"store: 'float32' there, 'int8' here"):
        MtebModel(hand_model(VECTORS), cache=tmp_path, store="int8")
    model = hand_model(VECTORS)
    model.family.prompts = type(model.family.prompts)(query_instruction="Find it.")
    with pytest.raises(ModelError, match=r"prompts.query_instruction: null there, 'Find it.' here"):
        MtebModel(model, cache=tmp_path)
    with pytest.raises(DataError, match="store is 'int4', it must be one of float32"):
        MtebModel(hand_model(VECTORS), cache=tmp_path, store="int4")
    Path(tmp_path, "encoded.json").write_text("{")
    with pytest.raises(DataError, match=r"encoded.json: cannot be read .* delete .*, which is made again"):
        MtebModel(hand_model(VECTORS), cache=tmp_path)


def test_encoding_that_was_killed_goes_on_where_it_stopped(hand_model, tmp_path, monkeypatch):
    monkeypatch.setattr("smart_train.evaluation.suites.store.SHARD_SIZE", 1)
    names = list(VECTORS)
    rows = read_rows(rows_of(id=names, text=names), "document", ["text"], "hand")
    model = hand_model(VECTORS)

    def killed(inputs, **options):
        if model.encoded:
            raise KeyboardInterrupt
        return model.encode_query(inputs)

    model.encode_document = killed
    with pytest.raises(KeyboardInterrupt):
        MtebModel(model, cache=tmp_path).encode(rows, {})
    again = MtebModel(hand_model(VECTORS), cache=tmp_path)
    again.encode(rows, {})
    assert [item.text for item in again.model.encoded] == names[1:]


def test_processes_wait_for_each_other_only_where_there_is_something_to_encode(asked, monkeypatch):
    """The first process ranks alone, when all have encoded: it must not wait for the others then."""
    model, queries, documents = asked
    waited: list[bool] = []
    monkeypatch.setattr("smart_train.retrieval.shards.barrier", lambda: waited.append(True))
    model.encode(queries, {})
    model.encode(documents, {})
    assert not waited
    model.encode(read_rows(rows_of(id=["new"], text=["far"]), "query", ["text"], "hand"), {})
    assert waited


def test_a_query_that_is_a_document_is_left_out_by_beirs_rule(hand_model, texts, tmp_path):
    """ArguAna's queries are documents of its corpus. mteb takes each out of its own ranking, and our evaluator, too."""
    documents = {name: name for name in VECTORS}
    data = texts("mteb/arguana", {"question": "question"}, documents, [("question", "best", 1)])
    model = hand_model(VECTORS)
    ranker = MtebModel(model, cache=tmp_path / "cache")
    run = run_tasks(ranker, quick(choose(["ArguAna"])), RunSettings(tmp_path / "out", data=data), say=lambda line: None)
    found = run.scores["ArguAna"].scores
    # The answer is third of the others by the pooled score and the sum, first by tokens.
    assert {score: found[score]["ndcg_at_10"] for score in SCORES} == pytest.approx(
        {"pooled": 0.5, "late": 1.0, "hybrid": 0.5}, abs=1e-5
    )
    inputs = [ModelInput(text=name) for name in VECTORS]
    evaluated = RetrievalEvaluator(EvaluationSet(inputs[:1], ["question"], inputs, list(VECTORS), [{"best"}]))(model)
    kept = EvaluationResult.load(tmp_path / "out" / "per_query" / "ArguAna" / "test-default.json")
    assert kept.own == evaluated.own == 1
    for score in SCORES:
        assert kept.metrics[score]["ndcg@10"] == evaluated.metrics[score]["ndcg@10"]
    assert kept.chance == pytest.approx({name: evaluated.chance[name] for name in kept.chance})


def test_own_documents_are_found_in_one_pass_over_the_ids():
    """Not in one for each query: half a million documents and ten thousand queries would take an hour."""

    class Ids(list[str]):
        passes = 0

        def __iter__(self):
            Ids.passes += 1
            return super().__iter__()

    task = SimpleNamespace(
        metadata=SimpleNamespace(name="t", main_score="ndcg_at_5"), ignore_identical_ids=True, skip_first_result=False
    )
    names = [f"d{i}" for i in range(20)]
    queries = Rows("t", "query", [*names[:9], "q"], "", None, (), None)
    documents = Rows("t", "document", Ids(names), "", None, (), None)
    found = [(np.array([2.0, 1.0]), np.array([i, 19])) for i in range(10)]
    qrels = {query: {"d19": 1} for query in queries.ids}
    result = per_query_result(task, "test", "default", queries, documents, qrels, {"late": found}, {})
    assert result.own == 9 and Ids.passes <= 2
    assert result.per_query["late"]["recall@1"] == [1.0] * 9 + [0.0]


def test_equal_ids_of_unlike_things_stay_in(hand_model, texts, tmp_path):
    """Elsewhere an id in common says nothing: here the answer has the id of its query."""
    data = texts("mteb/nfcorpus", {"1": "question"}, {"1": "near", "2": "far", "3": "best"}, [("1", "1", 1)])
    ranker = MtebModel(hand_model(VECTORS), cache=tmp_path / "cache")
    run = run_tasks(
        ranker, quick(choose(["NFCorpus"])), RunSettings(tmp_path / "out", data=data), say=lambda line: None
    )
    found = run.scores["NFCorpus"].scores
    assert found["pooled"]["ndcg_at_10"] == 1.0
    assert found["late"]["ndcg_at_10"] == 0.5
    assert found["hybrid"]["ndcg_at_10"] == pytest.approx(1 / math.log2(3), abs=1e-5)
