"""A signal to the command in a process of its own, then the same command again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from smart_train.recipe import load_recipe
from smart_train.run import train
from tests.ranks import kill_group, start_command
from tests.runs import MODES, SCORES, logged, metrics, recipe_values

pytestmark = pytest.mark.usefixtures("no_plots", "without_peers")

PATIENCE = 900  # seconds; a machine that does nothing else needs fifteen


def lines_of(log: Path) -> int:
    return log.read_text().count("\n") if log.is_file() else 0


# what is under way when the kill comes -> the function that waits there, and how the run folder shows it
MOMENTS: dict[str, tuple[tuple[str, str] | None, Callable[[Path], bool]]] = {
    "before the first checkpoint": (None, lambda run: lines_of(run / "log.jsonl") >= 1),
    "while a checkpoint is written": (
        ("smart_train.training.checkpoint_trainer", "write_manifest"),
        lambda run: (run / "checkpoint-10" / "trainer_state.json").is_file(),
    ),
    "after training, during the export": (
        ("smart_train.export.exporter", "measure_parity"),
        lambda run: (run / ".export.partial" / "smart_config.json").is_file(),
    ),
}


@pytest.fixture(scope="module")
def unbroken(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    return train(load_recipe(recipe_file(tiny_data, folder)))


def recipe_file(data: Path, folder: Path) -> Path:
    path = folder / "recipe.yaml"
    # Steps enough that a kill at the first line of the log comes before the end.
    training = {"max_steps": 20, "eval_steps": 10, "save_steps": 10, "save_total_limit": 1}
    path.write_text(yaml.safe_dump(recipe_values(data, folder / "run", **MODES["lora"], training=training)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_started_again_ends_like_the_unbroken_one(
    moment: str, unbroken: Path, tiny_data: Path, tmp_path: Path
) -> None:
    recipe, run = recipe_file(tiny_data, tmp_path), tmp_path / "run"
    waits_in, reached = MOMENTS[moment]
    (process,) = start_command(["train", recipe], tmp_path / "output", waits_in=waits_in)
    deadline = time.monotonic() + PATIENCE
    while not reached(run) and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    kill_group(process)
    said = (tmp_path / "output").read_text()
    assert process.exitcode == -signal.SIGKILL, said
    assert "data.train: 24 rows" in said and "step 1/20  loss " in said
    assert "Loading weights" not in said and "Traceback" not in said and "Warning" not in said
    state = json.loads((run / "run.json").read_text())["state"]
    assert state == ("trained" if "export" in moment else "training")
    assert not (run / "export").exists()
    train(load_recipe(recipe))
    assert logged(run) == pytest.approx(logged(unbroken), abs=1e-6)
    for when in ("before", "after"):
        for score in SCORES:
            assert metrics(run, when)[score] == pytest.approx(metrics(unbroken, when)[score], abs=1e-6)
    assert (run / "export" / "model.safetensors").is_file() and not list(run.glob(".*"))


@pytest.mark.slow
def test_a_terminated_run_saves_its_step_and_goes_on_from_it(unbroken: Path, tiny_data: Path, tmp_path: Path) -> None:
    """SIGTERM to the whole group, the loader's worker included, as a scheduler sends it; the command as it is typed."""
    recipe, run = recipe_file(tiny_data, tmp_path), tmp_path / "run"
    command = [sys.executable, "-m", "smart_train", "train", str(recipe), "training.dataloader_num_workers=1"]
    with (tmp_path / "output").open("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while lines_of(run / "log.jsonl") < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGTERM)
        status = process.wait(PATIENCE)
    said = (tmp_path / "output").read_text()
    assert status == 143, said
    step = int(re.search(r"stopped by SIGTERM after step (\d+) of 20; checkpoint-\1 in", said).group(1))
    assert "Traceback" not in said and f"step {step + 1}/20" not in said
    train(load_recipe(recipe))
    assert logged(run) == pytest.approx(logged(unbroken), abs=1e-6)
    assert metrics(run) == {score: pytest.approx(values, abs=1e-6) for score, values in metrics(unbroken).items()}
