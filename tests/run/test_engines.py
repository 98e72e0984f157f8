"""Runs under engines that shard: one process is killed, the others come down with it, the same command goes on, and the
run is that of one process. One is started as `smart-train launch` starts it. For the others the processes that
`tests.ranks` forks are told what a launcher says, which saves the imports of three interpreters at every start.

Two processes add up in another order than one, which changes a loss by up to 1e-6, a weight by 6e-8 and the norm of a
gradient by 2e-6 of it, measured. Five to twenty times that is allowed here; the faults that were tried change a loss by
4e-5 and more (docs/decisions/tests-on-every-processor.md)."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # accelerate's own dependency
import pytest
import torch
import yaml
from safetensors.torch import load_file

from smart_train.cli.launch import plan_launch
from smart_train.recipe import load_recipe
from smart_train.recipe.reader import merge
from smart_train.run import train
from smart_train.utils.manifest import MANIFEST
from tests.near_ties import Ranges, assert_each_within, assert_within, best_of, metric_ranges
from tests.ranks import start_command
from tests.runs import GENTLE, GENTLE_LORA, logged, metrics, recipe_values, skip_without_engine

pytestmark = pytest.mark.usefixtures("no_plots")

ROOT = Path(__file__).parents[2]
PATIENCE = 900  # seconds; a machine that does nothing else needs thirty
STEPS, EVERY = 12, 4
WAYS: dict[str, dict[str, Any]] = {
    "full": {**GENTLE, "export": {"enabled": False}},
    "lora": GENTLE_LORA,  # exports what it trained
}
STRATEGIES = {"zero2": "lora", "zero3": "full", "fsdp2": "full"}
LAUNCHED = "fsdp2"
Alone = Callable[[str], tuple[Path, list[Ranges]]]


def recipe_file(data: Path, folder: Path, batch: int, **sections: Any) -> Path:
    path = folder / f"batch-{batch}.yaml"
    steps = {"per_device_train_batch_size": batch, "max_steps": STEPS, "eval_steps": EVERY, "save_steps": EVERY}
    values = recipe_values(data, folder / f"run-{batch}", **merge(sections, {"training": steps}))
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def of_one_process(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """way -> the run that this process trains alone, once for all tests, and the ranges of its evaluations."""

    @functools.cache
    def trained(way: str) -> tuple[Path, list[Ranges]]:
        recipe = recipe_file(tiny_data, tmp_path_factory.mktemp(way), 8, **WAYS[way])
        with metric_ranges() as evaluations:
            return train(load_recipe(recipe)), evaluations

    return trained


def launched(recipe: Path, output: Path, kill_at: Path) -> None:
    """Trains as `smart-train launch` does; as soon as there is a file `kill_at`, the second process is killed."""
    made = plan_launch(load_recipe(recipe), [str(recipe)], processes=2, gpus=0, cores=2, environment=os.environ)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **made.environment, "PYTHONPATH": os.pathsep.join(paths)}
    with output.open("a") as log:
        # A session of its own, so that one signal reaches the launcher and all processes.
        launcher = subprocess.Popen(made.command, env=environment, stdout=log, stderr=log, start_new_session=True)
    wait_for(kill_at, lambda: launcher.poll() is None)
    for child in psutil.Process(launcher.pid).children():
        if child.environ().get("RANK") == "1":
            child.kill()
    assert launcher.wait(timeout=PATIENCE) == 1, output.read_text()
    assert "exitcode  : -9" in output.read_text(), "the launcher ended the other process, and itself"


def forked(recipe: Path, output: Path, kill_at: Path | None = None) -> None:
    """As `launched`, without a launcher: the first process itself learns that the second is gone. Without `kill_at`
    both go on to the end."""
    first, second = processes = start_command(["train", recipe], output, count=2)
    if kill_at is not None:
        wait_for(kill_at, lambda: first.is_alive() and second.is_alive())
        second.kill()
    for process in processes:
        process.join(PATIENCE)
    ends = [0, 0] if kill_at is None else [2, -signal.SIGKILL]
    assert [process.exitcode for process in processes] == ends, output.read_text()
    if kill_at is not None:
        assert "another process of this run has died, or has not answered" in output.read_text()


def wait_for(file: Path, going_on: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not file.is_file() and going_on() and time.monotonic() < deadline:
        time.sleep(0.002)


@pytest.mark.dist
@pytest.mark.slow
def test_what_two_processes_began_one_ends(of_one_process: Alone, tiny_data: Path, tmp_path: Path) -> None:
    spread = {"strategy": "ddp", "num_processes": 2}
    recipe, output = recipe_file(tiny_data, tmp_path, 4, **WAYS["full"], distributed=spread), tmp_path / "output"
    run = tmp_path / "run-4"
    forked(recipe, output, run / f"checkpoint-{EVERY}" / MANIFEST)
    spread_anew = ["distributed={strategy: none}", "training.per_device_train_batch_size=8"]
    assert train(load_recipe(recipe, spread_anew)) == run
    assert_one_run(run, *of_one_process("full"))


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_killed_and_started_again_it_is_the_run_of_one_process(
    strategy: str, of_one_process: Alone, tiny_data: Path, tmp_path: Path
) -> None:
    skip_without_engine(strategy)
    way = STRATEGIES[strategy]
    spread = {"strategy": strategy, "num_processes": 2}
    recipe, output = recipe_file(tiny_data, tmp_path, 4, **WAYS[way], distributed=spread), tmp_path / "output"
    run = tmp_path / "run-4"
    start = launched if strategy == LAUNCHED else forked
    start(recipe, output, run / f"checkpoint-{EVERY}" / MANIFEST)
    assert json.loads((run / "run.json").read_text())["state"] == "training"
    forked(recipe, output)
    assert "Resuming from" in output.read_text()
    alone, evaluations = of_one_process(way)
    assert_one_run(run, alone, evaluations)
    if way == "lora":
        # Merged: what differs in one factor of a product is multiplied by the other.
        assert_same_weights(run / "export", alone / "export", within=5e-6)


def assert_one_run(run: Path, alone: Path, evaluations: list[Ranges]) -> None:
    """Log, evaluations and weights of `run` are those of `alone`."""
    assert list(logged(run)) == list(range(1, STEPS + 1))
    for key in ("loss", "loss_late", "loss_pooled", "learning_rate", "temperature_late"):
        assert logged(run, key) == pytest.approx(logged(alone, key), abs=5e-6), key
    assert logged(run, "grad_norm") == pytest.approx(logged(alone, "grad_norm"), rel=5e-5)
    assert set(logged(run, "candidates").values()) == {8.0}
    before, *during = evaluations
    best = best_of(during, "hybrid", "ndcg@5")
    assert_within(metrics(run, "before"), before)
    assert_within(metrics(run, "after"), during[best])
    assert_each_within(logged(run, "eval_hybrid_ndcg@5"), during)
    assert (best + 1) * EVERY < STEPS, "the best is not the last, so it was read back"
    assert_same_weights(run / "final", alone / "final")


def assert_same_weights(found: Path, expected: Path, within: float = 1e-6) -> None:
    files = sorted(path.name for path in expected.glob("*.safetensors"))
    assert files and files == sorted(path.name for path in found.glob("*.safetensors"))
    for name in files:
        own, other = load_file(found / name), load_file(expected / name)
        assert own.keys() == other.keys()
        for key, value in other.items():
            torch.testing.assert_close(own[key], value, rtol=0, atol=within, msg=lambda text, at=key: f"{at}: {text}")
