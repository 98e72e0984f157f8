"""The table people read and the files programs read."""

from __future__ import annotations

import dataclasses
import json

import pytest
from rich.console import Console

from smart_train.errors import DataError
from smart_train.evaluation import RetrievalEvaluator, compare, evaluation_report, print_report, save_report


@pytest.fixture
def results(evaluation_set, make_model):
    evaluator = RetrievalEvaluator(evaluation_set, ks=(1, 5, 10))
    return evaluator(make_model(constant=True)), evaluator(make_model())


def printed(*arguments) -> str:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_report(*arguments, console=console)
    return console.export_text()


def test_evaluation_json_has_the_promised_shape(tmp_path, results):
    before, after = results
    path = save_report(tmp_path / "run", before, after)
    assert path == tmp_path / "run" / "evaluation.json"
    report = json.loads(path.read_text())
    names = [f"{kind}@{k}" for kind in ("ndcg", "recall") for k in (1, 5, 10)] + ["mrr@10"]
    for moment in ("before", "after"):
        assert list(report[moment]) == ["pooled", "late", "hybrid"]
        assert all(list(columns) == names for columns in report[moment].values())
    assert report["after"]["hybrid"]["ndcg@5"] == after.metrics["hybrid"]["ndcg@5"]
    assert (report["queries"], report["documents"]) == (30, 60)
    assert report["chance"]["recall@10"] == pytest.approx(1 / 6)
    assert report["comparison"] == json.loads(json.dumps(compare(before, after).to_dict()))
    assert report["scoring"]["late_weight"] == 1.0
    assert sorted(item.name for item in path.parent.iterdir()) == ["evaluation.json", "per_query.json"]


def test_per_query_values_run_parallel_to_the_ids(tmp_path, results):
    before, after = results
    backwards = dataclasses.replace(
        after,
        query_ids=after.query_ids[::-1],
        per_query={
            score: {metric: values[::-1] for metric, values in columns.items()}
            for score, columns in after.per_query.items()
        },
        query_texts=after.query_texts[::-1],
        relevant=after.relevant[::-1],
        found={score: found[::-1] for score, found in after.found.items()},
    )
    save_report(tmp_path, before, backwards)
    values = json.loads((tmp_path / "per_query.json").read_text())
    assert values == {
        "query_ids": before.query_ids,
        "query_texts": [f"page {i}|question" for i in range(30)],
        "relevant": [{f"d{i}": 1} for i in range(30)],
        "before": before.per_query,
        "found_before": before.found,
        "after": after.per_query,
        "found_after": after.found,
        "document_texts": {**before.document_texts, **after.document_texts},
    }
    assert values["document_texts"]["d3"] == "page 3"


def test_one_result_alone(tmp_path, results):
    report = evaluation_report(None, results[1])
    assert "before" not in report and "comparison" not in report
    assert list(evaluation_report(results[0], None))[0] == "before"
    text = printed(results[1])
    assert "value" in text and "before" not in text and "interval" not in text
    with pytest.raises(DataError, match="neither a result before nor one after"):
        save_report(tmp_path, None, None)
    with pytest.raises(DataError, match="neither a result before nor one after"):
        print_report(None)


def test_table_shows_both_results_their_difference_and_chance(results):
    before, after = results
    text = printed(before, after)
    row = compare(before, after).row("hybrid", "ndcg@5")
    line = [line for line in text.splitlines() if "ndcg@5" in line][2]
    for value in (f"{before.chance['ndcg@5']:.3f}", f"{row.before:.3f}", f"{row.after:.3f}", f"{row.difference:+.3f}*"):
        assert value in line
    assert "<0.001" in line
    assert "30 queries against 60 documents" in text
    assert "* p < 0.05, paired randomisation test over 30 queries" in text


def test_rows_are_what_both_results_have(results, evaluation_set, make_model):
    other = RetrievalEvaluator(evaluation_set, ks=(5,))(make_model())
    text = printed(results[0], other)
    assert text.count("ndcg@5") == 3 and "ndcg@10" not in text
