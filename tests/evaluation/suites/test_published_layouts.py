"""mteb's own tasks, run on data sets in the layouts that are published, against naive scoring and our evaluator."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from smart_train.evaluation import EvaluationResult, EvaluationSet, RetrievalEvaluator, compare
from smart_train.evaluation.metrics import score_rankings
from smart_train.types import ModelInput
from smart_train.utils.terms import SCORES
from tests.evaluation.suites import layouts
from tests.evaluation.suites.conftest import LANGUAGES, quick

mteb = pytest.importorskip("mteb", reason="needs the extra mteb")

from smart_train.evaluation.suites import MtebModel, RunSettings, choose, run_tasks  # noqa: E402

COUNT = 8
# task -> its official metric, the languages of its queries, and whether a page has text beside its image
TASKS = {
    "VidoreDocVQARetrieval": ("ndcg@5", ("",), False),
    "Vidore2ESGReportsRetrieval": ("ndcg@5", LANGUAGES, False),
    "Vidore3HrRetrieval": ("ndcg@10", LANGUAGES, False),
    "Vidore3HrRetrieval.v2": ("ndcg@10", LANGUAGES[1:], True),
    "VisRAGRetChartQA": ("recall@10", ("",), False),
}


def the_set(task: str, language: str) -> EvaluationSet:
    """The queries of one language as our evaluator takes them."""
    drawn, words = layouts.pages(COUNT)
    with_text = TASKS[task][2]
    named = f"{language} " if task.startswith("Vidore3") else ""
    relevant = [{f"d{at}": 1} for at in range(COUNT)]
    if not task.startswith(("Vidore3", "VisRAG")):
        relevant = [{f"d{at}": 2, f"d{(at + 1) % COUNT}": 1} for at in range(COUNT)]
    return EvaluationSet(
        [ModelInput(text=f"{named}{text}") for text in words],
        [f"q{at}" for at in range(COUNT)],
        [ModelInput(text=f"# Page {at}" if with_text else None, images=(page,)) for at, page in enumerate(drawn)],
        [f"d{at}" for at in range(COUNT)],
        relevant,
    )


@pytest.fixture(scope="module")
def run(published, page_model, tmp_path_factory):
    """All the layouts, run once. The datasets library's cache is of the whole session."""
    folder = tmp_path_factory.mktemp("run")
    model = MtebModel(page_model, cache=folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        import datasets

        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")
        names = [*TASKS, "Vidore3HrBM25sReranking.v2"]
        chosen = quick(choose(names))
        for task in (task for one in chosen for task in one.tasks):
            if len(task.hf_subsets) > 1:
                task.hf_subsets = list(LANGUAGES[1:] if task.metadata.name.endswith(".v2") else LANGUAGES)
        done = run_tasks(model, chosen, RunSettings(folder / "out", data=published), say=lambda line: None)
    done.check(len(names), published)
    return model, done, folder / "out"


@pytest.mark.parametrize("task", TASKS)
def test_official_metrics_equal_our_evaluator(task, run, page_model):
    metric, languages, _ = TASKS[task]
    found = run[1].scores[task]
    assert found.main_metric == metric.replace("@", "_at_")
    evaluated = [RetrievalEvaluator(the_set(task, language))(page_model).metrics for language in languages]
    for score in SCORES:
        expected = sum(means[score][metric] for means in evaluated) / len(languages)
        # mteb rounds to five decimals.
        assert found.scores[score][found.main_metric] == pytest.approx(expected, abs=1e-5)
    assert (found.queries, found.documents) == (COUNT * len(languages), COUNT)


def test_values_per_query_average_to_mtebs_and_compare(run):
    _, done, output = run
    for task, (metric, languages, _) in TASKS.items():
        files = sorted((output / "per_query" / task).iterdir())
        assert len(files) == len(languages)
        kept = [EvaluationResult.load(file) for file in files]
        for score in SCORES:
            mean = sum(one.metrics[score][metric] for one in kept) / len(kept)
            assert mean == pytest.approx(done.scores[task].scores[score][metric.replace("@", "_at_")], abs=1e-5)
    # The hybrid score against the pooled one, as two results of one query set.
    one = kept[0]
    before, after = (dataclasses.replace(one, per_query={"x": one.per_query[score]}) for score in ("pooled", "hybrid"))
    expected = {row.metric.replace("@", "_at_"): row.p_value for row in compare(before, after).rows}
    assert done.scores[task].p_values == expected
    # The same queries in two languages are not twice as many.
    assert done.scores["Vidore2ESGReportsRetrieval"].p_values == {}


def test_a_reranking_task_ranks_what_it_lists(run, page_model):
    drawn, words = layouts.pages(COUNT)
    pages = [ModelInput(text=f"# Page {at}", images=(page,)) for at, page in enumerate(drawn)]
    documents = page_model.encode_document(pages)
    values = {score: [] for score in SCORES}
    for language in LANGUAGES[1:]:
        queries = page_model.encode_query([f"{language} {text}" for text in words])
        for at, (asked, tokens) in enumerate(zip(queries.pooled, queries.tokens, strict=True)):
            scored = {}
            for listed in ((at + step) % COUNT for step in range(3)):
                pooled = float(asked @ documents.pooled[listed])
                late = float((tokens @ documents.tokens[listed].T).amax(1).mean())
                scored[listed] = {"pooled": pooled, "late": late, "hybrid": pooled + late}
            for score in SCORES:
                ranked = sorted(scored, key=lambda page, score=score: -scored[page][score])
                found = score_rankings({"q": [str(page) for page in ranked]}, {"q": {str(at): 1}}, [10])
                values[score] += found["ndcg@10"]
    found = run[1].scores["Vidore3HrBM25sReranking.v2"]
    for score in SCORES:
        expected = sum(values[score]) / len(values[score])
        assert 0.5 < expected < 1
        assert found.scores[score]["ndcg_at_10"] == pytest.approx(expected, abs=1e-5)


def test_results_are_mtebs_own_and_lie_where_it_looks(run):
    model, done, output = run
    cache = mteb.ResultCache(output)
    for score in SCORES:
        view = model.by(score)
        result = cache.load_task_result("VidoreDocVQARetrieval", view.mteb_model_meta, raise_if_not_found=True)
        expected = done.scores["VidoreDocVQARetrieval"].scores[score]["ndcg_at_5"]
        assert result.get_score() == pytest.approx(expected, abs=1e-6)
        assert result.dataset_revision == "e78cd130055fcb8d69bb0ff4115c4712a157f3d3"
    path = cache.get_task_result_path("VidoreDocVQARetrieval", model.mteb_model_meta)
    described = json.loads(path.with_name("model_meta.json").read_text())
    assert (described["name"], described["revision"]) == (model.name, model.revision)
    assert path.parent.name == model.revision  # the hybrid score's are the model's, the others experiments
    assert {file.parent.name for file in path.parent.glob("experiments/*/VidoreDocVQARetrieval.json")} == {
        "score_pooled",
        "score_late",
    }


def test_the_instruction_of_a_task_is_for_queries(run, page_model, tmp_path):
    import datasets

    metadata = choose(["VisRAGRetChartQA", "VidoreDocVQARetrieval"])
    told = MtebModel(page_model, cache=tmp_path, task_prompts=True)
    rows = datasets.Dataset.from_dict({"id": ["a"], "text": ["words"]})
    none, asked = (told.rows(rows, "query", one.tasks[0].metadata, "default", one.name) for one in metadata)
    assert none.inputs([0])[0].instruction is None  # VisRAG has none
    assert asked.inputs([0])[0].instruction is None  # the same data set: known already
    told.forget()
    asked = told.rows(rows, "query", metadata[1].tasks[0].metadata, "default", "test")
    assert asked.inputs([0])[0].instruction == "Find a screenshot that relevant to the user's question."
    assert run[0].rows(rows, "query", metadata[1].tasks[0].metadata, "default", "test").key != asked.key


def test_one_corpus_of_several_languages_and_tasks_is_encoded_once(run):
    folders = list(Path(run[0].encoded.folder).glob("*/documents-*"))
    # The pages of ViDoRe v1, v2, v3 and VisRAG are the same here; with their text they are others.
    assert len(folders) == 2


def test_a_table_of_pages_is_read_as_its_files(run, published):
    """Nothing is decoded and saved again on the way to the model: the bytes are those of the data set."""
    import datasets

    corpus = datasets.load_dataset(str(published / "mteb" / "VisRAGRetChartQA"), "corpus", split="train")
    task = choose(["VisRAGRetChartQA"])[0].tasks[0]
    rows = run[0].rows(corpus, "document", task.metadata, "default", "train")
    held = corpus.cast_column("image", datasets.Image(decode=False))
    assert [item.images[0] for item in rows.inputs(range(COUNT))] == [row["image"]["bytes"] for row in held]
    assert torch.equal(
        run[0].model.encode_document(rows.inputs([3])).pooled,
        run[0].model.encode_document([layouts.pages(COUNT)[0][3]]).pooled,
    )
