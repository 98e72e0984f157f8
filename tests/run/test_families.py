"""The whole road of families that are not the quickstart's: their scoring, tokens and positions reach every file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

import smart_train.run.stages
from smart_train import SmartModel
from smart_train.recipe.sections import ModelSection
from smart_train.run import train
from tests.models.vision_folders import vision_folder
from tests.runs import MODES, tiny_recipe

# family -> (backbone, the filter of its queries, the token that only its vocabulary has)
FAMILIES = {"gme": ("qwen2_vl", "text", None), "lamra_qwen3_vl": ("qwen3_vl", "content", "<emb>")}


@pytest.fixture(params=FAMILIES)
def finished(request: Any, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A LoRA run of two steps from random weights, without a spare row in the vocabulary; the family and its folder."""
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)
    folder = vision_folder(tmp_path / "base", FAMILIES[request.param][0])
    path = folder / "config.json"
    values = json.loads(path.read_text())
    values["text_config"]["vocab_size"] = len(AutoTokenizer.from_pretrained(folder))
    path.write_text(json.dumps(values))
    training = {"max_steps": 2, "eval_strategy": "no", "save_strategy": "no"}
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **MODES["lora"], training=training, evaluation={"before": False})
    model = ModelSection(name_or_path=str(folder), family=request.param, from_config={}, min_pixels=4 * 28 * 28)
    return request.param, train(recipe.model_copy(update={"model": model}))


def test_a_run_of_it_scores_and_exports_as_the_family_does(finished: tuple[str, Path]) -> None:
    name, run = finished
    _, tokens, added = FAMILIES[name]
    report = json.loads((run / "evaluation.json").read_text())
    assert report["scoring"]["query_tokens"] == tokens
    trained, exported = (SmartModel.from_pretrained(run / part, device="cpu") for part in ("final", "export"))
    assert trained.family.name == exported.family.name == name
    assert trained.scoring == exported.scoring and exported.scoring.query_tokens == tokens
    queries = ["red green blue", "pink black"]
    ours, theirs = trained.encode_query(queries), exported.encode_query(queries)
    torch.testing.assert_close(ours.packed, theirs.packed, atol=1e-5, rtol=0)
    if added is not None:
        vocabulary = AutoTokenizer.from_pretrained(run / "export").get_vocab()
        assert vocabulary[added] == exported.backbone.get_input_embeddings().num_embeddings - 1
