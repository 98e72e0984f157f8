"""A run on a mixture of sources: cut off mid-epoch it goes on as if it had not been, and two processes are one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import yaml
from PIL import Image
from safetensors.torch import load_file

from smart_train import SmartModel
from smart_train.data import SourceConfig, load_examples
from smart_train.data.keys import default_id
from smart_train.errors import DataError, RecipeError
from smart_train.recipe import load_recipe, parse_recipe
from smart_train.recipe.reader import merge
from smart_train.run import build, train
from smart_train.run.mining import mining_sources
from smart_train.run.plan import make_plan
from smart_train.training import SmartTrainer
from smart_train.training.training_log import ConsoleLogger
from smart_train.types import ModelInput
from tests.command import call
from tests.ranks import free_port, join_a_launch, start_ranks
from tests.runs import GENTLE, OVERRIDES, TINY, logged, recipe_values, write_rows

pytestmark = pytest.mark.usefixtures("no_plots")

MINIMAL = {"model": {"name_or_path": "any"}}


def mixed(data: Path, folder: Path, name: str, batch: int = 4, **sections: Any) -> Path:
    """A recipe of two sources, 14 and 10 rows, of which the first brings a negative for each query."""
    folder.mkdir(exist_ok=True)
    rows = (data / "train.jsonl").read_text().splitlines(keepends=True)
    sources = []
    for source, part in (("first", rows[:14]), ("second", rows[14:])):
        (folder / f"{source}.jsonl").write_text("".join(part))
        sources.append({"path": str(folder / f"{source}.jsonl"), "image_root": str(data), "instruction": f"{source}."})
    sources[0]["negatives_per_query"] = 1
    changes = {
        "data": {"evaluation": None},
        "evaluation": {"during": False},
        "export": {"enabled": False},
        "training": {
            "per_device_train_batch_size": batch,
            "eval_strategy": "no",
            "eval_steps": None,
            "save_strategy": "steps",
            "save_steps": 2,
        },
    }
    values = recipe_values(data, folder / name, **merge(merge(changes, GENTLE), sections))
    values["data"]["train"] = sources
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {name: value for file in (run / "final").glob("*.safetensors") for name, value in load_file(file).items()}


def assert_equal(found: Path, expected: Path, tolerance: float) -> None:
    assert logged(found, "loss") == pytest.approx(logged(expected, "loss"), abs=tolerance)
    assert logged(found, "candidates") == logged(expected, "candidates")
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(found)[name], value, rtol=0, atol=tolerance)


def test_a_run_cut_off_within_an_epoch_goes_on(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """14 rows in fours are 3 batches, 10 rows 2: an epoch is 5 steps, and the checkpoint of step 4 lies inside one."""
    expected = train(load_recipe(mixed(tiny_data, tmp_path, "whole")))
    # Eight candidates where a query brings a negative, else four.
    candidates = logged(expected, "candidates")
    assert sorted(candidates[step] for step in range(1, 6)) == [4, 4, 8, 8, 8]

    class Killed(BaseException):
        pass

    def cut(callback: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 5:
            raise Killed

    recipe = load_recipe(mixed(tiny_data, tmp_path, "cut"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ConsoleLogger, "on_step_end", cut)
        train(recipe)
    assert_equal(train(recipe), expected, 1e-6)


def one_rank(rank: int, recipe: Path, folder: Path, port: int) -> None:
    """The run of `recipe`; the rows of each of its steps are left in `folder`."""
    join_a_launch(rank, 2, port)
    seen, original = [], SmartTrainer.compute_loss

    def noted(trainer: SmartTrainer, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(inputs["rows"])
        return original(trainer, model, inputs, *args, **kwargs)

    SmartTrainer.compute_loss = noted  # type: ignore[method-assign]
    train(load_recipe(recipe))
    (folder / f"rank{rank}.json").write_text(json.dumps(seen))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.dist
@pytest.mark.slow
def test_two_processes_take_their_share_of_the_same_batches(tiny_data: Path, tmp_path: Path) -> None:
    alone = train(load_recipe(mixed(tiny_data, tmp_path, "alone")))
    recipe = mixed(tiny_data, tmp_path, "together", 2, distributed={"strategy": "ddp", "num_processes": 2})
    start_ranks(one_rank, recipe, tmp_path, free_port())
    seen = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert len(seen[0]) == len(seen[1]) == 6
    for own, other in zip(*seen, strict=True):
        assert len(own) == len(other) == 2 and not {*own} & {*other}
        assert len({row.split(",")[0] for row in own + other}) == 1, "all processes draw from one source"
    assert_equal(tmp_path / "together", alone, 1e-5)


def test_what_a_mixture_amounts_to(tiny_data: Path, tmp_path: Path) -> None:
    plan = make_plan(load_recipe(mixed(tiny_data, tmp_path, "plan")))
    assert not plan.problems
    assert plan.lines["batches an epoch"].startswith("5 of each process, one kind at a time: ")
    assert plan.lines["train rows"] == "24 rows"
    assert plan.lines["optimiser steps"] == "6 (5 an epoch, 1.2 epochs)"
    large = make_plan(load_recipe(mixed(tiny_data, tmp_path, "plan", 12)))
    assert [problem for problem in large.problems if "second.jsonl: 10 rows: fewer than a batch of 12" in problem]


def test_every_source_that_cannot_be_used_is_named(tiny_data: Path, tmp_path: Path) -> None:
    recipe = mixed(tiny_data, tmp_path, "bad")
    (tmp_path / "first.jsonl").unlink()
    (tmp_path / "second.jsonl").write_text('{"query": "", "positive": "train-0.png"}\n')
    with pytest.raises(DataError) as caught:
        train(load_recipe(recipe))
    message = str(caught.value)
    assert "data.train.0: " in message and "first.jsonl: no such file" in message
    assert "data.train.1: 1 of 1 rows cannot be used" in message and "row 0: the query is empty" in message


def test_each_source_is_mined_by_itself_and_the_recipe_that_is_written_trains(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    recipe = mixed(tiny_data, tmp_path, "mine")
    model = tmp_path / "model"
    SmartModel.from_config(TINY, init_std=0.05, overrides=OVERRIDES).save_pretrained(model)
    mined = tmp_path / "mined"
    options = ("--model", model, "--output", mined, "--negatives", 2, "--margin", 0, "--shard-size", 6)
    assert call(monkeypatch, "mine", recipe, "training.max_steps=2", *options) == 0
    for name, source, instruction in (("0-first", first, "first."), ("1-second", second, "second.")):
        read = load_examples(SourceConfig(source, image_root=tiny_data))
        own = {default_id(document) for example in read for document in example.documents}
        rows = list(load_examples(SourceConfig(mined / name)))
        contents = {default_id(document) for example in rows for document in example.documents[1:]}
        assert contents <= own, "negatives come from the source's own pages"
        assert {(len(row.documents), row.query.instruction) for row in rows} == {(3, instruction)}

    written = load_recipe(mined / "recipe.yaml")
    assert (written.model.name_or_path, written.model.from_config) == (str(model), None)
    assert [section.negatives_per_query for section in written.data.training] == [2, 2]
    assert written.training["output_dir"] == f"{tmp_path / 'mine'}-mined" and written.training["max_steps"] == 2
    assert set(logged(train(written), "candidates").values()) == {12}, "4 positives and 8 negatives"


def test_sources_that_cannot_be_mined_are_named(tiny_data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(mixed(tiny_data, tmp_path, "mine"))
    (tmp_path / "first.jsonl").unlink()
    with pytest.raises(DataError, match=r"data.train.0: .*first.jsonl: no such file"):
        mining_sources(recipe, tmp_path)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "data.train: []; must not be empty"),
        ([{"path": "a", "weigth": 1}], "data.train.0.weigth: unknown key, did you mean weight?"),
        ([{"path": "a"}, {"split": "x"}], "data.train.1.path: missing"),
        ([{"path": "a", "weight": 0}], "data.train.0.weight: 0; must be greater than 0"),
        ([{"path": "a", "weight": 1}], "data.train.weight: 1.0; a single source needs no weight; remove it"),
        ([{"path": "a", "weight": 1}, {"path": "b"}], "data.train.1.weight: null; other sources have a weight"),
        ([{"path": "a"}, 3], "data.train.1: 3; must be a section (keys and values)"),
        ([{"path": "a"}, {"path": "b", "columns": {"qery": "q"}}], "data.train.1.columns.qery: unknown key"),
        ({"path": "a", "columns": "position"}, "data.train.columns: 'position'; must be"),
    ],
)
def test_mistakes_in_a_mixture(sources: Any, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({**MINIMAL, "data": {"train": sources}})
    assert message in str(caught.value)
    assert "1 mistake\n" in str(caught.value)


def test_a_mixture_is_read_back_as_written() -> None:
    sources = [{"path": "a", "weight": 2}, {"path": "b", "weight": 1, "negatives_per_query": 3}]
    recipe = parse_recipe({**MINIMAL, "data": {"train": sources, "negatives_per_query": 1}})
    again = parse_recipe(yaml.safe_load(recipe.to_yaml()))
    assert again == recipe and [source.weight for source in again.data.training] == [2.0, 1.0]


def test_a_token_budget_and_a_cache_change_no_row(tiny_data: Path, tmp_path: Path) -> None:
    """Every page here has as many tokens, so that a budget of three pages with their negatives is a batch of three."""
    sections = {
        "data": {"negatives_per_query": 1, "evaluation": None, "cache_dir": str(tmp_path / "cache")},
        "evaluation": {"during": False},
        "export": {"enabled": False},
        "training": {"per_device_train_batch_size": 8, "eval_strategy": "no", "eval_steps": None, "max_steps": 3},
    }
    plain = load_recipe(_written(tmp_path / "plain.yaml", recipe_values(tiny_data, tmp_path / "plain", **sections)))
    tokens = build.skeleton(plain, TINY).family.token_count(
        ModelInput(images=(tiny_data / "train-0.png",)), "document", [(64, 64)]
    )
    budget = merge(sections, {"data": {"max_tokens_per_batch": 2 * 3 * (tokens + 7)}})
    recipe = load_recipe(_written(tmp_path / "budget.yaml", recipe_values(tiny_data, tmp_path / "budget", **budget)))
    plan = make_plan(recipe)
    assert plan.lines["batches an epoch"].startswith("8 of each process") and not plan.problems
    run = train(recipe)
    assert set(logged(run, "candidates").values()) == {6.0}
    assert list((tmp_path / "cache").rglob("*.png")), "pages were kept at their final size"
    changes = ["data.max_tokens_per_batch=1", "data.negatives_per_query=0", f"training.output_dir={tmp_path}/single"]
    single = load_recipe(tmp_path / "budget.yaml", changes)
    with pytest.raises(RecipeError, match="smallest batch of an epoch holds one document.*max_tokens_per_batch"):
        train(single)


def test_grouping_by_length_cuts_the_padding_that_the_log_shows(tmp_path: Path) -> None:
    """32 pages of 4 to 48 visual tokens; as many rows a step, as many steps, and every page once."""
    rows = []
    for number in range(32):
        page = Image.new("RGB", (64, 64 * (1 + number * 7 % 12)), (8 * number, 0, 0))
        page.save(tmp_path / f"{number}.png")
        rows.append({"query": f"page {number}", "positive": f"{number}.png"})
    write_rows(tmp_path / "train.jsonl", rows)
    shares = {}
    for like in (False, True):
        sections = {
            "data": {"group_by_length": like, "evaluation": None},
            "evaluation": {"during": False},
            "export": {"enabled": False},
            "training": {"per_device_train_batch_size": 2, "eval_strategy": "no", "eval_steps": None, "max_steps": 16},
        }
        run = train(parse_recipe(recipe_values(tmp_path, tmp_path / f"run-{like}", **sections)))
        assert set(logged(run, "candidates").values()) == {2.0} and len(logged(run)) == 16
        shares[like] = sum(logged(run, "padding_document").values()) / 16
        assert set(logged(run, "padding_query")) == set(range(1, 17))
    assert shares[True] < shares[False] / 2


def _written(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path
