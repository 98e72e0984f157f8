"""`train --seeds`: a run for each seed, what they have in common, its page, and which one is chosen."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from smart_train.cli import main
from smart_train.errors import DivergedError, RecipeError, RunError
from smart_train.evaluation import EvaluationResult
from smart_train.recipe import load_recipe
from smart_train.recipe.seeds import parse_seeds, seed_recipes
from smart_train.report.html import REPORT_FILE
from smart_train.run import seeds as run_seeds
from smart_train.run import seeds_page
from smart_train.run.outcome import Weights
from smart_train.run.seeds import SEEDS_FILE, train_seeds
from smart_train.run.seeds_result import SeedRun, SeedsResult, mean_of, spread_of
from smart_train.training.training_log import LOG_NAME
from tests.command import ended
from tests.ranks import start_command
from tests.runs import logged, metrics, tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots")

WHEN = ("before", "after")
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


def rows_of(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the page, its column names first."""
    table = page.split(f"<h2>{heading}</h2>")[1].split("</table>")[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("<tr")[1:]]


def test_the_page_has_the_numbers_of_the_json(finished: Path) -> None:
    report, page = json.loads((finished / SEEDS_FILE).read_text()), (finished / REPORT_FILE).read_text()
    for when in ("before", "after"):
        heads, *rows = rows_of(page, f"Spread {when} training")
        assert heads == ["score", "metric", "mean", "sd", "lowest", "highest", "seed 4", "seed 7"]
        figures = [one for columns in report[when].values() for one in columns.values()]
        assert len(rows) == len(figures) == 21
        for cells, one in zip(rows, figures, strict=True):
            values = one["by_seed"]
            numbers = [one["mean"], one["sd"], min(values), max(values), *values]
            assert cells[2:] == [f"{number:.3f}" for number in numbers]
    heads, *rows = rows_of(page, "Each seed")
    assert heads[:3] == ["seed", "step", "pooled before"] and heads[-2:] == ["hybrid after", "choice"]
    for place, cells in enumerate(rows):
        measured = [report[w][s]["ndcg@5"]["by_seed"][place] for s in ("pooled", "late", "hybrid") for w in WHEN]
        expected = [f"{number:.3f}" for number in measured]
        assert cells == [
            str((4, 7)[place]),
            str(report["steps"][place]),
            *expected,
            f"{report['chosen']['values'][place]:.4f}",
        ]
    tested = {(row["score"], row["metric"]): row for row in report["comparison"]["rows"]}["late", "ndcg@5"]
    (cells,) = (row for row in rows_of(page, "Result") if row[:2] == ["late", "nDCG@5"])
    assert cells[3:6] == [f"{tested['before']:.3f}", f"{tested['after']:.3f}", f"{tested['difference']:+.3f}"]
    assert cells[7] == f"p = {tested['p_value']:.3f}"
    heads, *rows = rows_of(page, "What the states say")
    watched = [[f"{values[place]:.4g}" for values in report["watch"].values()] for place in (0, 1)]
    assert [row[1:] for row in rows] == watched and "spread late" in heads


def test_the_page_says_what_was_chosen_shows_curves_and_needs_nothing_else(finished: Path) -> None:
    page = (finished / REPORT_FILE).read_text()
    chosen = json.loads((finished / SEEDS_FILE).read_text())["chosen"]["seed"]
    (bold,) = re.findall(r'<tr class="marked"><td[^>]*>(\d+)</td>', page)
    assert int(bold) == chosen and f"Chosen: seed {chosen}, hybrid_ndcg@5" in page
    assert "Expect the mean, not this one&#39;s figures, of a new seed." in page
    assert "The mean of 2 seeds; they end between" in page and "biased upwards" in page
    curves = page.split("<h2>Curves</h2>")[1].split("</section>")[0]
    drawn = ["pooled nDCG@5", "late nDCG@5", "hybrid nDCG@5", "training loss"]
    assert [alt.split(" of each")[0] for alt in re.findall(r'alt="([^"]*)"', curves)] == drawn
    assert "<script" not in page and not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "per_device_train_batch_size: 4" in page and f"{finished / 'seed-4' / REPORT_FILE}" in page


def test_a_seed_that_diverges_is_told_and_the_others_keep_their_report(
    finished: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, began = run_seeds.train, []

    def diverging(recipe: Any, *, overwrite: bool) -> Any:
        began.append(recipe.training["seed"])
        if began[-1] == 5:
            log = Path(recipe.training["output_dir"]) / LOG_NAME
            log.parent.mkdir()
            log.write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": NaN}\n')
            raise DivergedError("step 2: the model has <collapsed>")
        return real(recipe, overwrite=overwrite)

    monkeypatch.setattr(run_seeds, "train", diverging)
    recipe = tiny_recipe(tiny_data, finished, **TWO_STEPS)
    drawn, draw = {}, seeds_page.seed_figures
    monkeypatch.setattr(
        seeds_page, "seed_figures", lambda logs, *rest, **kept: drawn.update(logs) or draw(logs, *rest, **kept)
    )
    with pytest.raises(RunError) as caught:
        train_seeds(recipe, [4, 5, 7])
    said = str(caught.value)
    assert began == [4, 5, 7] and said.startswith("1 of 3 seeds failed; ")
    assert "leave these seeds out (--seeds 4,7)" in said and "--overwrite" in said
    assert said.endswith("\n  seed 5: step 2: the model has <collapsed>")
    assert "Seed 5 failed: step 2: the model has" in capsys.readouterr().out
    report, page = json.loads((finished / SEEDS_FILE).read_text()), (finished / REPORT_FILE).read_text()
    assert report["seeds"] == [4, 7] and report["failed"] == {"5": "step 2: the model has <collapsed>"}
    assert "1 of 3 seeds failed and count nowhere" in page and "the model has &lt;collapsed&gt;" in page
    assert rows_of(page, "Seeds that failed")[1][0] == "5"
    assert list(drawn) == [4, 7, 5] and [record["step"] for record in drawn[5]] == [1, 2]
    assert "A dashed line that ends in a cross is of a seed that failed" in page
    shutil.rmtree(finished / "seed-5")
    # Without it, the report is that of the others again.
    train_seeds(recipe, [4, 7])
    assert "failed" not in json.loads((finished / SEEDS_FILE).read_text())
    assert "ends in a cross" not in (finished / REPORT_FILE).read_text()


def test_one_seed_alone_has_no_report(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(recipe: Any, *, overwrite: bool) -> None:
        if recipe.training["seed"] != 1:
            raise DivergedError("gone")

    monkeypatch.setattr(run_seeds, "train", diverging)
    with pytest.raises(
        RunError,
        match=r"2 of 3 seeds failed; there is no report, because a spread needs at least two.*\(--seeds 1,\.\.\.\)",
    ):
        train_seeds(tiny_recipe(tiny_data, tmp_path / "run", **TWO_STEPS), [0, 1, 2])
    assert not (tmp_path / "run" / SEEDS_FILE).exists()
    with pytest.raises(RunError) as caught:
        train_seeds(tiny_recipe(tiny_data, tmp_path / "run", **TWO_STEPS), [0, 2])
    assert "start all seeds again with --overwrite.\n  seed 0: gone\n  seed 2: gone" in str(caught.value)


@pytest.mark.parametrize(("everywhere", "begun"), [(True, [4, 7]), (False, [4])])
def test_of_several_ranks_all_go_on_or_none(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, everywhere: bool, begun: list[int]
) -> None:
    """A rank whose own query has NaN is alone with it: the others wait for it in the middle of the step."""
    began: list[int] = []

    def diverging(recipe: Any, *, overwrite: bool) -> None:
        began.append(recipe.training["seed"])
        error = DivergedError("gone")
        error.everywhere = everywhere
        raise error

    monkeypatch.setattr(run_seeds, "train", diverging)
    monkeypatch.setattr(run_seeds, "world_size", lambda: 2)
    with pytest.raises(RunError, match="gone"):
        train_seeds(tiny_recipe(tiny_data, tmp_path / "run", **TWO_STEPS), [4, 7])
    assert began == begun


@pytest.mark.dist
def test_two_ranks_go_on_together_after_a_seed_that_diverged(tiny_data: Path, tmp_path: Path) -> None:
    file, log = tmp_path / "recipe.yaml", tmp_path / "log"
    training = {"max_steps": 2, "eval_steps": 2, "per_device_train_batch_size": 2, "learning_rate": 1e30}
    sections = {**TWO_STEPS, "training": training, "evaluation": {"before": False}}
    file.write_text(tiny_recipe(tiny_data, tmp_path / "run", **sections).to_yaml())
    ranks = start_command(["train", file, "--seeds", "4,7"], log, count=2)
    for process in ranks:
        process.join()
    said = log.read_text()
    assert [process.exitcode for process in ranks] == [2, 2], said
    assert said.count("Seed 4 failed: step 2: the vectors of the evaluation hold NaN") == 1
    assert said.count("Seed 7 (2 of 2)") == said.count("2 of 2 seeds failed") == 1


def test_all_folders_are_looked_at_before_the_first_run(
    finished: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed 7 has a run of another recipe: nobody should wait for seed 3 to be told so."""
    monkeypatch.setattr(run_seeds, "train", lambda *_, **__: pytest.fail("a run began"))
    other = tiny_recipe(tiny_data, finished, **{**TWO_STEPS, "training": {"max_steps": 2, "learning_rate": 2e-3}})
    with pytest.raises(RunError, match="training.learning_rate"):
        train_seeds(other, [3, 7])
    assert not (finished / "seed-3").exists()


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
    runs = {
        seed: SeedRun(
            tmp_path,
            None,
            EvaluationResult(["a"], {"hybrid": {"ndcg@5": [value]}}, 9, {"ndcg@5": 0.1}, {}, "data.test"),
            [],
            Weights(None, None, None),
        )
        for seed, value in ((0, 0.25), (1, 0.75))
    }
    found = SeedsResult(recipe, runs)
    assert found.choice == (1, "hybrid_ndcg@5", "data.test", {0: 0.25, 1: 0.75})
    assert found.comparison is None and {"before", "comparison", "watch", "failed"}.isdisjoint(found.to_dict())


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


@pytest.mark.parametrize("command", ["train", "launch"])
@pytest.mark.parametrize("given", ["training.seed=5", "model.from_config.seed=5"])
def test_a_seed_beside_seeds_is_refused(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    command: str, given: str,
) -> None:  # fmt: skip
    file = tmp_path / "recipe.yaml"
    file.write_text(tiny_recipe(tiny_data, tmp_path / "run", **TWO_STEPS).to_yaml())
    done = ended(monkeypatch, capsys, command, file, "--seeds", "0,1", given)
    assert done.status == 2
    assert done.err == f"smart-train: {given}: --seeds gives each run its own seed; remove one of the two\n"


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
