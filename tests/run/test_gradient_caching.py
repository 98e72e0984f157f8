"""The recipe's `gradient_caching` section: built into a training module, and counted in the plan's memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from smart_train.errors import RecipeError
from smart_train.recipe import Recipe, parse_recipe
from smart_train.run import build, memory_estimate
from smart_train.run.memory_estimate import BatchSide
from smart_train.run.plan import make_plan
from smart_train.training import GradientCaching
from tests.models.conftest import TINY


def recipe(folder: Path, batch: int = 64, **sections: dict) -> Recipe:
    Image.new("RGB", (128, 128), "white").save(folder / "page.png")
    rows = [{"query": f"page {row}", "image": "page.png"} for row in range(batch)]
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    values = {
        "model": {"name_or_path": str(TINY), "from_config": {}},
        "data": {"train": {"path": str(folder / "rows.jsonl")}},
        "full": {},
        "training": {"per_device_train_batch_size": batch, "output_dir": str(folder / "run")},
    }
    return parse_recipe({**values, **sections})


def activations(lines: dict[str, str]) -> float:
    """Of the plan's memory, in KiB."""
    number, unit = lines["memory per process"].split("activations ")[1].split(",")[0].rstrip(")").split()
    return float(number) * {"KiB": 1, "MiB": 1024, "GiB": 1024**2}[unit]


def test_the_section_becomes_the_bounds(tmp_path: Path) -> None:
    assert build.gradient_caching(recipe(tmp_path)) is None
    given = {"mini_batch_size": 8, "mini_batch_tokens": 512}
    assert build.gradient_caching(recipe(tmp_path, gradient_caching=given)) == GradientCaching(8, 512)


def test_the_plan_counts_one_chunk_of_activations(tmp_path: Path) -> None:
    plain = make_plan(recipe(tmp_path)).lines
    by_count = make_plan(recipe(tmp_path, gradient_caching={"mini_batch_size": 4})).lines
    assert "encoded" not in plain
    assert by_count["encoded"] == "about 4 queries, 4 documents at a time (gradient caching)"
    assert by_count["candidates per query"] == plain["candidates per query"]
    assert activations(by_count) < activations(plain) / 16
    tokens = float(plain["tokens per input"].split("document ")[1].split()[0])
    by_tokens = make_plan(recipe(tmp_path, gradient_caching={"mini_batch_tokens": int(4 * tokens)})).lines
    assert ", 4 documents at a time" in by_tokens["encoded"]
    assert activations(by_tokens) == pytest.approx(activations(by_count), rel=0.05)


def test_a_bound_above_the_batch_is_the_batch(tmp_path: Path) -> None:
    lines = make_plan(recipe(tmp_path, batch=3, gradient_caching={"mini_batch_size": 50})).lines
    assert lines["encoded"] == "about 3 queries, 3 documents at a time (gradient caching)"


def kept(lines: dict[str, str]) -> float:
    """Bytes for the second forward that the plan counts; 0 where it names none."""
    memory = lines["memory per process"]
    if "kept for the second forward " not in memory:
        return 0.0
    number, unit = memory.split("kept for the second forward ")[1].split(",")[0].rstrip(")").split()[:2]
    return float(number) * {"B": 1, "KiB": 1024, "MiB": 1024**2}[unit.rstrip(")")]


def test_the_plan_counts_what_is_kept_for_the_second_forward(tmp_path: Path) -> None:
    lora, caching = {"full": None, "lora": {"r": 4, "alpha": 8}}, {"mini_batch_size": 4}
    bytes_of_states = 4 * 96  # fp32, the tiny model's width
    # 64 pages of 128 x 128 pixels: 16 tokens each, with those of DeepStack.
    depth = len(json.loads((TINY / "config.json").read_text())["vision_config"]["deepstack_visual_indexes"])
    tower = 64 * 16 * (1 + depth) * bytes_of_states

    assert kept(make_plan(recipe(tmp_path, **lora)).lines) == 0
    assert kept(make_plan(recipe(tmp_path, gradient_caching=caching)).lines) == pytest.approx(tower, rel=0.05)
    found = make_plan(recipe(tmp_path, **lora, gradient_caching=caching)).lines
    assert kept(found) == pytest.approx(tower, rel=0.05)
    found = make_plan(recipe(tmp_path, **lora, gradient_caching={**caching, "keep_vision": "off"})).lines
    assert kept(found) == 0
    found = make_plan(recipe(tmp_path, gradient_caching=caching, full={"freeze_vision": False})).lines
    assert kept(found) == 0, "it is trained"
    projection = {"full": None, "projection": {"dim": 16}, "objective": {"name": "late"}}
    found = make_plan(recipe(tmp_path, **projection, gradient_caching=caching)).lines
    tokens = [float(part.split("(")[1].split()[0]) for part in found["tokens per input"].split(", ")]
    assert kept(found) == pytest.approx(64 * sum(tokens) * bytes_of_states, rel=0.05)


def test_the_plan_counts_pixels_that_wait_on_a_gpu_for_a_tower_that_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipe(tmp_path, gradient_caching={"mini_batch_size": 4}, full={"freeze_vision": False})
    model = build.skeleton(made, TINY)
    page = BatchSide(inputs=64, tokens=20, kept=16, patches=64)
    loads = {"query": BatchSide(inputs=64, tokens=9, kept=5, patches=0), "document": page}
    monkeypatch.setattr(memory_estimate, "budget", lambda keep, device: 2 * 64 * 64 * 1536)
    assert memory_estimate.estimate(made, model, loads, 1)["kept for the second forward"] == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert memory_estimate.estimate(made, model, loads, 1)["kept for the second forward"] == 64 * 64 * 1536
    monkeypatch.setattr(memory_estimate, "budget", lambda keep, device: 1000)
    assert memory_estimate.estimate(made, model, loads, 1)["kept for the second forward"] == 500


@pytest.mark.parametrize(("strategy", "outputs"), [("ddp", True), ("zero2", True), ("zero3", False), ("fsdp2", False)])
def test_engines_that_leave_weights_whole_keep_what_a_frozen_tower_gives(
    tmp_path: Path, strategy: str, outputs: bool
) -> None:
    given = {"gradient_caching": {"mini_batch_size": 4}, "distributed": {"strategy": strategy, "num_processes": 2}}
    loads = {side: BatchSide(inputs=8, tokens=20, kept=16, patches=64) for side in ("query", "document")}
    made = recipe(tmp_path, full=None, lora={"r": 4, "alpha": 8}, **given)
    found = memory_estimate.estimate(made, build.skeleton(made, TINY), loads, 2)["kept for the second forward"]
    depth = len(json.loads((TINY / "config.json").read_text())["vision_config"]["deepstack_visual_indexes"])
    assert found == (2 * 8 * 16 * (1 + depth) * 4 * 96 if outputs else 0)
    made = recipe(tmp_path, full=None, projection={"dim": 16}, objective={"name": "late"}, **given)
    found = memory_estimate.estimate(made, build.skeleton(made, TINY), loads, 2)["kept for the second forward"]
    assert found == 2 * 8 * 16 * 4 * 96, "the states that a projection reads are kept under every strategy"


@pytest.mark.parametrize("value", ["on", 0, -1, "nan"])
def test_keep_vision_is_checked_with_the_recipe(tmp_path: Path, value: object) -> None:
    with pytest.raises(RecipeError, match="gradient_caching.keep_vision"):
        recipe(tmp_path, gradient_caching={"mini_batch_size": 4, "keep_vision": value})
    with pytest.raises(RecipeError, match="sets no bound"):
        recipe(tmp_path, gradient_caching={"keep_vision": "auto"})
