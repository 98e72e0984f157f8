"""Settings chosen on some queries and decided on others."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from smart_train.errors import DataError, ModelError, ScoreError, SmartTrainError
from smart_train.evaluation import RetrievalEvaluator, TuningGrid, TuningResult, tune, tuning_states
from smart_train.evaluation.tuning import halves
from smart_train.evaluation.tuning_grid import read_weights
from smart_train.evaluation.tuning_states import TuningStates
from smart_train.models import TokenProjection
from smart_train.scoring import ScoringConfig
from tests.tuned import Toy, make_toy

PAGE = Path(__file__).parents[2] / "docs" / "tune.md"
SMALL = TuningGrid(
    weights=((1, 0), (1, 1), (0, 1)),
    layers=(-1, 0),
    query_tokens=("content",),
    document_tokens=("content",),
    pooled_token=("keep",),
    widths=(32, 8),
    pool_factors=(1, 2),
    stored_as=("float32", "int8"),
)


@pytest.fixture(scope="module")
def found(toy: Toy) -> TuningResult:
    return tune(toy.model, toy.data(), grid=SMALL)


def test_each_setting_measures_as_the_evaluator_does(toy: Toy) -> None:
    data = toy.data()
    scorings = [
        ScoringConfig(),
        ScoringConfig(late_weight=4, layer=0, query_tokens="all", pooled_token="drop"),
        ScoringConfig(width=8, pool_factor=2, stored_as="int8"),
        ScoringConfig(pooled_weight=0, pool_factor=3, stored_as="bfloat16"),
    ]
    own = toy.model.scoring
    with TuningStates(toy.model, data, (-1, 0), batch_size=7) as states:
        measured = states.measure(scorings, "ndcg@5")
    try:
        for item in measured:
            toy.model.family.scoring = item.scoring
            expected = RetrievalEvaluator(data)(toy.model)
            np.testing.assert_allclose(item.values, expected.per_query["hybrid"]["ndcg@5"], atol=1e-9)
    finally:
        toy.model.family.scoring = own


def test_bytes_are_those_of_an_index(toy: Toy) -> None:
    from smart_train.scoring.index_form import documents_for_index

    scoring = ScoringConfig(width=16, pool_factor=2, stored_as="int8")
    with TuningStates(toy.model, toy.data(), (-1,)) as states:
        (measured,) = states.measure([scoring], "mrr@10")
    kept = documents_for_index(toy.model.encode_document(toy.documents), scoring)
    size = sum(kept.parts()[name].nbytes for name in ("pooled", "packed", "scales"))
    assert measured.bytes_per_document == pytest.approx(size / len(toy.documents))


def test_states_that_do_not_fit_in_memory_measure_the_same(toy: Toy) -> None:
    values = []
    for memory in (2**30, 1):
        with TuningStates(toy.model, toy.data(), (-1,), batch_size=9, memory_bytes=memory) as states:
            folder = states._folder
            assert (folder is not None) == (memory == 1)
            values.append(states.measure([ScoringConfig()], "ndcg@5")[0].values)
        assert folder is None or not folder.exists()
    assert (values[0] == values[1]).all()


def test_score_matrices_that_do_not_fit_together_are_made_in_turn(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    scorings = [ScoringConfig(width=width, stored_as=form) for width in (8, 16) for form in ("float32", "int8")]
    values, most = [], []
    make = TuningStates._forms

    def counted(self: TuningStates, kind: tuple, factor: int, forms: list) -> object:
        most.append(len(forms))
        return make(self, kind, factor, forms)

    monkeypatch.setattr(TuningStates, "_forms", counted)
    with TuningStates(toy.model, toy.data(), (-1,)) as states:
        one = 2 * 4 * len(states.data.queries) * len(states.data.documents)
        for memory in (100 * one, 3 * one, 1):
            monkeypatch.setattr(tuning_states, "_MATRICES_BYTES", memory)
            values.append([item.values.tolist() for item in states.measure(scorings, "ndcg@5")])
    assert values[0] == values[1] == values[2]
    assert most == [4, 3, 1, 1, 1, 1, 1]


def test_the_better_setting_is_found_and_replaces_the_one_in_force(found: TuningResult) -> None:
    assert found.verdict == "better" and found.changes
    assert found.chosen is found.best and found.chosen.held_out == 1.0
    assert (found.chosen.scoring.pooled_weight, found.chosen.scoring.late_weight) == (0, 1)
    assert found.default.scoring == ScoringConfig() and found.default.held_out < 0.9
    assert found.difference.p_value < 0.05 and found.queries + found.comparison.queries == 48
    assert found.conclusion().startswith("Chosen: pooled:late 0:1. nDCG@5 0.")


def test_nothing_is_stored_otherwise_without_a_bound(found: TuningResult) -> None:
    assert (found.chosen.scoring.width, found.chosen.scoring.pool_factor) == (None, 1)
    assert {item.scoring.stored_as for item in found.settings} == {"float32", "int8"}


def test_the_best_setting_in_force_stays(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, ScoringConfig(pooled_weight=0))
    result = tune(toy.model, toy.data(), grid=SMALL)
    assert result.verdict == "same" and not result.changes and result.chosen is result.default
    assert result.conclusion().startswith("The settings in force stay (pooled:late 0:1): they are the best of ")


def test_a_bound_takes_the_best_that_fits(toy: Toy) -> None:
    result = tune(toy.model, toy.data(), grid=SMALL, max_bytes=500)
    assert result.best.bytes_per_document <= 500 < result.default.bytes_per_document
    assert result.best.tuning == max(
        item.tuning
        for item in result.settings
        if item.bytes_per_document <= 500 and item.scoring.layer == result.best.scoring.layer
    )
    assert result.changes == (result.verdict in ("better", "smaller"))


def test_verdicts(found: TuningResult) -> None:
    row = found.difference

    def verdict(difference: float, p_value: float, max_bytes: int | None = None) -> str:
        changed = replace(row, difference=difference, p_value=p_value)
        comparison = replace(found.comparison, rows=[changed])
        return replace(found, comparison=comparison, max_bytes=max_bytes).verdict

    assert verdict(0.2, 0.01) == "better"
    assert verdict(-0.2, 0.01, max_bytes=10) == "worse"
    assert verdict(0.2, 0.2) == "unproved"
    assert verdict(-0.01, 0.2, max_bytes=10) == "smaller"
    # The one in force fits the bound too: it is replaced only by what is better.
    assert verdict(-0.01, 0.2, max_bytes=10**9) == "unproved"


def test_what_is_kept_says_why(found: TuningResult) -> None:
    row = replace(found.difference, before=0.5, after=0.52, difference=0.02, p_value=0.4, low=-0.1, high=0.2)
    kept = replace(found, comparison=replace(found.comparison, rows=[row]))
    assert kept.chosen is kept.default
    assert kept.conclusion() == (
        f"The settings in force stay (pooled:late 1:1): the best of {len(found.settings)} settings on {found.queries} "
        f"queries (pooled:late 0:1) does not beat them: nDCG@5 0.500 -> 0.520 on {found.comparison.queries} other "
        "queries (+0.020, 95% interval -0.100 to +0.200, p = 0.400)."
    )


def test_other_rows_decide(toy: Toy) -> None:
    result = tune(toy.model, toy.data(0, 24), test=toy.data(24, name="others"), grid=SMALL)
    assert (result.queries, result.comparison.queries, result.tested_on) == (24, 24, "others")
    assert result.verdict == "better" and result.best.held_out == 1.0
    assert sum(item.held_out is not None for item in result.settings) == 2


def test_filters_that_keep_the_same_are_measured_once(toy: Toy) -> None:
    """Of a text under mean pooling: `text` is `content`, and no token is the pooled one."""
    grid = replace(SMALL, query_tokens=("content", "text"), pooled_token=("keep", "drop"), layers=(-1, 2))
    result = tune(toy.model, toy.data(), grid=grid)
    assert len(result.settings) == 3 + 3 * (2 * 2 * 2 - 1)
    assert {item.scoring.query_tokens for item in result.settings} == {"content"}


def test_records_and_figure(found: TuningResult, tmp_path: Path) -> None:
    records = found.records()
    assert [sum(record[name] for record in records) for name in ("in_force", "best", "chosen")] == [1, 1, 1]
    on_front = [record for record in records if record["front"]]
    for record in on_front:
        smaller = [other for other in records if other["bytes_per_document"] <= record["bytes_per_document"]]
        assert record["tuning"] >= max(other["tuning"] for other in smaller)
    figure = found.figure()
    assert [axes.get_xlabel() for axes in figure.axes] == ["bytes a document", "ms a query"]
    saved = json.loads(found.save(tmp_path).read_text())
    assert saved["scoring"] == found.chosen.scoring.to_dict() and len(saved["settings"]) == len(records)
    assert (tmp_path / "tune.png").stat().st_size > 5000


def test_the_table_fits_80_columns(found: TuningResult) -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(found.table())
    text = console.export_text()
    assert "…" not in text and "in force" in text and "late alone" in text


def test_halves_are_even_seeded_and_keep_shared_documents_together() -> None:
    qrels = {f"q{i}": {f"d{i // 3}": 1, "unjudged": 0} for i in range(40)}
    mine, others = halves(qrels, 0)
    assert sorted(mine + others) == list(range(40)) and abs(len(mine) - len(others)) <= 3
    assert not {i // 3 for i in mine} & {i // 3 for i in others}
    assert halves(qrels, 0) == (mine, others) != halves(qrels, 1)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"metric": "ndgc@5"}, "metric 'ndgc@5': unknown, did you mean ndcg@5"),
        ({}, {"metric": "mrr@5"}, "metric 'mrr@5': unknown, did you mean mrr@10"),
        ({"layers": (9,)}, {}, r"tune: layers 9: the model has hidden states -3 .. 2, nearest: 2"),
        ({"layers": (-7,)}, {}, r"tune: layers -7: the model has hidden states -3 .. 2, nearest: -3"),
        ({"widths": (64,)}, {}, "tune: widths 64: the model's vectors are 32 wide"),
        ({"widths": (0,)}, {}, "tune: widths 0: it must be a whole number of at least 1"),
        ({"document_tokens": ("visual",)}, {}, "tune: document_tokens 'visual': text_encoder reads no images"),
        ({"document_tokens": ("contents",)}, {}, "tune: document_tokens 'contents': choose one of content"),
        ({"stored_as": ("int4",)}, {}, "tune: stored_as 'int4': choose one of float32"),
        ({"weights": ((0, 0),)}, {}, "tune: weights 0:0: at least one term must count"),
        (
            {},
            {"max_bytes": 3},
            "tune: max_bytes 3: no setting keeps a document within that; the smallest that was measured takes",
        ),
        ({}, {"max_bytes": 0}, "tune: max_bytes 0: must be at least 1"),
    ],
)
def test_what_cannot_be_tuned_is_said(toy: Toy, changes: dict, options: dict, message: str) -> None:
    with pytest.raises(SmartTrainError, match=message):
        tune(toy.model, toy.data(), grid=replace(SMALL, **changes), **options)


def test_an_empty_list_and_wrong_weights_are_refused() -> None:
    with pytest.raises(DataError, match="tune: layers: is empty; name at least one choice"):
        TuningGrid(layers=())
    assert read_weights(["1:4", "0.5:1"]) == ((1, 4), (0.5, 1))
    for wrong in ("1", "1:x", ":", "1:2:3"):
        with pytest.raises(DataError, match="must read POOLED:LATE, such as 1:4"):
            read_weights([wrong])


def test_too_few_queries_say_how_many_it_takes(toy: Toy) -> None:
    with pytest.raises(DataError, match=r"tune: 11 queries are too few .* It takes at least 12, and about 200"):
        tune(toy.model, toy.data(0, 11), grid=SMALL)
    with pytest.raises(DataError, match=r"tune: 5 queries to test on are too few; .* It takes at least 6"):
        tune(toy.model, toy.data(), test=toy.data(0, 5), grid=SMALL)
    shared = replace_answers(toy, 0)
    with pytest.raises(DataError, match=r"queries that share a relevant document stay together, which leaves 0 in"):
        tune(toy.model, shared.data(), grid=SMALL)


def replace_answers(toy: Toy, answer: int) -> Toy:
    return replace(toy, answers=[answer] * len(toy.answers))


def test_layers_of_a_projection_are_its_own(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    projection = TokenProjection(toy.model.hidden_size, 8)
    projection.reset(0)
    toy.model.add_projection(projection)
    with pytest.raises(
        ModelError, match=r"tune: layers -1, 0: the model has a token projection, .* leave the layers out"
    ):
        tune(toy.model, toy.data(), grid=SMALL)
    filled = TuningGrid().checked(toy.model)
    assert filled.layers == (-1,) and filled.widths == (None, 4, 2)


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    toy = make_toy(tmp_path)
    made = {"model": toy.model, "evaluation_set": toy.data()}
    exec(compile(example, str(PAGE), "exec"), made)
    assert len(made["rows"]) == len(made["result"].settings) and toy.model.scoring == made["result"].chosen.scoring


def test_the_page_names_every_choice() -> None:
    page = PAGE.read_text()
    assert not [item.name for item in fields(TuningGrid) if f"`{item.name}`" not in page]
    for pooled, late in TuningGrid().weights:
        assert f"{pooled:g}:{late:g}" in page


def test_values_that_no_scoring_can_have() -> None:
    for values, message in (
        ({"width": True}, "scoring.width is True"),
        ({"pool_factor": 0}, "scoring.pool_factor is 0; it must be a whole number of at least 1"),
        ({"stored_as": "int4"}, "scoring.stored_as is 'int4'"),
    ):
        with pytest.raises(ScoreError, match=message):
            ScoringConfig(**values)
