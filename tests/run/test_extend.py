"""A run that has ended is made longer: it goes on from its last checkpoint, and what it had stays until the new is
whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from smart_train.errors import RunError
from smart_train.recipe import Recipe
from smart_train.run import train
from smart_train.run.folder import RunFolder
from smart_train.utils.hashing import sha256
from tests.damage import flip
from tests.run.test_resume import assert_same_run, at_step, killed, state_is
from tests.runs import MODES, logged, tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots", "without_peers")

SHORT, LONG = 4, 8


def recipe(data: Path, run: Path, steps: int, /, **sections: Any) -> Recipe:
    """Constant, so that a run made longer is the run that was long from the start."""
    training = {"max_steps": steps, "lr_scheduler_type": "constant", "warmup_steps": 0, "save_total_limit": 2}
    sections["training"] = training | sections.get("training", {})
    return tiny_recipe(data, run, **sections)


def quick(data: Path, run: Path, steps: int, /, **sections: Any) -> Recipe:
    """Without evaluations and export."""
    still = {"eval_strategy": "no", "save_strategy": "steps", "save_steps": 2, "load_best_model_at_end": False}
    sections["training"] = still | sections.get("training", {})
    nothing = {"evaluation": {"before": False, "after": False, "during": False}, "export": {"enabled": False}}
    return recipe(data, run, steps, **{**nothing, **MODES["lora"], **sections})


@pytest.fixture(scope="module")
def ended(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe(tiny_data, tmp_path_factory.mktemp("ended") / "run", SHORT))


@pytest.fixture(scope="module")
def quick_run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    linear = {"lr_scheduler_type": "linear"}
    return train(quick(tiny_data, tmp_path_factory.mktemp("quick") / "run", SHORT, training=linear))


def copied(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


def results(run: Path) -> dict[str, str]:
    """Digests of what others read of a run that has ended."""
    files = ("final/model.safetensors", "export/model.safetensors", "evaluation.after.json")
    return {name: sha256(run / name) for name in files}


@pytest.mark.slow
def test_a_run_made_longer_ends_like_one_that_was_long_from_the_start(
    ended: Path, tiny_data: Path, tmp_path: Path, capsys: Any
) -> None:
    """... wherever it is cut off on the way; and until the new result is whole, the old one stays."""
    run, unbroken = copied(ended, tmp_path), train(recipe(tiny_data, tmp_path / "unbroken", LONG))
    old = results(run)
    for moment in (at_step(6), (RunFolder, "write_whole", lambda _, target, *__, **___: target.name == "final")):
        with killed(*moment):
            train(recipe(tiny_data, run, LONG))
        assert results(run) == old and json.loads((run / "run.json").read_text())["state"] == "training"
        printed = capsys.readouterr().out
        if moment == at_step(6):
            told = "had ended at step 4. training.max_steps 8 makes it 8 steps: training goes on from checkpoint-4"
            assert told in printed and "The learning rate stays 1.00e-03 (constant)" in printed
    with killed(RunFolder, "advance", state_is("trained")):
        train(recipe(tiny_data, run, LONG))
    export = run / "export" / "model.safetensors"
    assert sha256(export) == old["export/model.safetensors"] and not (run / "evaluation.after.json").exists()
    train(recipe(tiny_data, run, LONG))
    assert_same_run(run, unbroken)
    assert all(digest != old[name] for name, digest in results(run).items())
    assert json.loads((run / "run.json").read_text())["extended"] == [{"step": 4, "steps": 8}]
    assert "8 steps, made longer after step 4" in (run / "export" / "README.md").read_text()
    capsys.readouterr()
    train(recipe(tiny_data, run, LONG))
    assert "is already finished" in capsys.readouterr().out


def test_an_average_goes_on_over_all_steps(tiny_data: Path, tmp_path: Path) -> None:
    averaged = {"averaging": {"decay": 0.5}}
    run, unbroken = tmp_path / "run", train(quick(tiny_data, tmp_path / "unbroken", LONG, **averaged))
    train(quick(tiny_data, run, SHORT, **averaged))
    train(quick(tiny_data, run, LONG, **averaged))
    for name in ("final", f"checkpoint-{LONG}"):
        assert sha256(run / name / "adapter_model.safetensors") == sha256(unbroken / name / "adapter_model.safetensors")


def test_the_rate_of_a_longer_schedule_is_told_and_taken(
    quick_run: Path, tiny_data: Path, tmp_path: Path, capsys: Any
) -> None:
    run = copied(quick_run, tmp_path)
    capsys.readouterr()
    train(quick(tiny_data, run, LONG, training={"lr_scheduler_type": "linear"}))
    told = "schedule (linear) is now spread over 8 steps: it had come to 0.00e+00, and step 5 takes 5.00e-04"
    assert told in capsys.readouterr().out
    rates = [1e-3 * (1 - step / SHORT) for step in range(SHORT)] + [1e-3 * (1 - step / LONG) for step in range(4, LONG)]
    assert logged(run, "learning_rate") == pytest.approx(dict(enumerate(rates, start=1)))


def test_epochs_are_raised_and_a_longer_warm_up_is_told(tiny_data: Path, tmp_path: Path, capsys: Any) -> None:
    def by_epochs(epochs: float) -> Recipe:
        training = {"num_train_epochs": epochs, "lr_scheduler_type": "cosine", "warmup_steps": 0.9}
        return quick(tiny_data, tmp_path / "run", -1, training=training)

    train(by_epochs(0.5))
    capsys.readouterr()
    train(by_epochs(1))
    printed = capsys.readouterr().out
    assert "had ended at step 3. training.num_train_epochs 1 makes it 6 steps" in printed
    assert "step 4 takes 5.00e-04, still within the warm-up, which is 6 steps long now" in printed
    assert max(logged(tmp_path / "run")) == 6


def test_a_run_is_not_made_shorter(quick_run: Path, tiny_data: Path, tmp_path: Path) -> None:
    run = copied(quick_run, tmp_path)
    before = sorted(path.name for path in run.rglob("*"))
    linear = {"lr_scheduler_type": "linear"}
    with pytest.raises(RunError, match=r"training\.max_steps: 3; the run in .*run was trained with 4, and a run that"):
        train(quick(tiny_data, run, 3, training=linear))
    told = r"training\.num_train_epochs: 0.5; comes to 3 steps, and the run in .* was trained for 4; .* not shorter"
    with pytest.raises(RunError, match=told):
        train(quick(tiny_data, run, -1, training={**linear, "num_train_epochs": 0.5}))
    assert sorted(path.name for path in run.rglob("*")) == before


def test_damage_to_the_model_of_a_run_that_has_ended_is_told(
    quick_run: Path, tiny_data: Path, tmp_path: Path, capsys: Any
) -> None:
    run = copied(quick_run, tmp_path)
    made = quick(tiny_data, run, SHORT, training={"lr_scheduler_type": "linear"})
    train(made)
    assert "damaged" not in capsys.readouterr().out
    flip(run / "final" / "adapter_model.safetensors", 5000)
    train(made)
    told = f"{run / 'final'}: adapter_model.safetensors is damaged: its content is not what was written (SHA-256); put"
    assert told in capsys.readouterr().out
    shutil.rmtree(run / "final")
    train(made)  # a run that has ended need not have one
    assert "damaged" not in capsys.readouterr().out


def test_without_its_last_checkpoint_a_run_names_what_to_do_instead(
    quick_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    run = copied(quick_run, tmp_path)
    longer = quick(tiny_data, run, LONG, training={"lr_scheduler_type": "linear"})
    for there in ("the newest is checkpoint-2", "there is none"):
        shutil.rmtree(max(run.glob("checkpoint-*")))
        with pytest.raises(RunError) as caught:
            train(longer)
        told = f"its training ended at step 4, and it can be made longer only from a checkpoint of that step ({there})"
        assert told in str(caught.value)
        assert f"begin another run with lora.init_from: {run}" in str(caught.value)


def test_a_run_that_stopped_early_is_not_made_longer(tiny_data: Path, tmp_path: Path) -> None:
    def patient(steps: int) -> Recipe:
        evaluation = {"before": False, "after": False, "early_stopping_patience": 2}
        return recipe(
            tiny_data, tmp_path / "run", steps,
            training={"learning_rate": 1e-12}, evaluation=evaluation, export={"enabled": False},
        )  # fmt: skip

    train(patient(20))
    with pytest.raises(RunError, match=r"early, at step 6 of 20 \(evaluation.early_stopping_patience 2\).*final"):
        train(patient(30))


def test_a_run_that_has_not_ended_or_differs_otherwise_is_not_made_longer(
    quick_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    run = copied(quick_run, tmp_path)
    with pytest.raises(RunError, match="holds the run of another recipe") as caught:
        train(quick(tiny_data, run, LONG, training={"lr_scheduler_type": "linear", "learning_rate": 2e-3}))
    assert "it can be made longer" not in str(caught.value)
    with killed(*at_step(3)):
        train(quick(tiny_data, tmp_path / "cut", SHORT))
    with pytest.raises(RunError, match="once this run has ended, it can be made longer\n  training.max_steps: 4 there"):
        train(quick(tiny_data, tmp_path / "cut", LONG))
