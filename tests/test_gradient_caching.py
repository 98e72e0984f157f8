"""The recipe's `gradient_caching` section: built into a training module, and counted in the plan's memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from smart_train.recipe import Recipe, parse_recipe
from smart_train.run import build
from smart_train.run.plan import derive
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


def activations(quantities: dict[str, str]) -> float:
    """Of the plan's memory, in KiB."""
    number, unit = quantities["memory per process"].split("activations ")[1].split(",")[0].rstrip(")").split()
    return float(number) * {"KiB": 1, "MiB": 1024, "GiB": 1024**2}[unit]


def test_the_section_becomes_the_bounds(tmp_path: Path) -> None:
    assert build.gradient_caching(recipe(tmp_path)) is None
    given = {"mini_batch_size": 8, "mini_batch_tokens": 512}
    assert build.gradient_caching(recipe(tmp_path, gradient_caching=given)) == GradientCaching(8, 512)


def test_the_plan_counts_one_chunk_of_activations(tmp_path: Path) -> None:
    plain = derive(recipe(tmp_path)).quantities
    by_count = derive(recipe(tmp_path, gradient_caching={"mini_batch_size": 4})).quantities
    assert "encoded" not in plain
    assert by_count["encoded"] == "about 4 queries, 4 documents at a time (gradient caching)"
    assert by_count["candidates per query"] == plain["candidates per query"]
    assert activations(by_count) < activations(plain) / 16
    tokens = float(plain["tokens per input"].split("document ")[1].split()[0])
    by_tokens = derive(recipe(tmp_path, gradient_caching={"mini_batch_tokens": int(4 * tokens)})).quantities
    assert ", 4 documents at a time" in by_tokens["encoded"]
    assert activations(by_tokens) == pytest.approx(activations(by_count), rel=0.05)


def test_a_bound_above_the_batch_is_the_batch(tmp_path: Path) -> None:
    quantities = derive(recipe(tmp_path, batch=3, gradient_caching={"mini_batch_size": 50})).quantities
    assert quantities["encoded"] == "about 3 queries, 3 documents at a time (gradient caching)"
