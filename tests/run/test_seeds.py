"""`train --seeds`: a run for each seed, what they have in common, and which one is chosen."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from smart_train.cli import main
from smart_train.errors import RecipeError, RunError
from smart_train.evaluation import EvaluationResult
from smart_train.recipe import load_recipe
from smart_train.recipe.seeds import parse_seeds, seed_recipes
from smart_train.run import seeds as run_seeds
from smart_train.run.seeds import SEEDS_FILE, mean_of, spread_of, train_seeds
from tests.runs import logged, metrics, tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots")

TWO_STEPS: dict[str, Any] = {"training": {"max_steps": 2, "eval_steps": 1}, "export": {"enabled": False}}


@pytest.fixture(scope="module")
def finished(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeds 4 and 7 of the tiny recipe."""
    folder = tmp_path_factory.mktemp("seeds") / "run"
    assert train_seeds(tiny_recipe(tiny_data, folder, **TWO_STEPS), [4, 7]) == folder / SEEDS_FILE
    return folder


def test_every_seed_is_a_run_of_its_own(finished: Path) -> None:
    recipes = {seed: load_recipe(finished / f"seed-{seed}" / "recipe.yaml") for seed in (4, 7)}
    for seed, recipe in recipes.items():
        assert recipe.training["seed"] == recipe.model.from_config.seed == seed
    first, second = (logged(finished / f"seed-{seed}") for seed in (4, 7))
    assert first[1] != second[1], "both seeds took the same first step"


def test_the_report_holds_what_the_runs_measured(finished: Path) -> None:
    report = json.loads((finished / SEEDS_FILE).read_text())
    assert report["seeds"] == [4, 7] and report["measured_on"] == "data.evaluation"
    for when in ("before", "after"):
        by_seed = [metrics(finished / f"seed-{seed}", when)["late"]["ndcg@5"] for seed in (4, 7)]
        found = report[when]["late"]["ndcg@5"]
        assert found == {"mean": statistics.fmean(by_seed), "sd": statistics.stdev(by_seed), "by_seed": by_seed}
    row = next(row for row in report["comparison"]["rows"] if (row["score"], row["metric"]) == ("late", "ndcg@5"))
    assert row["after"] == pytest.approx(report["after"]["late"]["ndcg@5"]["mean"])
    assert row["before"] == pytest.approx(report["before"]["late"]["ndcg@5"]["mean"])


def test_the_best_on_the_rows_that_steer_is_chosen(finished: Path) -> None:
    chosen = json.loads((finished / SEEDS_FILE).read_text())["chosen"]
    best = [max(logged(finished / f"seed-{seed}", "eval_hybrid_ndcg@5").values()) for seed in (4, 7)]
    assert (chosen["metric"], chosen["rows"], chosen["values"]) == ("hybrid_ndcg@5", "data.evaluation", best)
    assert chosen["seed"] == (4, 7)[best.index(max(best))]


def test_finished_runs_are_not_made_again(finished: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("seed-*/final/*")}
    train_seeds(tiny_recipe(tiny_data, finished, **TWO_STEPS), [4, 7])
    assert before and before == {path: path.stat().st_mtime_ns for path in finished.glob("seed-*/final/*")}
    said = capsys.readouterr().out
    assert said.count("is already finished") == 2
    assert "2 seeds, data.evaluation: 10 queries against 10 documents" in said
    assert all(heading in said for heading in ("before", "mean", "sd", "lowest", "highest"))
    assert f"in {finished / 'seed-'}" in said and "Expect the mean" in said


def test_a_seed_that_was_cut_off_goes_on(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[Path] = []

    def interrupted(recipe: Any, *, overwrite: bool) -> None:
        began.append(Path(recipe.training["output_dir"]))
        if len(began) == 2:
            raise RunError("cut off")

    monkeypatch.setattr(run_seeds, "train", interrupted)
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **TWO_STEPS)
    with pytest.raises(RunError, match="cut off"):
        train_seeds(recipe, [4, 7])
    assert [path.name for path in began] == ["seed-4", "seed-7"] and not (tmp_path / "run" / SEEDS_FILE).exists()
    monkeypatch.setattr(run_seeds, "_report", lambda *_: None)
    train_seeds(recipe, [4, 7])
    assert [path.name for path in began[2:]] == ["seed-4", "seed-7"]


def result(values: list[float], queries: tuple[str, ...] = ("a", "b")) -> EvaluationResult:
    return EvaluationResult(list(queries), {"late": {"ndcg@5": values}}, 9, {"ndcg@5": 0.1}, {})


def test_without_a_measurement_in_between_the_reported_rows_choose(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **TWO_STEPS)
    folders = {seed: tmp_path / str(seed) for seed in (0, 1)}
    hybrid = {
        seed: EvaluationResult(["a"], {"hybrid": {"ndcg@5": [value]}}, 9, {"ndcg@5": 0.1}, {}, "data.test")
        for seed, value in ((0, 0.25), (1, 0.75))
    }
    assert run_seeds._chosen_by(recipe, folders, hybrid) == ("data.test", {0: 0.25, 1: 0.75})


def test_mean_and_spread_by_hand() -> None:
    two = {0: result([1.0, 0.0]), 1: result([0.5, 0.5])}
    assert mean_of(two).per_query == {"late": {"ndcg@5": [0.75, 0.25]}}
    assert spread_of({0: result([1.0, 0.0]), 1: result([1.0, 0.4])})["late"]["ndcg@5"] == {
        "mean": pytest.approx(0.6),
        "sd": pytest.approx(0.1 * 2**0.5),
        "by_seed": pytest.approx([0.5, 0.7]),
    }


def test_runs_over_different_rows_have_no_mean() -> None:
    with pytest.raises(RunError, match="measured on different rows.*--overwrite"):
        mean_of({0: result([1.0, 0.0]), 1: result([1.0, 0.0], ("a", "c"))})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,x", "--seeds 0,x: 'x' is not a seed; give whole numbers from 0 to 4294967295, as in --seeds 0,1,2"),
        ("0,,1", "--seeds 0,,1: '' is not a seed"),
        ("-1,0", "--seeds -1,0: '-1' is not a seed"),
        ("0,4294967296", "'4294967296' is not a seed"),
        ("1,2,1", "--seeds 1,2,1: 1 is named twice; a seed gives the same run every time"),
        ("3", "--seeds 3: a spread needs at least two seeds; for one, set training.seed=3"),
    ],
)
def test_seeds_that_make_no_spread(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_seeds(text)
    assert message in str(caught.value)
    assert parse_seeds("0, 2") == [0, 2]


def test_keys_that_several_runs_cannot_share(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        tiny_data,
        tmp_path / "run",
        export={"output": "exported"},
        hub={"repo_id": "user/name"},
        evaluation={"after": False},
    )
    with pytest.raises(RecipeError) as caught:
        seed_recipes(recipe, [0, 1])
    told = [line.split(";")[0] for line in str(caught.value).splitlines()]
    assert told == ["export.output: 'exported'", "hub.repo_id: 'user/name'", "evaluation.after: false"]


def test_the_folder_of_a_single_run_is_not_taken(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="holds a single run; --seeds needs a folder for several"):
        train_seeds(tiny_recipe(tiny_data, tmp_path, **TWO_STEPS), [0, 1])


def test_a_wrong_seed_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["smart-train", "train", "recipes/quickstart.yaml", "--seeds", "zero,one"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("smart-train: --seeds zero,one: 'zero' is not a seed; give whole numbers")
