"""Runs under engines that shard, started as `smart-train launch` starts them: one process is killed, the others come
down with it, the same command goes on, and the run is that of one process."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil  # accelerate's own dependency
import pytest
import torch
import yaml
from safetensors.torch import load_file

from smart_train.cli.launch import plan_launch
from smart_train.recipe import load_recipe
from smart_train.run import train
from smart_train.training.checkpoints import MANIFEST
from tests.runs import SCORES, logged, metrics, recipe_values, skip_without_engine

ROOT = Path(__file__).parents[1]
PATIENCE = 400  # seconds; a machine that does nothing else needs thirty
STEPS, EVERY = 12, 4
WAYS: dict[str, dict[str, Any]] = {
    "zero2": {"full": None, "lora": {"r": 4, "alpha": 8, "dropout": 0.0}},
    "zero3": {},
    "fsdp2": {},
}


def recipe_file(data: Path, folder: Path, batch: int, **sections: Any) -> Path:
    path = folder / f"batch-{batch}.yaml"
    training = {
        "per_device_train_batch_size": batch,
        "learning_rate": 3e-3,
        "max_steps": STEPS,
        "eval_steps": EVERY,
        "save_steps": EVERY,
    }
    values = recipe_values(
        data, folder / f"run-{batch}", training=training, objective={"learn_temperature": True}, **sections
    )
    path.write_text(yaml.safe_dump(values))
    return path


def start(recipe: Path, output: Path) -> subprocess.Popen:
    made = plan_launch(load_recipe(recipe), [str(recipe)], processes=2, gpus=0, cores=2, environment=os.environ)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **made.environment, "PYTHONPATH": os.pathsep.join(paths)}
    with output.open("a") as log:
        # A session of its own, so that one signal reaches the launcher and all processes.
        return subprocess.Popen(made.command, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill_a_rank(launcher: subprocess.Popen, when: Path) -> None:
    """SIGKILL to the second process as soon as there is a file `when`."""
    deadline = time.monotonic() + PATIENCE
    while not when.is_file() and launcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    for child in psutil.Process(launcher.pid).children():
        if child.environ().get("RANK") == "1":
            child.kill()


@pytest.mark.dist
@pytest.mark.slow
def test_what_two_processes_began_one_ends(tiny_data: Path, tmp_path: Path) -> None:
    spread = {"strategy": "ddp", "num_processes": 2}
    recipe, output = (
        recipe_file(tiny_data, tmp_path, 4, export={"enabled": False}, distributed=spread),
        tmp_path / "out",
    )
    run = tmp_path / "run-4"
    launcher = start(recipe, output)
    kill_a_rank(launcher, run / f"checkpoint-{EVERY}" / MANIFEST)
    assert launcher.wait(timeout=PATIENCE) == 1, output.read_text()
    spread_anew = ["distributed={strategy: none}", "training.per_device_train_batch_size=8"]
    assert train(load_recipe(recipe, spread_anew)) == run
    alone = train(load_recipe(recipe_file(tiny_data, tmp_path, 8, export={"enabled": False})))
    for key in ("loss", "candidates", "learning_rate"):
        assert logged(run, key) == pytest.approx(logged(alone, key), abs=1e-5), key
    assert_same_weights(run / "final", alone / "final")


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("strategy", WAYS)
def test_killed_and_started_again_it_is_the_run_of_one_process(strategy: str, tiny_data: Path, tmp_path: Path) -> None:
    skip_without_engine(strategy)
    way = {**WAYS[strategy], "export": {"enabled": strategy == "zero2"}}
    spread = {"strategy": strategy, "num_processes": 2}
    recipe, output = recipe_file(tiny_data, tmp_path, 4, **way, distributed=spread), tmp_path / "output"
    run = tmp_path / "run-4"
    launcher = start(recipe, output)
    kill_a_rank(launcher, run / f"checkpoint-{EVERY}" / MANIFEST)
    assert launcher.wait(timeout=PATIENCE) == 1, "the launcher ended the other process, and itself"
    assert "exitcode  : -9" in output.read_text()
    assert json.loads((run / "run.json").read_text())["state"] == "training"
    again = start(recipe, output)
    assert again.wait(timeout=PATIENCE) == 0, output.read_text()
    assert "Resuming from" in output.read_text()
    alone = train(load_recipe(recipe_file(tiny_data, tmp_path, 8, **way)))
    assert list(logged(run)) == list(range(1, STEPS + 1))
    for key in ("loss", "loss_late", "loss_pooled", "temperature_late", "eval_hybrid_ndcg@5"):
        assert logged(run, key) == pytest.approx(logged(alone, key), abs=1e-5), key
    assert logged(run, "grad_norm") == pytest.approx(logged(alone, "grad_norm"), rel=1e-3)
    assert set(logged(run, "candidates").values()) == {8.0}
    for when in ("before", "after"):
        for score in SCORES:
            assert metrics(run, when)[score] == pytest.approx(metrics(alone, when)[score], abs=1e-5)
    assert_same_weights(run / "final", alone / "final")
    if strategy == "zero2":
        assert_same_weights(run / "export", alone / "export")


def assert_same_weights(found: Path, expected: Path) -> None:
    files = sorted(path.name for path in expected.glob("*.safetensors"))
    assert files and files == sorted(path.name for path in found.glob("*.safetensors"))
    for name in files:
        own, other = load_file(found / name), load_file(expected / name)
        assert own.keys() == other.keys()
        for key, value in other.items():
            torch.testing.assert_close(own[key], value, rtol=0, atol=1e-4, msg=lambda text, at=key: f"{at}: {text}")
