"""`tune:` in a recipe, and `smart-train tune RUN --write`: the trained model, its export and its figures agree."""

from __future__ import annotations

import html
import itertools
import json
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import smart_train.run.tuning
from smart_train import SmartModel
from smart_train.cli import main
from smart_train.errors import DataError, RecipeError, RunError
from smart_train.evaluation import EvaluationResult
from smart_train.export.parity_record import check_record
from smart_train.models.smart_config import SmartConfig
from smart_train.recipe import Recipe, parse_recipe
from smart_train.run import train
from smart_train.run.tuned import tuned_scoring
from smart_train.utils.manifest import fault
from tests.runs import COLOURS, draw_page, recipe_values, tiny_recipe, write_rows

pytestmark = pytest.mark.usefixtures("no_plots")

# One form that is smaller than the one in force, and a bound that only it keeps: the settings always change.
SMALLER = {
    "layers": [-1],
    "weights": ["1:1"],
    "query_tokens": ["content"],
    "document_tokens": ["content"],
    "pooled_token": ["keep"],
    "widths": [16],
    "pool_factors": [1],
    "stored_as": ["int8"],
    "max_bytes": 700,
}


@dataclass
class Finished:
    recipe: Recipe
    run: Path


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen queries: the fewest that tuning takes are twelve."""
    folder = tmp_path_factory.mktemp("held_out")
    pages = random.Random(1).sample(list(itertools.permutations(COLOURS, 4)), 14)
    rows = [{"query": " ".join(names), "positive": f"{number}.png"} for number, names in enumerate(pages)]
    for row, names in zip(rows, pages, strict=True):
        draw_page(names, folder / row["positive"])
    return write_rows(folder / "rows.jsonl", rows)


@pytest.fixture(scope="module")
def finished(tiny_data: Path, held_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    recipe = tiny_recipe(
        tiny_data,
        tmp_path_factory.mktemp("tuned") / "run",
        data={"evaluation": {"path": str(held_out)}},
        tune=SMALLER,
        training={"max_steps": 2},
    )
    return Finished(recipe, train(recipe))


def test_a_run_leaves_everything_with_the_tuned_settings(finished: Finished) -> None:
    run, saved = finished.run, json.loads((finished.run / "tune.json").read_text())
    assert saved["verdict"] in ("better", "smaller")
    tuned = tuned_scoring(run)
    assert (tuned.width, tuned.stored_as) == (16, "int8")
    for folder in ("final", "export"):
        assert SmartConfig.read(run / folder).scoring == tuned
    assert fault(run / "final") is None
    check_record(run / "export")
    card = (run / "export" / "README.md").read_text()
    assert saved["conclusion"] in card
    assert "An index of smart_train keeps 16 dimensions of each vector, stored as int8." in card
    page = html.unescape((run / "report.html").read_text())
    assert saved["conclusion"] in page and "bytes a document" in page
    assert EvaluationResult.load(run / "evaluation.after.json").scoring == tuned.to_dict()
    assert EvaluationResult.load(run / "evaluation.before.json").scoring["stored_as"] == "float32"


def test_a_run_that_was_killed_before_the_settings_were_written_ends_the_same(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    training = {**finished.recipe.training, "output_dir": str(run)}
    # Without the export, which takes longest and has been made.
    recipe = parse_recipe({**finished.recipe.to_dict(), "training": training, "export": {"enabled": False}})
    for name in ("run.json", "run.json.copy"):
        (run / name).write_text((run / name).read_text().replace('"finished"', '"trained"'))
    (run / "evaluation.after.json").unlink()
    file = run / "final" / "smart_config.json"
    model = SmartModel.from_pretrained(run / "final", scoring={"width": None, "stored_as": "float32"})
    smart_train.run.tuning.write_scoring(run / "final", model, model.scoring)
    assert json.loads(file.read_text())["scoring"]["width"] is None

    def measured(*_: object, **__: object) -> None:
        raise AssertionError("tuned again")

    monkeypatch.setattr(smart_train.run.tuning, "tune", measured)
    train(recipe)
    assert SmartConfig.read(run / "final").scoring == tuned_scoring(run)
    assert EvaluationResult.load(run / "evaluation.after.json").scoring["width"] == 16


def test_too_few_queries_stop_a_run_before_it_trains(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", tune={})
    with pytest.raises(DataError, match="10 queries are too few to choose on one half .* It takes at least 12"):
        train(recipe)
    assert not (tmp_path / "run" / "final").exists()


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    assert tuned_scoring(tmp_path) is None
    (tmp_path / "tune.json").write_text('{"scoring": {"widht": 3}}')
    with pytest.raises(RunError, match="tune.json: cannot be read .*width.*; delete it"):
        tuned_scoring(tmp_path)


def test_the_command_writes_into_the_run_and_exports_again(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "moved"
    shutil.copytree(finished.run, run)
    before = (finished.run / "export" / "smart_config.json").read_bytes()
    form = ["--layers", "-1", "--weights", "1:1", "--widths", "8", "--pool-factors", "2", "--stored-as", "int8"]
    tokens = ["--query-tokens", "content", "--document-tokens", "content", "--pooled-token", "keep"]
    arguments = ["tune", run, *form, *tokens, "--max-bytes", "300", "--write"]
    monkeypatch.setattr(sys, "argv", ["smart-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert "the settings were written" in printed and f"Exported again to {run / 'export'}" in printed
    assert SmartConfig.read(run / "export").scoring == SmartConfig.read(run / "final").scoring == tuned_scoring(run)
    assert SmartConfig.read(run / "final").scoring.width == 8
    check_record(run / "export")
    assert (finished.run / "export" / "smart_config.json").read_bytes() == before


def mistakes(tiny_data: Path, tmp_path: Path, **tune: object) -> str:
    values = recipe_values(tiny_data, tmp_path / "run", tune=tune)
    with pytest.raises(RecipeError) as raised:
        parse_recipe(values)
    return str(raised.value)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"metric": "ndgc@5"}, "tune: metric 'ndgc@5': unknown, did you mean ndcg@5?"),
        ({"weights": ["1-4"]}, "tune: weights '1-4': must read POOLED:LATE"),
        ({"layers": [7], "metric": ""}, "tune.layers 7 is out of range: the model has hidden states -3 .. 2"),
        ({"widths": [4096], "metric": ""}, "tune.widths 4096 must lie between 1 and the backbone's hidden size 32"),
        ({"stored_as": ["int3"]}, "tune.stored_as: 'int3'; must be one of"),
        (
            {"document_tokens": ["contents"]},
            "tune.document_tokens: 'contents'; must be one of content, text, visual, all; did you mean content?",
        ),
        ({"layer": [1]}, "tune.layer: unknown key, did you mean layers?"),
        ({"layers": []}, "tune.layers"),
    ],
)
def test_a_mistake_in_the_section_is_told_with_the_others(
    tiny_data: Path, tmp_path: Path, section: dict, message: str
) -> None:
    assert message in mistakes(tiny_data, tmp_path, **section)


def test_the_section_needs_held_out_rows_and_no_run_of_its_own(tiny_data: Path, tmp_path: Path) -> None:
    values = recipe_values(tiny_data, tmp_path / "run", tune={}, data={"evaluation": None})
    values["training"] = {name: value for name, value in values["training"].items() if not name.startswith("eval")}
    with pytest.raises(RecipeError, match="tune: needs rows to choose by: set data.evaluation"):
        parse_recipe(values)
    tuned, plain = (tiny_recipe(tiny_data, tmp_path / "run", tune=section) for section in ({}, None))
    assert tuned.fingerprint == plain.fingerprint, "a run that is under way may be tuned"
