"""A run that is cut off, wherever, ends like the one that is not. Here the cut is an exception in this process;
`test_killed.py` kills real ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerState

import smart_train.export.exporter
import smart_train.run.stages
import smart_train.training.checkpoint_trainer
from smart_train.errors import RunError
from smart_train.evaluation import EvaluationResult
from smart_train.recipe import Recipe
from smart_train.run import train
from smart_train.run.folder import RunFolder, open_finished
from smart_train.training import SmartTrainer, TrainingModule
from smart_train.training.training_log import LOG_NAME, ConsoleLogger, read_log
from smart_train.utils.manifest import write_manifest
from tests.damage import flip, zero
from tests.runs import MODES, SCORES, logged, metrics, tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots", "without_peers")

# Eight steps, six to an epoch: the run crosses an epoch and ends within one. Logs span three steps, checkpoints two.
TRAINING = {"max_steps": 8, "logging_steps": 3, "save_total_limit": None}
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {"training": TRAINING, "objective": {"learn_temperature": True}},
    "lora, accumulated, with a loader beside": {
        **MODES["lora"],
        "training": {**TRAINING, "gradient_accumulation_steps": 2, "dataloader_num_workers": 1},
    },
    "lora, averaged": {**MODES["lora"], "training": TRAINING, "averaging": {"decay": 0.5}},
    "projection, by epochs": {
        **MODES["projection"],
        "training": {"max_steps": -1, "num_train_epochs": 2, "eval_strategy": "epoch", "eval_steps": None},
    },
}


class Killed(BaseException):
    """Not an Exception: nothing on the way may catch it."""


def always(*_: Any, **__: Any) -> bool:
    return True


@contextmanager
def killed(
    owner: Any, name: str, when: Callable[..., bool] = lambda *_, **__: True, *, after: bool = False
) -> Iterator[None]:
    """Cuts the run off at the first call of `owner.name` that `when` accepts, before or after its work."""
    original = getattr(owner, name)

    def cut(*args: Any, **kwargs: Any) -> Any:
        if after:
            result = original(*args, **kwargs)
        if when(*args, **kwargs):
            raise Killed
        return result if after else original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, name, cut)
        yield


def at_step(step: int) -> tuple[Any, str, Callable[..., bool]]:
    def reached(callback: Any, args: Any, state: TrainerState, control: Any, **_: Any) -> bool:
        return state.global_step == step

    return ConsoleLogger, "on_step_end", reached


def state_is(state: str) -> Callable[..., bool]:
    return lambda folder, new: new == state


def named(part: str) -> Callable[..., bool]:
    return lambda *args: any(part in Path(path).name for path in args if isinstance(path, (str, Path)))


# In the order in which a run comes by.
MOMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "the folder is made, not marked": ((smart_train.run.folder, "write_json", named("run.json")), {}),
    "the folder is marked, the recipe not written": ((smart_train.run.folder, "write_text", named("recipe.yaml")), {}),
    "the base is half written": (
        (smart_train.run.stages.build.SmartModel, "save_pretrained", named("base")),
        {"after": True},
    ),
    "the base is written": ((RunFolder, "write_whole", named("base")), {"after": True}),
    "the first evaluation is done, not kept": ((EvaluationResult, "save", named("before")), {}),
    "the first evaluation is kept": ((EvaluationResult, "save", named("before")), {"after": True}),
    "before the first checkpoint": (at_step(1), {}),
    "a checkpoint is half written": ((smart_train.training.checkpoint_trainer, "write_manifest"), {}),
    "a checkpoint is written, old ones not deleted": (
        (smart_train.training.checkpoint_trainer, "rotate_checkpoints"),
        {},
    ),
    "a step after a checkpoint": (at_step(7), {}),
    "training has ended, the best is not loaded": ((SmartTrainer, "_load_best_model"), {}),
    "the trained model is half written": ((TrainingModule, "save", named("final")), {"after": True}),
    "the trained model is written, not noted": ((RunFolder, "advance", state_is("trained")), {}),
    "the best step's evaluation is found, not kept as the last": ((EvaluationResult, "save", named("after")), {}),
    "the last evaluation is kept": ((EvaluationResult, "save", named("after")), {"after": True}),
    "the report is written": ((smart_train.run.stages, "save_report"), {"after": True}),
    "the plots are drawn": ((smart_train.run.stages, "plot_run"), {"after": True}),
    "the export is half written": ((smart_train.export.exporter, "write_record"), {}),
    "the export is written, not noted": ((RunFolder, "advance", state_is("exported")), {}),
    "the run is done, not noted": ((RunFolder, "advance", state_is("finished")), {}),
}


FIRST_OF_THE_LAST = list(MOMENTS).index("the best step's evaluation is found, not kept as the last")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {name: value for path in (run / "final").glob("*.safetensors") for name, value in load_file(path).items()}


def assert_same_run(found: Path, expected: Path) -> None:
    assert json.loads((found / "run.json").read_text())["state"] == "finished"
    for key in ("loss", "loss_late", "learning_rate", "grad_norm", "candidates", "eval_hybrid_ndcg@5"):
        assert logged(found, key) == pytest.approx(logged(expected, key), abs=1e-6), key
    steps = [record["step"] for record in read_log(found / LOG_NAME) if "loss" in record]
    assert steps == sorted(set(steps)), "no step stands twice in the log"
    for when in ("before", "after"):
        for score in SCORES:
            assert metrics(found, when)[score] == pytest.approx(metrics(expected, when)[score], abs=1e-6), (when, score)
    own, other = weights(found), weights(expected)
    assert own.keys() == other.keys() and own
    for name, value in other.items():
        torch.testing.assert_close(own[name], value, rtol=0, atol=1e-6, msg=name)


@pytest.fixture(scope="module", params=VARIANTS)
def unbroken(request: pytest.FixtureRequest, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / request.param.replace(" ", "_")
    return train(tiny_recipe(tiny_data, folder, **VARIANTS[request.param]))


def test_a_run_cut_off_at_every_turn_ends_like_the_unbroken_one(
    unbroken: Path, request: pytest.FixtureRequest, tiny_data: Path, tmp_path: Path
) -> None:
    variant = request.node.callspec.params["unbroken"]
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **VARIANTS[variant])
    (tmp_path / "run").mkdir()
    for leftover in (".write-test", "run.json.tmp"):  # of a kill within the first writes
        (tmp_path / "run" / leftover).write_text("")
    # What comes after training is the same for all ways of training.
    moments = list(MOMENTS.items())[: None if variant == "full" else FIRST_OF_THE_LAST]
    for moment, (where, options) in moments:
        try:
            with killed(*where, **options):
                train(recipe)
        except BaseException as error:
            raise AssertionError(f"cut off where {moment!r}, and started again before that: {error!r}") from error
    train(recipe)
    assert_same_run(tmp_path / "run", unbroken)


@pytest.fixture(scope="module")
def full_run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An unbroken run, and one that was cut off when its training had ended: checkpoints 2, 4, 6 and 8 are there."""
    folder = tmp_path_factory.mktemp("runs")
    expected = train(tiny_recipe(tiny_data, folder / "unbroken", **VARIANTS["full"]))
    with killed(SmartTrainer, "_load_best_model"):
        train(tiny_recipe(tiny_data, folder / "cut", **VARIANTS["full"]))
    assert sorted(path.name for path in (folder / "cut").glob("checkpoint-*")) == [
        f"checkpoint-{step}" for step in (2, 4, 6, 8)
    ]
    return expected, folder / "cut"


@pytest.fixture
def cut_run(full_run: tuple[Path, Path], tiny_data: Path, tmp_path: Path) -> tuple[Recipe, Path, Path]:
    """Recipe and folder of a run that was cut off, moved since to another place; and the unbroken one."""
    expected, cut = full_run
    moved = shutil.copytree(cut, tmp_path / "moved")
    return tiny_recipe(tiny_data, moved, **VARIANTS["full"]), moved, expected


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_a_run_that_had_ended_takes_no_further_step(cut_run: tuple[Recipe, Path, Path], capsys: Any) -> None:
    recipe, run, expected = cut_run
    train(recipe)
    printed = capsys.readouterr().out
    assert f"Resuming from {run / 'checkpoint-8'}" in printed and "step 9/" not in printed and "step 8/" not in printed
    assert_same_run(run, expected)


def test_a_checkpoint_cut_off_is_passed_over_and_said_to_be(cut_run: tuple[Recipe, Path, Path], capsys: Any) -> None:
    recipe, run, expected = cut_run
    (run / "checkpoint-8" / "manifest.json").unlink()
    truncate(run / "checkpoint-6" / "optimizer.pt")
    size = (run / "checkpoint-6" / "optimizer.pt").stat().st_size
    train(recipe)
    printed = capsys.readouterr().out
    assert "checkpoint-8 is not usable and is deleted: writing it was interrupted (no manifest)" in printed
    assert f"checkpoint-6 is not usable and is deleted: optimizer.pt has {size} bytes instead of" in printed
    assert f"Resuming from {run / 'checkpoint-4'}" in printed
    assert "step 4/8" not in printed and "step 6/8" in printed and "step 8/8" in printed
    assert_same_run(run, expected)


def test_a_checkpoint_with_a_flipped_bit_is_passed_over(cut_run: tuple[Recipe, Path, Path], capsys: Any) -> None:
    recipe, run, expected = cut_run
    flip(run / "checkpoint-8" / "optimizer.pt", 8 * 500)
    flip(run / "checkpoint-6" / "model.safetensors", -1)
    train(recipe)
    printed = capsys.readouterr().out
    for step, name in ((8, "optimizer.pt"), (6, "model.safetensors")):
        assert f"checkpoint-{step} is not usable and is deleted: {name} is damaged: its content is not" in printed
    assert f"Resuming from {run / 'checkpoint-4'}" in printed
    assert_same_run(run, expected)


def test_a_state_of_other_shapes_names_its_checkpoint(cut_run: tuple[Recipe, Path, Path]) -> None:
    """Whole by its manifest, as the state of another optimiser is."""
    recipe, run, _ = cut_run
    shutil.rmtree(run / "checkpoint-8")
    for content in ({"state": {}, "param_groups": []}, None):
        torch.save(content, run / "checkpoint-6" / "optimizer.pt")
        write_manifest(run / "checkpoint-6")
        told = r"checkpoint-6: its state cannot be loaded \(.*\); delete this folder, and the same command continues"
        with pytest.raises(RunError, match=told):
            train(recipe)


def test_what_a_power_cut_took_is_made_again(tiny_data: Path, tmp_path: Path, full_run: Any, capsys: Any) -> None:
    """Zeros where the trained model, an evaluation and the record were, with everything noted as done."""
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **VARIANTS["full"])
    with killed(RunFolder, "advance", state_is("exported")):
        train(recipe)
    run = tmp_path / "run"
    for name in ("final/model.safetensors", "evaluation.before.json", "run.json"):
        zero(run / name)
    with pytest.raises(RunError, match="final: model.safetensors is damaged"):
        open_finished(run)
    capsys.readouterr()
    train(recipe)
    printed = capsys.readouterr().out
    assert (
        f"{run / 'final'}: model.safetensors is damaged: its content is not what was written (SHA-256). The" in printed
    )
    assert "evaluation.before.json: is not JSON" in printed and "it is made again" in printed
    assert f"Resuming from {run / 'checkpoint-8'}" in printed and "step 8/8" not in printed
    assert_same_run(run, full_run[0])


def test_drawn_weights_that_are_damaged_are_not_drawn_anew(cut_run: tuple[Recipe, Path, Path]) -> None:
    recipe, run, _ = cut_run
    flip(run / "base" / "model.safetensors", -1)
    with pytest.raises(RunError, match="base: model.safetensors is damaged: .*the training depends on them"):
        train(recipe)


def test_with_no_whole_checkpoint_training_starts_over_and_says_so(
    cut_run: tuple[Recipe, Path, Path], capsys: Any
) -> None:
    recipe, run, expected = cut_run
    for step in (2, 4, 6, 8):
        (run / f"checkpoint-{step}" / "manifest.json").write_text("{")
    train(recipe)
    printed = capsys.readouterr().out
    assert "its manifest is unreadable" in printed
    assert "No complete checkpoint is left: training starts from the beginning" in printed and "Resuming" not in printed
    assert_same_run(run, expected)


def test_a_checkpoint_whose_best_is_broken_is_passed_over(cut_run: tuple[Recipe, Path, Path], capsys: Any) -> None:
    recipe, run, expected = cut_run
    state = run / "checkpoint-8" / "trainer_state.json"
    best = json.loads(state.read_text())["best_model_checkpoint"]
    state.write_text(state.read_text().replace(best, best[:-1] + "4"))
    write_manifest(state.parent)
    truncate(run / "checkpoint-4" / "model.safetensors")
    train(recipe)
    printed = capsys.readouterr().out
    assert (
        "checkpoint-8 is not usable and is deleted: the best checkpoint before it, checkpoint-4, cannot be used"
        in printed
    )
    assert_same_run(run, expected)


def test_checkpoints_without_an_optimiser_are_not_resumed_from(
    tiny_data: Path, full_run: tuple[Path, Path], tmp_path: Path, capsys: Any
) -> None:
    variant = {**VARIANTS["full"], "training": {**TRAINING, "save_only_model": True}}
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **variant)
    with killed(*at_step(5)):
        train(recipe)
    train(recipe)
    told = "checkpoint-4 is not usable and is deleted: it holds only weights (training.save_only_model)"
    assert told in capsys.readouterr().out
    assert_same_run(tmp_path / "run", full_run[0])


@pytest.mark.parametrize("moment", [at_step(5), (SmartTrainer, "_load_best_model")], ids=["waiting", "stopped"])
def test_early_stopping_counts_on(tiny_data: Path, tmp_path: Path, moment: tuple) -> None:
    recipe = tiny_recipe(
        tiny_data,
        tmp_path / "run",
        training={"learning_rate": 1e-12, "max_steps": 20},
        evaluation={"before": False, "after": False, "early_stopping_patience": 2},
        export={"enabled": False},
    )
    with killed(*moment):
        train(recipe)
    assert max(logged(train(recipe))) == 6


def test_an_overwritten_run_is_gone_even_when_that_is_cut_off(tiny_data: Path, tmp_path: Path, capsys: Any) -> None:
    short = {
        "training": {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no"},
        "evaluation": {"before": False, "after": False},
        "export": {"enabled": False},
    }
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **short)
    train(recipe)
    with killed(shutil, "rmtree", named("base")):
        train(recipe, overwrite=True)
    assert (tmp_path / "run" / "base").is_dir()
    capsys.readouterr()
    train(recipe)  # as the user would: the run that was to begin anew, not the one that was to go
    assert "is already finished" not in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "finished"
