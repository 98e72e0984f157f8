"""Mistakes that need no library are told before one is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from transformers.training_args import TrainingArguments

from smart_train.errors import DataError, RecipeError
from smart_train.recipe import early_checks, parse_recipe
from smart_train.recipe.early_checks import check_quickly, check_rows_quickly
from smart_train.recipe.training_section import known_names
from smart_train.scoring import ScoringConfig
from tests.runs import recipe_values, write_rows

ALONE = """
import sys
from smart_train.cli import main
sys.argv = ["smart-train", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print(end.code, sorted({"torch", "transformers", "datasets", "peft"} & set(sys.modules)))
"""


@pytest.fixture
def recipe(tiny_data: Path, tmp_path: Path):
    """Writes the tiny recipe with these of its sections replaced, and returns its path."""

    def write(**sections: object) -> Path:
        values = recipe_values(tiny_data, tmp_path / "run", **sections)
        (tmp_path / "recipe.yaml").write_text(json.dumps(values))  # JSON is YAML
        return tmp_path / "recipe.yaml"

    return write


def told(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check_quickly(path, overrides)
    return [line.strip() for line in str(caught.value).splitlines()]


def test_keys_that_were_decided_against_are_told_what_to_do_instead(recipe) -> None:
    lines = told(recipe(), "objective.memory=3", "ema.decay=0.9")
    assert any(line.startswith("objective.memory: unknown key; documents of earlier batches lost") for line in lines)
    assert any(line.startswith("ema: unknown key; set averaging.decay") for line in lines), lines


@pytest.mark.parametrize("word", ["train", "launch", "validate", "validate-data"])
def test_no_library_is_imported_to_name_a_typing_error(word: str, recipe) -> None:
    path = recipe(training={"learning_rat": 1}, data={"train": {"path": "nowhere/train.jsonl"}})
    ended = subprocess.run([sys.executable, "-c", ALONE, word, str(path)], capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[-2] == "2 []"
    assert "learning_rat: unknown key, did you mean learning_rate?" in ended.stderr
    assert "nowhere/train.jsonl: no such file or folder" in ended.stderr


def test_the_names_read_from_the_sources_are_those_of_the_classes() -> None:
    assert set(early_checks.argument_names()) == {item.name for item in fields(TrainingArguments) if item.init}
    assert set(early_checks.argument_names()) == set(known_names())
    assert list(early_checks.scoring_names()) == [item.name for item in fields(ScoringConfig)]


def test_a_recipe_without_such_mistakes_passes(recipe, monkeypatch) -> None:
    check_quickly(recipe())
    check_quickly(recipe(data={"train": {"path": "owner/name"}}))  # the Hub may have it
    monkeypatch.setattr(early_checks, "argument_names", lambda: ())  # transformers' source is elsewhere
    check_quickly(recipe(training={"learning_rat": 1}))


def test_keys_of_every_depth_are_told_at_once(recipe) -> None:
    path = recipe(
        modle={},
        mini_batch_size=8,
        data={"train": {"splitt": "x"}},
        objective={"distillation": {"wieght": 1}},
        scoring={"late_wieght": 1},
        training={"no_cuda": True},
    )
    assert told(path) == [
        f"{path}: 6 mistakes",
        "data.train.splitt: unknown key, did you mean split?",
        "training.no_cuda: unknown key; set use_cpu: true",
        "modle: unknown key, did you mean model?",
        "mini_batch_size: unknown key, did you mean gradient_caching.mini_batch_size?",
        "objective.distillation.wieght: unknown key, did you mean weight?",
        "scoring.late_wieght: unknown key, did you mean late_weight?",
    ]


def test_a_missing_path_says_from_where_and_what_lies_beside_the_recipe(
    recipe, tiny_data, tmp_path, monkeypatch
) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "train.jsonl").touch()
    monkeypatch.chdir(tiny_data)
    path = recipe(data={"train": {"path": "rows/train.jsonl"}, "evaluation": {"path": "trian.jsonl"}})
    assert told(path)[1:] == [
        f"data.train: rows/train.jsonl: no such file or folder; paths are meant from the current folder, {tiny_data}; "
        f"it lies beside the recipe: write {tmp_path / 'rows' / 'train.jsonl'}, or start in {tmp_path}",
        "data.evaluation: trian.jsonl: no such file or folder, did you mean train.jsonl?; paths are meant from the "
        f"current folder, {tiny_data}",
    ]
    there = recipe(data={"train": {"path": str(tiny_data / "no" / "train.jsonl")}})
    assert told(there)[1].endswith(f"no such file or folder; there is no folder {tiny_data / 'no'} either")


def test_what_a_script_will_make_need_not_be_there(recipe, tmp_path) -> None:
    prepare = {"script": "make.py", "output": str(tmp_path / "made")}
    check_quickly(recipe(data={"prepare": prepare, "train": {"path": str(tmp_path / "made" / "train.jsonl")}}))


def test_a_column_that_no_row_has_is_named(recipe, tmp_path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"question": "a"}, {"question": "b", "page": "c"}])
    check_quickly(recipe(data={"train": {"path": str(rows), "columns": {"query": "question", "positive": "page"}}}))
    path = recipe(data={"train": {"path": str(rows), "columns": {"query": "qestion", "negatives": ["x", "page"]}}})
    assert told(path)[1:] == [
        f"data.train: {rows}: columns.query: there is no column 'qestion', did you mean question?; columns: page, "
        "question",
        f"data.train: {rows}: columns.negatives: there is no column 'x'; columns: page, question",
    ]
    (tmp_path / "rows.csv").write_text("query;page\na,b\n")
    path = recipe(data={"train": {"path": str(tmp_path / "rows.csv"), "columns": {"query": "page"}}})
    assert "columns.query: there is no column 'page'; columns: query;page" in told(path)[1]


def test_rows_of_options_are_named_by_them_and_files_as_they_are(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "columns.jsonl", [{"question": "a"}])
    rows = {"path": "columns.jsonl", "columns": {"query": "x"}, "image_root": "columns.query:"}
    with pytest.raises(DataError) as caught:
        check_rows_quickly(rows)
    beside = f"; paths are meant from the current folder, {tmp_path}"
    assert str(caught.value).splitlines() == [
        f"--image-root: columns.query:: no such file or folder{beside}",
        "--data: columns.jsonl: --columns query: there is no column 'x'; columns: question",
    ]
    with pytest.raises(DataError, match=r"^--data: columns\.csv: no such file or folder"):
        check_rows_quickly({"path": "columns.csv"})


def test_rows_are_not_a_recipe(tiny_data) -> None:
    rows = tiny_data / "train.jsonl"
    assert told(rows) == [
        f"{rows}: is a file of rows, not a recipe; name it in one, as data: {{train: {{path: {rows}}}}} (`smart-train "
        f"recipes` lists some to start from), or look at its rows with: smart-train validate-data {rows}"
    ]


def test_what_lies_in_a_folder_that_may_not_be_searched_is_left_to_the_run(recipe, monkeypatch) -> None:
    path, found = recipe(data={"train": {"path": "/closed/rows.jsonl"}}), Path.stat

    def stat(self: Path, **options: bool):
        if "closed" in self.parts:
            raise PermissionError(13, "Permission denied", str(self))
        return found(self, **options)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(early_checks, "_columns_of", lambda file: set())
    check_quickly(path)


def test_a_recipe_from_a_pipe_is_refused_by_that_word(tmp_path) -> None:
    os.mkfifo(tmp_path / "recipe.yaml")
    with pytest.raises(RecipeError, match=r"recipe.yaml: is a pipe, and a recipe is read more than once; write it to"):
        check_quickly(tmp_path / "recipe.yaml")


def test_a_model_that_is_named_by_a_path_and_is_not_there(recipe, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mini").mkdir(parents=True)
    (tmp_path / "make.py").write_text("")
    near = "no such folder, did you mean models/mini? (current directory: "
    path = recipe(model={"name_or_path": "./modls/mini"}, lora={"init_from": "../gone"}, full=None)
    first, *lines = told(path)
    assert first.endswith("2 mistakes") and lines[0].startswith(f"model.name_or_path: ./modls/mini: {near}")
    assert lines[1].startswith("lora.init_from: ../gone: no such folder")
    check_quickly(path, ["model.name_or_path=modls/mini", "lora.init_from=null"])  # the Hub may have it
    check_quickly(path, ["model.name_or_path=./models/mini", "lora.init_from=null"])
    made = ["data.prepare={script: make.py, output: built}", "lora.init_from=null"]
    for place in ("./built", "./built/base"):
        check_quickly(path, [f"model.name_or_path={place}", *made])


def test_a_file_in_the_place_of_the_run_folder(recipe, tmp_path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    path = recipe()
    assert told(path, f"training.output_dir={file}")[1:] == [f"training.output_dir: {file}: is a file; name a folder"]
    [line] = told(path, f"training.output_dir={file}/run")[1:]
    assert line == f"training.output_dir: {file}/run: {file} is a file; name a folder"
    check_quickly(path, [f"training.output_dir={tmp_path / 'new' / 'run'}"])


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"model": "base"}, "model: 'base'; must be a section (keys and values), as in model: {name_or_path: base}"),
        ({"model": ["base"]}, "model: ['base']; must be a section (keys and values)"),
        ({"data": "r.csv"}, "data: 'r.csv'; must be a section (keys and values), as in data: {train: {path: r.csv}}"),
        ({"data": {"train": "r"}}, "data.train: 'r'; must be a section (keys and values), as in train: {path: r}"),
        ({"lora": 8}, "lora: 8; must be a section (keys and values)"),
        ({"data": {}}, "data.train: missing; name the training rows, as train: {path: FILE_OR_FOLDER}"),
        ({"data": {"train": [{"path": "r"}, {}]}}, "data.train.1.path: missing; it has no default"),
        ({"lora": {}, "full": {}}, "lora, full: choose exactly one of lora, projection, full (`lora: null` removes"),
    ],
)
def test_what_is_no_section_or_lacks_a_key_is_told_as_by_the_whole_check(
    values: dict, line: str, tmp_path: Path
) -> None:
    values = {"model": {"name_or_path": "base"}, "data": {"train": {"path": "rows"}}, **values}
    (tmp_path / "recipe.yaml").write_text(json.dumps(values))
    [said] = told(tmp_path / "recipe.yaml")[1:]
    with pytest.raises(RecipeError) as caught:
        parse_recipe(values)
    assert said.startswith(line) and said in str(caught.value)
