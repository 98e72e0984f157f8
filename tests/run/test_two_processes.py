"""Two real processes, started as `smart-train launch` starts them, are one run: its losses, its files, its refusals."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from smart_train.cli.launch import plan_launch
from smart_train.recipe import load_recipe
from smart_train.recipe.reader import merge
from smart_train.run import train
from tests.near_ties import assert_each_within, assert_within, best_of, metric_ranges
from tests.runs import GENTLE_LORA, logged, metrics, recipe_values

pytestmark = pytest.mark.usefixtures("no_plots")

ROOT = Path(__file__).parents[2]
# Without dropout: two processes draw other masks than one does.
# At the usual rate two checkpoints are equally good, and a last bit would choose the best.
SECTIONS = merge(GENTLE_LORA, {"training": {"learning_rate": 0.3}, "export": {"enabled": False}})
# What every process does: two runs that are refused, one that is cut off after its fifth step, and its second start.
DRIVER = """
import atexit, json, sys
from pathlib import Path
from torch import distributed as dist
from smart_train.distributed import barrier, rank
from smart_train.errors import SmartTrainError
from smart_train.recipe import load_recipe
from smart_train.run import train
from smart_train.training.training_log import FlushAtCheckpoints

recipe, folder = Path(sys.argv[1]), Path(sys.argv[2])
told = []

def report():
    (folder / f"rank{number}.json").write_text(json.dumps([*told, dist.is_initialized()]))

atexit.register(report)  # before the package registers anything, so run after it
for change in ("distributed.num_processes=3", "data.train.path=nowhere.jsonl"):
    try:
        train(load_recipe(recipe, [change]))
    except SmartTrainError as error:
        told.append(str(error))

class Cut(Exception):
    pass

def cut(callback, args, state, control, **_):
    if state.global_step == 5:
        raise Cut
    return on_step_end(callback, args, state, control)

on_step_end, FlushAtCheckpoints.on_step_end = FlushAtCheckpoints.on_step_end, cut
try:
    train(load_recipe(recipe))
except Cut:
    told.append("cut off")
FlushAtCheckpoints.on_step_end = on_step_end
barrier()
number = rank()
train(load_recipe(recipe))
"""


def recipe_file(data: Path, folder: Path, batch: int, **sections: Any) -> Path:
    path = folder / f"batch-{batch}.yaml"
    size = {"training": {"per_device_train_batch_size": batch}}
    values = recipe_values(data, folder / f"run-{batch}", **merge(SECTIONS, size), **sections)
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def together(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder with what two processes did, four rows each at a time, and all they printed."""
    folder = tmp_path_factory.mktemp("together")
    recipe = recipe_file(tiny_data, folder, 4, distributed={"strategy": "ddp", "num_processes": 2})
    (folder / "driver.py").write_text(DRIVER)
    made = plan_launch(load_recipe(recipe), [], processes=2, gpus=0, cores=2, environment=os.environ)
    command = [*made.command[: made.command.index("-m")], folder / "driver.py", recipe, folder]
    environment = {**os.environ, **made.environment, "PYTHONPATH": os.pathsep.join([str(ROOT), *_python_path()])}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def _python_path() -> list[str]:
    return [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


@pytest.mark.dist
@pytest.mark.slow
def test_two_processes_are_one_run(together: tuple[Path, str], tiny_data: Path, tmp_path: Path) -> None:
    folder, printed = together
    with metric_ranges() as evaluations:
        alone = train(load_recipe(recipe_file(tiny_data, tmp_path, 8)))
    run = folder / "run-4"
    assert list(logged(run)) == [1, 2, 3, 4, 5, 6]
    # By how much rounding lets them differ, and why so little: `tests.runs.GENTLE`.
    for key in ("loss", "loss_late", "loss_pooled", "temperature_late"):
        assert logged(run, key) == pytest.approx(logged(alone, key), abs=5e-6), key
    assert logged(run, "grad_norm") == pytest.approx(logged(alone, "grad_norm"), rel=5e-5)
    assert set(logged(run, "candidates").values()) == {8.0}, "half of them lie on the other process"
    before, *during = evaluations
    assert_within(metrics(run, "before"), before)
    assert_within(metrics(run, "after"), during[best_of(during, "hybrid", "ndcg@5")])
    assert_each_within(logged(run, "eval_hybrid_ndcg@5"), during)
    expected = load_file(alone / "final" / "adapter_model.safetensors")
    for name, value in load_file(run / "final" / "adapter_model.safetensors").items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6)
    # Only the main process prints; what was said before the run was cut off is not said again.
    assert printed.count("Evaluating before training") == 1 and printed.count("step 3/6  loss") == 1
    assert "Resuming from " in printed and printed.count("step 5/6  loss") == 1
    assert {path.name for path in (run / "checkpoint-6").glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}


@pytest.mark.dist
@pytest.mark.slow
def test_both_processes_learn_of_a_refusal(together: tuple[Path, str]) -> None:
    for rank in range(2):
        world, data, end, joined = json.loads((together[0] / f"rank{rank}.json").read_text())
        assert world.startswith("distributed.num_processes is 3, but 2 process(es) run")
        assert data.startswith("data.train: nowhere.jsonl: no such file")
        assert end == "cut off"
        assert not joined, "a process that ends within its process group sometimes aborts"
