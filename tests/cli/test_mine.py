"""`smart-train mine` on drawn pages with a tiny Qwen3-VL, and training on what it wrote."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from smart_train import SmartModel
from smart_train.cli import main
from smart_train.data import SourceConfig, load_examples
from smart_train.errors import DataError
from smart_train.run import train
from smart_train.run.mining import check_mining_folder
from smart_train.scoring import forced_arithmetic
from smart_train.utils.locks import LOCK_NAME
from tests.runs import OVERRIDES, TINY, TRAIN_ROWS, logged, recipe_values, tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    SmartModel.from_config(TINY, init_std=0.05, overrides=OVERRIDES).save_pretrained(folder)
    return folder


@pytest.fixture
def mine(tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(recipe_values(tiny_data, tmp_path / "run")))  # JSON is YAML

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smart-train", "mine", str(recipe), *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as end:
            return end.code or 0, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return call


def distinct(folder: Path, pattern: str) -> int:
    """Different pages, whatever their names: some rows' negative is another row's positive."""
    return len({page.read_bytes() for page in folder.glob(f"{pattern}.png")})


def test_products_that_nobody_asked_for_are_not_printed(mine, model: Path, tmp_path: Path) -> None:
    options = ("--negatives", 2, "--last-rank", 10, "--margin", 0, "--store", "bfloat16")
    with forced_arithmetic("native"):
        status, out, err = mine("--model", model, "--output", tmp_path / "mined", *options)
    assert status == 0, err
    assert json.loads((tmp_path / "mined" / "mining.json").read_text())["rescored"], "else this test could not fail"
    assert "mean score of a positive" in out and "scored again" not in out


def test_mined_rows_hold_the_models_scores_and_train(mine, model: Path, tiny_data: Path, tmp_path: Path) -> None:
    mined = tmp_path / "mined"
    options = ("--negatives", 2, "--last-rank", 10, "--margin", 0, "--shard-size", 20, "--products", "bfloat16")
    status, out, err = mine("--model", model, "--output", mined, *options)
    assert status == 0, err
    assert "scored again by exact products: " in out
    assert f"{TRAIN_ROWS} rows, {TRAIN_ROWS} queries, {distinct(tiny_data, 'train-*')} documents" in out
    assert f"{TRAIN_ROWS} rows written (0 have fewer than 2 negatives)" in out

    examples = list(load_examples(SourceConfig(mined)))
    loaded = SmartModel.from_pretrained(model)
    for example in examples[:3]:
        scores = loaded.similarity(loaded.encode_query(example.query), loaded.encode_document(list(example.documents)))
        torch.testing.assert_close(torch.tensor([example.scores]), scores, atol=2e-5, rtol=0)

    data = {"train": {"path": str(mined)}, "negatives_per_query": 2}
    taught = {"distillation": {"weight": 0.5}, "positive_aware": {"by": "teacher", "margin": 0.999}}
    steps = {"max_steps": 2, "eval_steps": 2}
    recipe = tiny_recipe(tiny_data, tmp_path / "run", data=data, objective=taught, training=steps)
    # 4 positives and 8 negatives, but for a negative that is the positive of another query of its batch.
    run = train(recipe)
    assert all(10 < candidates <= 12 for candidates in logged(run, "candidates").values())
    # The run starts from the weights that mined, and the warm-up's first step moves nothing: the teacher agrees.
    assert all(abs(loss) < 1e-6 for loss in logged(run, "loss_distillation").values())
    assert all(0 < share < 1 for share in logged(run, "masked_late").values())


def test_a_random_base_is_no_teacher(mine, tmp_path: Path) -> None:
    status, _, err = mine("--output", tmp_path / "mined")
    assert status == 2 and "draws random weights" in err and "--model RUN/export" in err


def test_settings_are_checked_before_a_model_is_loaded(mine, tmp_path: Path) -> None:
    status, _, err = mine("--output", tmp_path / "mined", "--model", "nowhere", "--score", "cosine")
    assert status == 2 and "smart-train: --score is 'cosine'; choose one of pooled, late, hybrid" in err
    status, _, err = mine("--output", tmp_path / "mined", "--model", "nowhere", "--first-rank", 98)
    assert status == 2 and "hold fewer than the 4 negatives wanted; raise --last-rank" in err


def test_more_documents_may_be_chosen(mine, model: Path, tiny_data: Path, tmp_path: Path) -> None:
    options = ("--negatives", 1, "--margin", 0, "--corpus", tiny_data / "held_out.jsonl")
    status, out, err = mine("--model", model, "--output", tmp_path / "mined", *options)
    assert status == 0, err
    assert f" {distinct(tiny_data, '*')} documents" in out


def test_a_folder_of_something_else_is_left_alone(mine, tmp_path: Path) -> None:
    run = tmp_path / "own"
    (run / "mined").mkdir(parents=True)
    (run / "mined" / "mining.json").write_text("{}")  # mined into the run's folder: that makes it no mined folder
    for name in ("recipe.yaml", "run.json"):
        (run / name).write_text("its own\n")
    status, _, err = mine("--output", run, "--model", "nowhere")
    assert status == 2
    assert f"--output {run}: holds no mined rows, but other files (mined, recipe.yaml, run.json); name another" in err
    assert (run / "recipe.yaml").read_text() == "its own\n"
    (tmp_path / "file").touch()
    status, _, err = mine("--output", tmp_path / "file", "--model", "nowhere")
    assert status == 2 and "is a file; name a folder" in err


def test_mining_again_keeps_a_recipe_that_was_edited(mine, model: Path, tmp_path: Path) -> None:
    mined, options = tmp_path / "mined", ("--negatives", 1, "--last-rank", 10, "--margin", 0)
    status, out, err = mine("--model", model, "--output", mined, *options)
    assert status == 0, err
    assert "candidates left out by --max-score: 0" in out
    written = (mined / "recipe.yaml").read_text()
    status, out, _ = mine("--model", model, "--output", mined, *options)
    assert status == 0 and "was edited" not in out and (mined / "recipe.yaml").read_text() == written
    (mined / "recipe.yaml").write_text("# my notes\n" + written)
    status, out, _ = mine("--model", model, "--output", mined, *options)
    assert status == 0 and f"{mined / 'recipe.yaml'} was edited and is left as it is; the new one is beside it" in out
    assert (mined / "recipe.yaml").read_text() == "# my notes\n" + written
    assert (mined / "recipe.2.yaml").read_text() == written


def test_what_a_kill_left_of_the_first_call_is_no_other_file(tmp_path) -> None:
    (tmp_path / LOCK_NAME).touch()
    (tmp_path / ".mining.json.0123abcd.tmp").touch()
    check_mining_folder(tmp_path)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(DataError, match=r"other files \(thesis.txt\)"):
        check_mining_folder(tmp_path)
