"""A run with an average of its weights: what is evaluated, chosen, exported and told is the average."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import smart_train.run.stages
from smart_train import SmartModel
from smart_train.errors import RunError
from smart_train.recipe import parse_recipe
from smart_train.run import build, memory_estimate, train
from smart_train.run.memory_estimate import BatchSide
from smart_train.run.plan import make_plan
from smart_train.training.averaging import AVERAGING_NAME, WeightAverage
from tests.runs import MODES, logged, metrics, recipe_values, tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots", "without_peers")

AVERAGED: dict[str, Any] = {"averaging": {"decay": 0.5}, "training": {"save_total_limit": None}}


def of_model(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the model in `folder`."""
    names = ("adapter_model.safetensors", "projection.safetensors", "model.safetensors")
    return next(load_file(folder / name) for name in names if (folder / name).is_file())


def same(one: Path, other: Path) -> bool:
    own, others = of_model(one), of_model(other)
    return own.keys() == others.keys() and all(torch.equal(own[name], others[name]) for name in own)


@pytest.mark.parametrize("mode", MODES)
def test_evaluations_are_those_of_the_average_and_the_best_of_them_is_kept(
    mode: str, tiny_data: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **MODES[mode], **AVERAGED)
    run = train(recipe)
    figures = logged(run, "eval_hybrid_ndcg@5")
    evaluator = build.evaluator(recipe, "evaluation", build.usable_rows(recipe, "evaluation")[0])
    for step, figure in figures.items():
        model = SmartModel.from_pretrained(run / f"checkpoint-{step}", device="cpu")
        assert evaluator(model).flat()["eval_hybrid_ndcg@5"] == pytest.approx(figure), step
    best = max(figures, key=lambda step: figures[step])
    assert same(run / "final", run / f"checkpoint-{best}")
    assert metrics(run)["hybrid"]["ndcg@5"] == pytest.approx(figures[best])
    trained = load_file(run / f"checkpoint-{best}" / AVERAGING_NAME)
    assert any(
        not torch.equal(value, trained[name.replace("trained.", "average.", 1)])
        for name, value in trained.items()
        if name.startswith("trained.")
    )
    assert "a moving average, decay 0.5 a step" in (run / "export" / "README.md").read_text()


def test_where_no_best_step_is_kept_a_run_ends_with_the_average_of_its_last(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was cut off after its last step, and so takes none when it is started again."""
    training = {**AVERAGED["training"], "load_best_model_at_end": False}
    sections = {**AVERAGED, "training": training, "export": {"enabled": False}, "evaluation": {"before": False}}
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **MODES["lora"], **sections)
    run = train(recipe)
    assert same(run / "final", run / "checkpoint-6") and not same(run / "final", run / "checkpoint-4")
    assert metrics(run)["hybrid"]["ndcg@5"] == pytest.approx(logged(run, "eval_hybrid_ndcg@5")[6])

    cut = tiny_recipe(tiny_data, tmp_path / "cut", **MODES["lora"], **sections)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(smart_train.run.stages, "_save_trained", interrupted)
        train(cut)
    assert not (tmp_path / "cut" / "final").exists()
    train(cut)
    assert same(tmp_path / "cut" / "final", run / "final")


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_on_a_quantised_base_the_adapter_alone_is_averaged_and_a_run_cut_off_ends_like_the_unbroken_one(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra quantization")
    small = {"model": {"quantization": "4bit"}, "evaluation": {"before": False}, "export": {"enabled": False}}
    sections = {**AVERAGED, **MODES["lora"], **small}
    run = train(tiny_recipe(tiny_data, tmp_path / "run", **sections))
    kept = load_file(run / "checkpoint-4" / AVERAGING_NAME)
    names = {name.partition(".")[2] for name in kept}
    assert len(kept) == 2 * len(names) > 0 and all("lora_" in name for name in names)
    assert all(value.dtype == torch.float32 for name, value in kept.items() if name.startswith("average."))
    assert any(not torch.equal(kept[f"average.{name}"], kept[f"trained.{name}"]) for name in names)

    cut = tiny_recipe(tiny_data, tmp_path / "cut", **sections)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        add = WeightAverage.add
        patch.setattr(WeightAverage, "add", lambda own, step: interrupted() if step == 6 else add(own, step))
        train(cut)
    assert (tmp_path / "cut" / "checkpoint-4").is_dir() and not (tmp_path / "cut" / "checkpoint-6").exists()
    train(cut)
    for step in (4, 6):
        assert same(tmp_path / "cut" / f"checkpoint-{step}", run / f"checkpoint-{step}"), step
    assert same(tmp_path / "cut" / "final", run / "final")
    assert logged(tmp_path / "cut") == pytest.approx(logged(run), abs=1e-6)


def test_an_engine_of_the_launcher_that_shards_weights_is_refused_before_the_run(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **AVERAGED)
    monkeypatch.setattr(build.engines, "active_strategy", lambda args: "fsdp2")
    with pytest.raises(RunError, match="averaging cannot be combined with fsdp2"):
        build.training_arguments(recipe)


def test_the_plan_says_what_an_average_is_of_and_what_it_takes(tiny_data: Path, tmp_path: Path) -> None:
    values = recipe_values(tiny_data, tmp_path / "run", **MODES["lora"])
    recipe = parse_recipe({**values, "averaging": {"decay": 0.9}})
    plan = make_plan(recipe)
    assert plan.lines["averaging"] == "decay 0.9: the weights of about the last 10 steps are measured and exported"
    assert "averaged weights" in plan.lines["memory per process"]
    without = make_plan(parse_recipe(values))
    assert "averaging" not in without.lines and "averaged" not in without.lines["memory per process"]
    model = build.prepare_for_training(build.base_model(recipe), recipe)
    loads = {side: BatchSide(inputs=4, tokens=20, kept=16, patches=16) for side in ("query", "document")}
    average = WeightAverage(model, 0.9)
    average.add(1)
    held = sum(value.nbytes for value in average.average.values())
    assert memory_estimate.estimate(recipe, model, loads, 1)["averaged weights"] == held
