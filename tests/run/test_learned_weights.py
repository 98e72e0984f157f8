"""A run that learns how much each score counts: every folder it writes says the weights that it learned."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from safetensors.torch import load_file

from smart_train import SmartModel
from smart_train.losses.learned_scales import LEARNED_RATE
from smart_train.run import train
from tests.runs import tiny_recipe

pytestmark = pytest.mark.usefixtures("no_plots")


def test_what_is_learned_is_saved_measured_and_exported(tiny_data: Path, tmp_path: Path) -> None:
    run = train(tiny_recipe(tiny_data, tmp_path / "run", objective={"name": "joint", "learn_weights": True}))
    weights = {}
    for folder in (*sorted(run.glob("checkpoint-*")), run / "final"):
        scales = load_file(folder / "objective.safetensors")
        ratio = math.exp(LEARNED_RATE * (scales["log_scales.late"] - scales["log_scales.pooled"]).item())
        scoring = json.loads((folder / "smart_config.json").read_text())["scoring"]
        assert scoring["pooled_weight"] == 1.0 and scoring["late_weight"] == pytest.approx(ratio, rel=1e-4)
        weights[folder.name] = scoring["late_weight"]
    assert len(weights) == 3 and len({round(weight, 4) for weight in weights.values()}) >= 2, "nothing was learned"
    for folder in (run / "final", run / "export"):
        assert SmartModel.from_pretrained(folder).scoring.late_weight == weights["final"]
    measured = {
        when: json.loads((run / f"evaluation.{when}.json").read_text())["scoring"]["late_weight"]
        for when in ("before", "after")
    }
    assert measured == {"before": 1.0, "after": weights["final"]}
    assert SmartModel.from_pretrained(run / "export", scoring={"late_weight": 1.0}).scoring.late_weight == 1.0
