"""What `validate` says of the settings that change what is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smart_train.run.plan import make_plan
from smart_train.run.plan_settings import setting_lines
from tests.runs import MODES, tiny_recipe

OPTIMISER = "learning_rate 0.001, lr_scheduler_type cosine, warmup_steps 0.03"


@pytest.mark.parametrize(
    ("mode", "changes", "expected"),
    [
        (
            "full",
            {},
            {
                "objective": "name joint, temperature 0.05",
                "full": "freeze_vision false",
                "optimiser": f"{OPTIMISER}, seed 3",
            },
        ),
        (
            "lora",
            {
                "objective": {"hardness": 0.5, "late_weight": 2, "positive_aware": {"margin": 0.9}},
                "training": {"weight_decay": 0.1, "optim": "sgd"},
            },
            {
                "objective": "name joint, temperature 0.05, late_weight 2.0, positive_aware.margin 0.9, "
                "positive_aware.by student, hardness 0.5",
                "lora": "r 4, alpha 8.0, dropout 0.1, use_rslora false, use_dora false",
                "optimiser": f"{OPTIMISER}, optim sgd, weight_decay 0.1, seed 3",
            },
        ),
        (
            "projection",
            {"objective": {"temperature": 0.02}, "model": {"query_instruction": "Find the page.", "max_length": 64}},
            {
                "model settings": "from_config.init_std 0.05, from_config.seed 0, max_length 64, "
                "query_instruction Find the page.",
                "objective": "name late, temperature 0.02",
                "projection": "dim 16, state_cache auto, state_dtype auto",
            },
        ),
    ],
)
def test_settings_that_change_what_is_learned(
    tiny_data: Path, tmp_path: Path, mode: str, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    lines = setting_lines(tiny_recipe(tiny_data, tmp_path / "run", **MODES[mode], **changes))
    assert {label: line for label, line in lines.items() if label in expected} == expected


def test_the_plan_has_them(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(tiny_data, tmp_path / "run", objective={"hardness": 0.5})
    lines = make_plan(recipe).lines
    assert setting_lines(recipe).items() <= lines.items() and "hardness 0.5" in lines["objective"]
