"""Rows of their own to report: `data.evaluation` chooses the checkpoint, `data.test` is what is said of it."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

import smart_train.run.stages
from smart_train import SmartModel
from smart_train.errors import RunError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator, Selection
from smart_train.recipe import Recipe
from smart_train.run import build, train
from smart_train.run.outcome import weights_of
from smart_train.training.training_log import LOG_NAME, read_log
from tests.runs import HELD_OUT_ROWS, MODES, logged, metrics, tiny_recipe, write_rows

TEST_ROWS = 4
NO_EXPORT = {"export": {"enabled": False}}


@dataclass
class Finished:
    """A run with its own rows to report, what it printed, which rows were measured in order, what was plotted."""

    recipe: Recipe
    run: Path
    printed: str
    measured: list[str]
    plotted: dict[str, Any]


@pytest.fixture(scope="module")
def parts(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The held-out rows, the last four as `data.test`."""
    folder = tmp_path_factory.mktemp("parts")
    rows = [json.loads(line) for line in (tiny_data / "held_out.jsonl").read_text().splitlines()]
    chosen = {"evaluation": rows[:-TEST_ROWS], "test": rows[-TEST_ROWS:]}
    return {
        name: {"path": str(write_rows(folder / f"{name}.jsonl", some)), "image_root": str(tiny_data)}
        for name, some in chosen.items()
    }


@pytest.fixture(scope="module")
def finished(tiny_data: Path, parts: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """On data.evaluation the hybrid nDCG@5 after steps 2, 4 and 6 is scripted: the middle one is the best."""
    output = tmp_path_factory.mktemp("reported") / "run"
    recipe = tiny_recipe(tiny_data, output, **MODES["lora"], **NO_EXPORT, data=parts, training={"save_total_limit": 1})
    scripted, measured, plotted = iter([0.25, 0.75, 0.5]), [], {}
    measure = RetrievalEvaluator.__call__

    def script(self: RetrievalEvaluator, model: Any) -> EvaluationResult:
        result = measure(self, model)
        measured.append(result.measured_on)
        if result.measured_on == "data.evaluation":
            result.per_query["hybrid"]["ndcg@5"][:] = [next(scripted)] * len(result.query_ids)
        return result

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setattr(RetrievalEvaluator, "__call__", script)
        patch.setattr(smart_train.run.stages, "plot_run", lambda *_, **drawn: plotted.update(drawn))
        train(recipe)
    return Finished(recipe, output, printed.getvalue(), measured, plotted)


def test_evaluation_rows_choose(finished: Finished) -> None:
    assert finished.measured == ["data.test", *["data.evaluation"] * 3, "data.test"]
    assert list(logged(finished.run, "eval_hybrid_ndcg@5").values()) == [0.25, 0.75, 0.5]
    weights, best = (load_file(finished.run / name / "adapter_model.safetensors") for name in ("final", "checkpoint-4"))
    assert all(torch.equal(weights[name], best[name]) for name in best)


def test_test_rows_are_reported(finished: Finished) -> None:
    report = json.loads((finished.run / "evaluation.json").read_text())
    assert (report["measured_on"], report["queries"], report["documents"]) == ("data.test", TEST_ROWS, TEST_ROWS)
    chosen = {"rows": "data.evaluation", "metric": "hybrid_ndcg@5", "evaluations": 3, "step": 4}
    assert report["selection"] == chosen and finished.plotted["chosen_step"] == 4
    assert report["comparison"]["queries"] == TEST_ROWS
    assert len(json.loads((finished.run / "per_query.json").read_text())["query_ids"]) == TEST_ROWS
    rows, _ = build.usable_rows(finished.recipe, "test")
    model = SmartModel.from_pretrained(finished.run / "final", device="cpu")
    again = build.evaluator(finished.recipe, "test", rows)(model)
    assert metrics(finished.run)["hybrid"] == pytest.approx(again.metrics["hybrid"], abs=1e-6)


def test_terminal_plots_and_card_name_the_rows(finished: Finished) -> None:
    plotted = finished.plotted
    assert plotted["after"].measured_on == "data.test" and plotted["steering"].name == "data.evaluation"
    note = (
        "The trained weights are the best by hybrid_ndcg@5 of 3 evaluations on data.evaluation; the rows reported "
        "here, data.test, were not used for that choice."
    )
    for words in ("Evaluating before training, on data.test ...", "data.test: 4 queries against 4 documents", note):
        assert words in finished.printed
    last = finished.printed.rstrip().splitlines()[-1]
    assert last.startswith("Conclusion: not told apart from before training at 4 queries, by hybrid nDCG@5: before 0.")
    assert last.endswith("; step 4 of 6 was chosen, by hybrid_ndcg@5 on data.evaluation")
    assert "4 queries cannot show any difference; it takes at least 6" in last
    card = (finished.run / "final" / "README.md").read_text()
    assert "4 held-out queries against 4 documents, before training -> after training:" in card and note in card
    assert {result.dataset_split for result in ModelCard(card).data.eval_results} == {"test"}


def test_other_test_rows_are_another_run(finished: Finished, parts: dict[str, dict[str, str]], tiny_data: Path) -> None:
    without = tiny_recipe(tiny_data, finished.run, **MODES["lora"], **NO_EXPORT, training={"save_total_limit": 1})
    with pytest.raises(RunError, match="holds the run of another recipe"):
        train(without)
    path = Path(parts["test"]["path"])
    lines = path.read_text()
    path.write_text("".join(lines.splitlines(keepends=True)[1:]))
    with pytest.raises(RunError, match="its run began on other data rows"):
        train(finished.recipe)
    path.write_text(lines)


def test_without_test_rows_the_report_says_that_it_leans(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plotted: dict[str, Any] = {}
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **drawn: plotted.update(drawn))
    run = train(
        tiny_recipe(tiny_data, tmp_path / "run", **NO_EXPORT, evaluation={"before": False}, training={"max_steps": 4})
    )
    assert (
        "of 2 evaluations on data.evaluation, the rows reported here. The figures after "
        "training are therefore biased upwards. Set data.test to other rows." in capsys.readouterr().out
    )
    assert plotted["steering"] is None and plotted["after"].measured_on == "data.evaluation"
    assert json.loads((run / "evaluation.json").read_text())["queries"] == HELD_OUT_ROWS


@pytest.mark.parametrize(
    ("steps", "training", "evaluation", "chosen"),
    [
        ((2, 4, 4), {}, {}, 2),  # a step that a resumed run measured again counts once
        ((2,), {}, {}, None),  # one evaluation leaves nothing to choose
        ((2, 4), {"load_best_model_at_end": False}, {}, None),
        ((2, 4), {"load_best_model_at_end": False}, {"early_stopping_patience": 1}, 2),
    ],
)
def test_what_counts_as_a_choice(
    tiny_data: Path, tmp_path: Path, steps: tuple[int, ...], training: Any, evaluation: Any, chosen: int | None
) -> None:
    write_rows(
        tmp_path / LOG_NAME, [{"step": 1, "loss": 1.0}, *({"step": n, "eval_hybrid_ndcg@5": 0.5} for n in steps)]
    )
    recipe = tiny_recipe(tiny_data, tmp_path, training=training, evaluation=evaluation)
    step = 2 if recipe.training["load_best_model_at_end"] else max(steps)  # all are equal: the first is kept
    expected = None if chosen is None else Selection("data.evaluation", "hybrid_ndcg@5", chosen, step)
    assert weights_of(recipe, tmp_path) == (step, max(steps), expected)


def test_test_rows_alone_are_measured_and_steer_nothing(
    tiny_data: Path, tmp_path: Path, parts: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)
    recipe = tiny_recipe(
        tiny_data,
        tmp_path / "run",
        **NO_EXPORT,
        data={"evaluation": None, "test": parts["test"]},
        training={"eval_strategy": "no", "max_steps": 1},
    )
    assert (recipe.evaluation.before, recipe.evaluation.during, recipe.evaluation.after) == (True, False, True)
    run = train(recipe)
    report = json.loads((run / "evaluation.json").read_text())
    assert report["measured_on"] == "data.test" and "selection" not in report and "comparison" in report
    assert not any(key.startswith("eval_") for record in read_log(run / LOG_NAME) for key in record)


def test_each_set_has_its_own_corpus(tiny_data: Path, tmp_path: Path, parts: dict[str, dict[str, str]]) -> None:
    more = write_rows(tmp_path / "more.jsonl", [{"text": "a page", "document_id": "more"}])
    recipe = tiny_recipe(tiny_data, tmp_path, data={**parts, "test": {**parts["test"], "corpus": str(more)}})
    sizes = {}
    for name in recipe.data.held_out:
        found = build.evaluator(recipe, name, build.usable_rows(recipe, name)[0]).evaluation_set
        sizes[found.name] = (len(found.queries), len(found.documents))
    assert sizes == {"data.evaluation": (6, 6), "data.test": (4, 5)}
