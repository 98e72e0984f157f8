"""What probe measures, against the evaluator and against loops; and its command, on a model and on a run."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from smart_train import run
from smart_train.cli import probe as probe_command
from smart_train.errors import DataError, ModelError
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator
from smart_train.evaluation.probe import ProbeResult, probe, probe_figure
from smart_train.evaluation.probe_result import GradientProbe
from smart_train.evaluation.probe_tables import binding_table, gradient_table, probe_table
from smart_train.recipe import parse_recipe
from tests.command import call
from tests.runs import recipe_values
from tests.tuned import Toy


@pytest.fixture(scope="module")
def found(toy: Toy) -> ProbeResult:
    return probe(toy.model, toy.data(), name="toy")


def test_every_layer_retrieves_as_the_evaluator_says(toy: Toy, found: ProbeResult) -> None:
    assert [item.layer for item in found.layers] == [0, 1, 2]
    own = toy.model.scoring
    try:
        for item in found.layers:
            toy.model.family.scoring = replace(own, layer=item.layer)
            result = RetrievalEvaluator(toy.data())(toy.model)
            assert item.late == pytest.approx(np.mean(result.per_query["late"]["ndcg@5"]))
            assert found.pooled == pytest.approx(np.mean(result.per_query["pooled"]["ndcg@5"]))
    finally:
        toy.model.family.scoring = own
    assert found.layers[2].late == 1.0, "the toy's answers are what its last layer finds"


def test_winners_are_those_of_the_late_score(toy: Toy, found: ProbeResult) -> None:
    queries, documents = toy.model.encode_query(toy.queries), toy.model.encode_document(toy.documents)
    chosen: dict[int, set[int]] = {}
    busiest = []
    for place, answer in enumerate(toy.answers):
        asked = queries.packed[queries.offsets[place] : queries.offsets[place + 1]]
        page = documents.packed[documents.offsets[answer] : documents.offsets[answer + 1]]
        best = [int((page @ token).argmax()) for token in asked]
        chosen.setdefault(answer, set()).update(best)
        busiest.append(max(best.count(token) for token in best) / len(best))
    lengths = documents.offsets.diff()
    last = found.layers[-1]
    assert last.winning == pytest.approx(sum(map(len, chosen.values())) / sum(int(lengths[i]) for i in chosen))
    assert last.busiest == pytest.approx(np.mean(busiest))


def test_it_is_shown_and_kept_whole(found: ProbeResult) -> None:
    assert probe_table([found]).row_count == 1 + len(found.layers)
    assert gradient_table([found]).row_count == 2
    assert binding_table([found, found]).row_count == 6
    assert json.loads(json.dumps(found.to_dict()))["layers"][0]["layer"] == 0


def test_tables_fit_80_columns_and_no_name_is_cut(found: ProbeResult) -> None:
    """Checkpoints of a run differ in the last digits of their names."""
    name = "Qwen3-VL-Embedding-2B-in-July, step 1200"
    gradients = [GradientProbe(1, kind, 4, 0.0123, 0.25) for kind in ("pooled", "visual", "text", "other")]
    long = replace(found, name=name, gradients=gradients)
    for table in (probe_table, gradient_table, binding_table):
        console = Console(width=80, record=True, file=StringIO())
        console.print(table([long]))
        text = console.export_text()
        assert "…" not in text, text
        first = "".join(line[1:].split("  ")[0] for line in text.splitlines())
        assert name.replace(" ", "") in first.replace(" ", ""), text


def test_the_picture_has_layers_gradients_and_binding(found: ProbeResult) -> None:
    gradients = [*found.gradients, GradientProbe(2, "pooled", 4, 0.0, 0.0), GradientProbe(1, "pooled", 4, 0.5, 1.0)]
    other = replace(found, name="other", gradients=gradients, binding=[])
    figure = probe_figure([found, other])
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert [*panels][:4] == ["late ndcg@5", "mean cosine, tokens of different documents", "effective rank",
                             "share of document tokens that win"]  # fmt: skip
    *kinds, binding = [*panels][4:]
    assert kinds == [f"mean gradient norm, positions: {kind}" for kind in ("text", "other", "pooled")]
    for kind, axes in zip(("text", "other", "pooled"), (panels[title] for title in kinds), strict=True):
        for result, line in zip((found, other), axes.lines, strict=True):
            held = [(item.layer, item.mean_norm) for item in result.gradients if item.kind == kind]
            drawn = list(zip(*(values.tolist() for values in line.get_data()), strict=True))
            assert drawn == [point for point in held if point[1] > 0]
        assert axes.get_yscale() == "log" and all(tick == int(tick) for tick in axes.get_xticks())
    assert list(panels[kinds[2]].lines[1].get_xdata()) == [1], "a norm of 0 has no place on a logarithmic axis"
    points = [line for line in panels[binding].lines if line.get_marker() == "o"]
    assert [float(line.get_ydata()[0]) for line in points] == [item.pairs for item in found.binding]
    assert len(probe_figure([other]).axes) == 4 + 3, "who did not take the test has no panel"


def test_the_binding_test_may_be_left_out(toy: Toy) -> None:
    assert probe(toy.model, toy.data(), layers=[2], binding_queries=0).binding == []
    assert [item.queries for item in probe(toy.model, toy.data(), layers=[2], binding_queries=3).binding] == [3] * 3


def test_what_cannot_be_measured_is_refused(toy: Toy) -> None:
    with pytest.raises(ModelError, match=r"layers 7 is out of range: the model has hidden states -3 \.\. 2"):
        probe(toy.model, toy.data(), layers=[0, 7])
    whole = toy.data()
    one = EvaluationSet(
        whole.queries, whole.query_ids, whole.documents, whole.document_ids, [{"d0"}] * len(toy.queries)
    )
    with pytest.raises(
        DataError, match="queries with a relevant document that answers no other query: 1; the gradient"
    ):
        probe(toy.model, one)


def test_the_command_measures_a_model_beside_random_weights(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = toy.write(tmp_path / "rows.jsonl")
    options = ("--data", rows, "--control", "--layers", "0,2", "--output", tmp_path / "out")
    assert call(monkeypatch, "probe", toy.folder, *options) == 0
    out = capsys.readouterr().out
    assert "random weights" in out and "mean cosine" in out and "share, norm" in out
    assert "local binding: how often" in out and "64 queries, pages as texts" in out
    control, own = json.loads((tmp_path / "out" / "probe.json").read_text())
    assert [item["layer"] for item in own["layers"]] == [0, 2]
    assert control["name"] == "random weights" and control["layers"][-1] != own["layers"][-1]
    assert (tmp_path / "out" / "probe.png").stat().st_size > 10_000
    assert call(monkeypatch, "probe", toy.folder, *options) == 0, "its own files are written anew"


@pytest.mark.parametrize(("name", "content"), [("probe.json", "[1]"), ("probe.json", "no JSON"), ("probe.png", "x")])
def test_files_of_others_are_not_replaced(
    name: str,
    content: str,
    toy: Toy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_text(content)
    assert call(monkeypatch, "probe", toy.folder, "--data", tmp_path, "--output", tmp_path) == 2
    told = f"--output {tmp_path / name}: exists and is not of an earlier probe; name another folder"
    assert told in capsys.readouterr().err and (tmp_path / name).read_text() == content


def test_a_name_with_brackets_is_shown_whole(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, folder = toy.write(tmp_path / "rows.jsonl"), tmp_path / "tiny [bold]"
    folder.symlink_to(toy.folder)
    assert call(monkeypatch, "probe", folder, "--data", rows, "--layers", "2", "--binding-queries", "3") == 0
    assert capsys.readouterr().out.count("tiny [bold]") == 2 + 2 + 3  # rows of each table


def test_the_command_names_what_is_missing(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "probe", toy.folder) == 2
    assert "not a run folder, so the rows to measure on are unknown; pass --data" in capsys.readouterr().err
    assert call(monkeypatch, "probe", toy.folder, "--split", "test") == 2
    assert "--split needs --data" in capsys.readouterr().err
    assert call(monkeypatch, "probe", toy.folder, "--layers", "first") == 2
    assert "--layers first: must be whole numbers, separated by commas" in capsys.readouterr().err
    assert call(monkeypatch, "probe", toy.folder, "--binding-queries", "-1") == 2
    assert "--binding-queries" in capsys.readouterr().err
    assert call(monkeypatch, "probe", toy.folder, "--metric", "ndgc@5") == 2
    assert "ndcg@" in capsys.readouterr().err


def test_of_a_run_it_measures_start_checkpoints_and_result(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = recipe_values(tiny_data, tmp_path / "mine", evaluation={"before": False, "after": False})
    values["training"] |= {"max_steps": 2}
    done = run.train(parse_recipe(values))
    assert call(monkeypatch, "probe", done, "--output", tmp_path / "out") == 0
    found = json.loads((tmp_path / "out" / "probe.json").read_text())
    names = [item["name"] for item in found]
    assert names[0] == "mine, start" and names[-1] == "mine, trained" and "step" in names[1]
    start, step, trained = (json.dumps(item["layers"]) for item in found)
    assert start != step == trained


def test_a_checkpoint_that_is_not_whole_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("checkpoint-2", "checkpoint-best"):
        (tmp_path / name).mkdir()
    (tmp_path / "run.json").write_text("{}")
    recipe = SimpleNamespace(model=SimpleNamespace(from_config=None, name_or_path="base"))
    monkeypatch.setattr("smart_train.run.folder.open_finished", lambda run: recipe)
    members = probe_command._members(str(tmp_path))
    assert [place for _, place in members] == ["base", str(tmp_path / "final")]
    assert f"{tmp_path / 'checkpoint-2'}: left out, writing it was interrupted" in capsys.readouterr().out
