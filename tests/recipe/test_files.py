"""Every recipe that ships can be read, says how to run it, and explains itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from smart_train.recipe import load_recipe

ROOT = Path(__file__).parents[2]
LAUNCHERS = sorted((ROOT / "recipes" / "accelerate").glob("*.yaml"))  # not recipes: how accelerate starts one
RECIPES = sorted(set((ROOT / "recipes").rglob("*.yaml")) - set(LAUNCHERS))


def test_how_many_recipes_there_are() -> None:
    assert len(RECIPES) == 13


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_whole(path: Path) -> None:
    text = path.read_text()
    opening = text[: text.index("\n\n")]
    assert f"./launch.sh recipes/{path.relative_to(ROOT / 'recipes')}\n" in opening
    assert "Hardware:" in opening and "Expect:" in opening
    recipe = load_recipe(path)
    assert recipe.training["output_dir"] == f"runs/{path.stem}"
    assert recipe.data.evaluation is not None


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_knob_states_its_consequence(path: Path) -> None:
    explained_by_itself = {"name_or_path", "path", "split", "columns", "output_dir", "script", "output", "seed"}
    lines = path.read_text().splitlines()
    silent = [
        line
        for above, line in zip(lines, lines[1:], strict=False)
        if (knob := re.match(r"\s+(\w+): ", line))
        and knob[1] not in explained_by_itself
        and "#" not in line
        and not above.lstrip().startswith("#")
    ]
    assert not silent


def test_the_papers_settings_are_the_recipes() -> None:
    lora = load_recipe(ROOT / "recipes/qwen3_vl_embedding_2b_lora.yaml")
    assert (lora.lora.r, lora.lora.alpha, lora.lora.dropout) == (128, 256, 0.05)
    assert (lora.training["learning_rate"], lora.objective.temperature) == (1e-4, 0.05)
    projection = load_recipe(ROOT / "recipes/qwen3_vl_embedding_2b_projection.yaml")
    assert (projection.training["learning_rate"], projection.training["weight_decay"]) == (1e-3, 0.01)
    assert (projection.objective.name, projection.objective.temperature) == ("late", 0.03)
    assert projection.projection.dim == 2048  # the backbone's own width, in the authors' script
    assert load_recipe(ROOT / "recipes/qwen3_vl_embedding_8b_projection.yaml").projection.dim == 4096
    assert load_recipe(ROOT / "recipes/qwen3_vl_2b_instruct_hybrid.yaml").objective.name == "hybrid"
    for recipe in (lora, projection):
        assert recipe.training["lr_scheduler_type"] == "cosine" and recipe.training["warmup_steps"] == 0.03
        assert recipe.training["per_device_train_batch_size"] * 8 == 512


def test_the_quickstart_needs_no_download() -> None:
    recipe = load_recipe(ROOT / "recipes/quickstart.yaml")
    assert recipe.model.from_config is not None
    assert (ROOT / recipe.model.name_or_path / "config.json").is_file()
    assert (ROOT / recipe.data.prepare.script).is_file()


def test_every_strategy_has_an_accelerate_configuration() -> None:
    assert [path.stem for path in LAUNCHERS] == ["ddp", "fsdp2", "multi_node", "zero1", "zero2", "zero3"]


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_an_accelerate_configuration_says_what_it_is_named_after(path: Path) -> None:
    assert f"--config_file recipes/accelerate/{path.name}" in path.read_text()
    config = load_config_from_file(str(path))  # as accelerate's launcher reads it; an unknown key is an error there
    assert not config.use_cpu and config.mixed_precision == "no"
    kind = config.distributed_type.value
    if kind == "DEEPSPEED":
        assert path.stem == f"zero{config.deepspeed_config['zero_stage']}"
    elif kind == "FSDP":
        assert path.stem == f"fsdp{config.fsdp_config['fsdp_version']}"
    else:
        assert kind == "MULTI_GPU" and path.stem == ("ddp" if config.num_machines == 1 else "multi_node")
