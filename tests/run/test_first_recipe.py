"""`smart-train init`: its recipe is valid, says what the model and rows are, and never replaces a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.models import SmartModel
from smart_train.recipe import load_recipe
from smart_train.run.first_recipe import METHODS
from smart_train.run.plan import make_plan
from tests.command import call
from tests.models.text_folders import encoder_folder
from tests.pdf_files import make_pdf
from tests.runs import TINY, TRAIN_ROWS, write_rows


@pytest.fixture
def drafted(monkeypatch, tiny_data, tmp_path):
    """`smart-train init` on the tiny model and rows with more arguments; the file that it wrote."""

    def draft(*arguments: object, data: Path = tiny_data / "train.jsonl") -> Path:
        file = tmp_path / "mine.yaml"
        assert call(monkeypatch, "init", TINY, data, "--to", file, *arguments) == 0
        return file

    return draft


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_a_recipe_that_validates(drafted, tiny_data, method) -> None:
    file = drafted("--method", method, "--evaluation", tiny_data / "held_out.jsonl")
    recipe = load_recipe(file)
    plan = make_plan(recipe)

    assert plan.problems == [] and plan.unchecked == []
    assert recipe.mode == ("lora" if method == "qlora" else method)
    assert recipe.model.quantization == ("4bit" if method == "qlora" else None)
    assert recipe.model.family == "qwen3_vl_embedding"
    assert recipe.training["output_dir"] == "runs/mine"
    assert recipe.training["eval_strategy"] == "epoch" and recipe.data.held_out
    if method == "projection":
        assert recipe.objective.name == "late" and recipe.projection.dim == 96, "the tiny model's own width"
    whole = sum(weight.numel() for weight in SmartModel.from_config(TINY, init_std=0.05).parameters())
    assert f"# {whole / 1e6:,.1f} million parameters" in file.read_text(), "without what the method adds"


def test_a_batch_leaves_enough_steps_and_every_key_says_why(drafted) -> None:
    file = drafted("--method", "lora")
    recipe = load_recipe(file)

    assert recipe.training["per_device_train_batch_size"] == 2, f"8 steps of {TRAIN_ROWS} rows have 3 each"
    assert recipe.training["eval_strategy"] == "no" and not recipe.data.held_out
    text = file.read_text()
    assert "24 rows, 24 different documents" in text
    assert "no held-out rows: add evaluation" in text
    assert "queries 31, at most 31; documents 29, at most 29" in text  # four squares are four visual tokens each


def test_columns_are_carried_over(drafted, tiny_data, tmp_path) -> None:
    rows = write_rows(
        tmp_path / "rows.jsonl",
        [{"question": f"what is {word}", "passage": f"{word} is a word"} for word in ("yes: no", "#a", "b", "c")],
    )
    recipe = load_recipe(drafted("--method", "full", "--columns", "query=question, positive=passage", data=rows))

    assert recipe.data.train.columns == {"query": "question", "positive": "passage"}
    assert recipe.gradient_caching is None, "texts are short"


def test_pages_are_read_as_the_model_reads_them(monkeypatch, capsys, drafted, tmp_path) -> None:
    pytest.importorskip("pypdfium2")
    make_pdf(tmp_path / "manual.pdf", [[f"Page about {word}"] for word in "abcd"], [])
    rows = write_rows(
        tmp_path / "pages.jsonl",
        [{"query": f"where is {word}", "positive": f"manual.pdf#page={n}"} for n, word in enumerate("abcd", 1)],
    )
    seeing = drafted("--method", "lora", "--evaluation", rows, data=rows)
    assert load_recipe(seeing).data.train.pages_as is None
    seeing.unlink()
    told = load_recipe(drafted("--method", "lora", "--evaluation", rows, "--pages-as", "text", data=rows))
    assert told.data.train.pages_as == told.data.evaluation.pages_as == "text"

    model, file = encoder_folder(tmp_path / "model"), tmp_path / "text.yaml"
    assert call(monkeypatch, "init", model, rows, "--method", "lora", "--evaluation", rows, "--to", file) == 0
    recipe = load_recipe(file)
    assert recipe.data.train.pages_as == recipe.data.evaluation.pages_as == "text"
    assert make_plan(recipe).problems == []
    file.unlink()
    asked = ("--method", "lora", "--pages-as", "image", "--to", file)
    assert call(monkeypatch, "init", model, rows, *asked) == 2
    assert "(pages of PDF files have a text: --pages-as text;" in capsys.readouterr().err


def test_columns_by_their_order_are_carried_over(drafted, tmp_path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"question": f"what is {word}", "passage": word} for word in "abcd"])
    recipe = load_recipe(drafted("--method", "full", "--columns", "positional", data=rows))

    assert recipe.data.train.columns == "positional"


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (
            [{"question": "q", "passage": "p"}],
            ("DATA",),
            "DATA: {rows}: no column for 'query' (looked for query, anchor); columns: passage, question. Name it: "
            "--columns query=question,positive=passage; or --columns positional to use them in their order",
        ),
        ([{"query": "", "positive": "p"}], ("DATA",), "DATA: 1 of 1 rows cannot be used:\n  {rows}, row 0"),
        ([{"question": "q", "passage": "p"}], ("--evaluation",), "--evaluation: {rows}: no column for 'query'"),
    ],
)
def test_mistakes_in_rows_name_what_was_typed(
    monkeypatch, capsys, tiny_data, tmp_path, rows, arguments, message
) -> None:
    bad = write_rows(tmp_path / "bad.jsonl", rows)
    data = (bad,) if arguments == ("DATA",) else (tiny_data / "train.jsonl", "--evaluation", bad)
    assert call(monkeypatch, "init", TINY, *data, "--method", "lora", "--to", tmp_path / "mine.yaml") == 2
    told = capsys.readouterr().err
    assert message.format(rows=bad) in told
    assert "recipe" not in told and "data.on_error" not in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "lorra"), "--method 'lorra'; the method must be one of lora, qlora, projection, full"),
        (("--method", "lora", "--columns", "query"), "'query' must read OURS=THEIRS, as in query=question"),
        (("--method", "lora", "--columns", "query=nothing"), "there is no column 'nothing'"),
        (("--method", "lora", "--evaluation", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_mistakes_are_named(monkeypatch, capsys, tiny_data, tmp_path, arguments, message) -> None:
    file = tmp_path / "mine.yaml"
    assert call(monkeypatch, "init", TINY, tiny_data / "train.jsonl", "--to", file, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not file.exists()


def test_a_file_that_is_there_stays(monkeypatch, capsys, tiny_data, tmp_path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    assert call(monkeypatch, "init", TINY, tiny_data / "train.jsonl", "--method", "lora", "--to", file) == 2
    assert "already exists; name another file with --to" in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_the_way_of_training_has_no_default(monkeypatch, capsys, tiny_data, tmp_path) -> None:
    assert call(monkeypatch, "init", TINY, tiny_data / "train.jsonl", "--to", tmp_path / "mine.yaml") == 2
    assert "Missing option '--method'" in capsys.readouterr().err
