"""The figures after training are those of the best step, where its weights are the trained ones: no page is encoded
once more for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import smart_train.run.stages
from smart_train import SmartModel
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.recipe import Recipe
from smart_train.run import build, train
from smart_train.run.folder import AFTER_FILE
from smart_train.training.measured import MEASURED_NAME, measured_result, way_of_measuring
from tests.damage import flip
from tests.runs import HELD_OUT_ROWS, MODES, logged, tiny_recipe, write_rows

QUICK: dict[str, Any] = {"export": {"enabled": False}, "evaluation": {"before": False}}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each evaluation encoded."""
    for name in ("plot_run", "write_run_report"):
        monkeypatch.setattr(smart_train.run.stages, name, lambda *_, **__: None)
    counts: list[int] = []
    share = RetrievalEvaluator._encode_share

    def counted(self: RetrievalEvaluator, model: Any) -> Any:
        counts.append(len(self.evaluation_set.documents))
        return share(self, model)

    monkeypatch.setattr(RetrievalEvaluator, "_encode_share", counted)
    return counts


def way(recipe: Recipe, run: Path, **changes: Any) -> dict[str, Any]:
    evaluator = build.evaluator(recipe, "evaluation", build.usable_rows(recipe, "evaluation")[0])
    return way_of_measuring(evaluator, SmartModel.from_pretrained(run / "final", device="cpu")) | changes


@pytest.mark.parametrize("mode", MODES)
def test_the_best_step_is_measured_once(
    mode: str, encoded: list[int], tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **MODES[mode], **QUICK)
    run = train(recipe)
    assert encoded == [HELD_OUT_ROWS] * 3, "after steps 2, 4 and 6"
    figures = logged(run, "eval_hybrid_ndcg@5")
    best = max(figures, key=lambda step: figures[step])
    assert f"The evaluation after training is that of checkpoint-{best}" in capsys.readouterr().out
    after = EvaluationResult.load(run / AFTER_FILE)
    assert after.flat()["eval_hybrid_ndcg@5"] == figures[best]
    again = build.evaluator(recipe, "evaluation", build.usable_rows(recipe, "evaluation")[0])
    assert again(SmartModel.from_pretrained(run / "final", device="cpu")).flat() == pytest.approx(after.flat())


def test_it_counts_for_the_same_weights_rows_and_way_alone(encoded: list[int], tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **QUICK)
    run = train(recipe)
    found = measured_result(run, run / "final", way(recipe, run))
    assert found is not None and found[1] == EvaluationResult.load(run / AFTER_FILE)
    checkpoint = found[0]
    for change in ({"batch_size": 1}, {"products": "float16"}, {"processes": 2}, {"versions": {}}, {"scoring": {}}):
        assert measured_result(run, run / "final", way(recipe, run, **change)) is None
    others = [path for path in run.glob("checkpoint-*") if path != checkpoint]
    for other in others:  # other weights
        assert measured_result(run, other, way(recipe, run)) != found
    manifest = run / "final" / "manifest.json"
    kept = manifest.read_text()
    manifest.write_text(json.dumps(json.loads(kept) | {"sha256": {}}))
    assert measured_result(run, run / "final", way(recipe, run)) is None, "of version 0.1.0, without digests"
    manifest.write_text(kept)
    flip(checkpoint / MEASURED_NAME, -3)
    assert measured_result(run, run / "final", way(recipe, run)) is None, "damaged"
    shutil.rmtree(checkpoint)
    assert measured_result(run, run / "final", way(recipe, run)) is None


def test_other_rows_are_measured_again(encoded: list[int], tiny_data: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (tiny_data / "train.jsonl").read_text().splitlines()[:4]]
    pages = [{"query": row["query"], "positive": str(tiny_data / row["negative_0"])} for row in rows]
    reported = write_rows(tmp_path / "reported.jsonl", pages)
    train(
        tiny_recipe(
            tiny_data, tmp_path / "run", **QUICK, data={"test": {"path": str(reported), "image_root": str(tiny_data)}}
        )
    )
    assert encoded == [HELD_OUT_ROWS] * 3 + [4]
