"""A finished run under an engine that shards, made longer: it is the run of one process that was made longer. What it
trains are LoRA, a token that the base does not have, and a whole module, so that these cross ranks too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from smart_train.recipe import load_recipe
from smart_train.recipe.reader import merge
from smart_train.run import train
from tests.models.conftest import make_model
from tests.ranks import start_command
from tests.runs import GENTLE_LORA, logged, recipe_values, skip_without_engine

PATIENCE = 400  # seconds; a machine that does nothing else needs twenty
SHORT, LONG = 2, 4
NEW = "<page>"
SECTIONS: dict[str, Any] = {
    "lora": {"modules_to_save": ["language_model.norm"], "trained_tokens": [NEW]},
    "evaluation": {"before": False, "after": False, "during": False},
    "export": {"enabled": False},
    "training": {"lr_scheduler_type": "linear", "warmup_steps": 0, "eval_strategy": "no", "save_strategy": "steps"},
}


@pytest.fixture(scope="module")
def recipe_file(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("spread")
    overrides = recipe_values(folder, folder)["model"]["from_config"]["overrides"]
    make_model(overrides=overrides).save_pretrained(folder / "base")

    def write(name: str, batch: int, **sections: Any) -> Path:
        values = recipe_values(tiny_data, folder / name, **merge(merge(GENTLE_LORA, SECTIONS), sections))
        values["model"] = {"name_or_path": str(folder / "base"), "document_instruction": f"{NEW} Represent the page."}
        values["training"] |= {"per_device_train_batch_size": batch, "max_steps": LONG, "save_steps": SHORT}
        del values["full"]
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture(scope="module")
def alone(recipe_file: Callable[..., Path]) -> Path:
    for steps in (SHORT, LONG):
        run = train(load_recipe(recipe_file("alone", 8), [f"training.max_steps={steps}"]))
    return run


def weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "final" / "adapter_model.safetensors")


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["zero3", "fsdp2"])
def test_made_longer_it_is_the_run_of_one_process_made_longer(
    strategy: str, alone: Path, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    skip_without_engine(strategy)
    recipe = recipe_file(strategy, 4, distributed={"strategy": strategy, "num_processes": 2})
    for steps in (SHORT, LONG):
        output = tmp_path / f"output-{steps}"
        processes = start_command(["train", recipe, f"training.max_steps={steps}"], output, count=2)
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0, 0], output.read_text()
    told = f"had ended at step {SHORT}. training.max_steps {LONG} makes it {LONG} steps: training goes on from"
    assert told in output.read_text()
    run = recipe.with_suffix("")
    assert json.loads((run / "run.json").read_text())["extended"] == [{"step": SHORT, "steps": LONG}]
    assert list(logged(run)) == list(range(1, LONG + 1))
    for key in ("loss", "learning_rate", "temperature_late"):
        assert logged(run, key) == pytest.approx(logged(alone, key), abs=5e-6), key
    own, expected = weights(run), weights(alone)
    assert own.keys() == expected.keys() and any("trainable_tokens_delta" in name for name in own)
    for name, value in expected.items():
        torch.testing.assert_close(own[name], value, rtol=0, atol=1e-6, msg=lambda text, at=name: f"{at}: {text}")
