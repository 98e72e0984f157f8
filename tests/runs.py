"""A run small enough for a test: pages of four coloured squares, a Qwen3-VL of two layers, a few steps on the CPU."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smart_train.recipe import Recipe, parse_recipe
from smart_train.recipe.reader import merge
from smart_train.training.training_log import LOG_NAME, read_log

TINY = Path(__file__).parents[1] / "data" / "tiny-qwen3-vl"
COLOURS = {
    "red": (220, 30, 30),
    "green": (20, 150, 60),
    "blue": (30, 60, 220),
    "black": (20, 20, 20),
    "pink": (250, 160, 190),
}
TRAIN_ROWS, HELD_OUT_ROWS = 24, 10
SCORES = ("pooled", "late", "hybrid")
WIDTH = 32
# Half a second a step at the folder's own width; at this one a tenth.
OVERRIDES = {
    "text_config": {"hidden_size": WIDTH, "intermediate_size": 48},
    "vision_config": {"hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": WIDTH},
}


def draw_page(names: tuple[str, ...], path: Path) -> None:
    """64 x 64 pixels, the least that Qwen3-VL takes: four visual tokens, one colour each."""
    page = Image.new("RGB", (64, 64))
    for index, name in enumerate(names):
        page.paste(COLOURS[name], (32 * (index % 2), 32 * (index // 2), 32 * (index % 2) + 32, 32 * (index // 2) + 32))
    page.save(path)


def write_data(folder: Path) -> Path:
    """`train.jsonl` and `held_out.jsonl` with their pages. A query names its page's colours in order; a training row
    has a negative with the same colours in another order."""
    pages = list(itertools.permutations(COLOURS, 4))
    random.Random(0).shuffle(pages)
    for split, chosen in (("train", pages[:TRAIN_ROWS]), ("held_out", pages[TRAIN_ROWS : TRAIN_ROWS + HELD_OUT_ROWS])):
        rows = []
        for number, names in enumerate(chosen):
            row = {"query": " ".join(names), "positive": f"{split}-{number}.png"}
            draw_page(names, folder / row["positive"])
            if split == "train":
                row["negative_0"] = f"{split}-{number}-negative.png"
                draw_page(names[::-1], folder / row["negative_0"])
            rows.append(row)
        write_rows(folder / f"{split}.jsonl", rows)
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def recipe_values(rows: Path, output: Path, /, **sections: Any) -> dict[str, Any]:
    """The tiny recipe as a mapping: full fine-tuning, six steps of four rows, evaluated and saved every two. `sections`
    are merged over it; those of `MODES` change the way of training."""
    values = {
        "model": {"name_or_path": str(TINY), "from_config": {"overrides": OVERRIDES, "init_std": 0.05}},
        "data": {"train": {"path": str(rows / "train.jsonl")}, "evaluation": {"path": str(rows / "held_out.jsonl")}},
        "full": {"freeze_vision": False},
        "training": {
            "output_dir": str(output),
            "use_cpu": True,
            "per_device_train_batch_size": 4,
            "learning_rate": 1e-3,
            "max_steps": 6,
            "logging_steps": 1,
            "eval_strategy": "steps",
            "eval_steps": 2,
            "dataloader_num_workers": 0,
            "dataloader_pin_memory": False,
            "seed": 3,
        },
    }
    return merge(values, sections)


def tiny_recipe(rows: Path, output: Path, /, **sections: Any) -> Recipe:
    return parse_recipe(recipe_values(rows, output, **sections))


MODES: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"full": None, "lora": {"r": 4, "alpha": 8, "dropout": 0.1}},
    "projection": {"full": None, "projection": {"dim": 16}},
}


# Gradient descent whose steps do not amplify rounding, to compare runs that add up in different orders, as processes
# and processors do. Adam divides a gradient by its own size, so a gradient that is nothing but rounding moves its
# weight as far as any other does; and at the usual temperature of 0.05 a difference of scores is 20 times as large in
# the loss. Here 12 steps of two processes and of one differ by up to 1e-6 in a loss, two of its last bits, and by 6e-8
# in a weight (docs/decisions/tests-on-every-processor.md). Momentum makes a lost optimiser state visible, and gradients
# are clipped in some steps and not in others.
GENTLE: dict[str, dict[str, Any]] = {
    "training": {"optim": "sgd", "optim_args": "momentum=0.9", "learning_rate": 0.04, "max_grad_norm": 0.3},
    "objective": {"temperature": 0.5, "learn_temperature": True},
}
GENTLE_LORA: dict[str, dict[str, Any]] = {
    "full": None,
    "lora": {"r": 4, "alpha": 8, "dropout": 0.0},
    "objective": GENTLE["objective"],
    "training": {**GENTLE["training"], "learning_rate": 0.2, "max_grad_norm": 0.1},
}


def logged(run: Path, key: str = "loss") -> dict[int, Any]:
    """step -> value of `key`, from log.jsonl."""
    return {record["step"]: record[key] for record in read_log(run / LOG_NAME) if key in record}


def metrics(run: Path, when: str = "after") -> dict[str, dict[str, float]]:
    """score -> metric -> value, from evaluation.json."""
    return json.loads((run / "evaluation.json").read_text())[when]


def skip_without_engine(strategy: str) -> None:
    """DeepSpeed is an extra."""
    if strategy.startswith("zero"):
        pytest.importorskip("deepspeed", reason="needs the extra deepspeed")
