"""The recipes that follow the SMART authors' scripts: their numbers, and their loss on a small batch, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from transformers import TrainingArguments

from smart_train import ScoringConfig, SmartModel
from smart_train.models import TokenProjection
from smart_train.recipe import load_recipe
from smart_train.run import build
from smart_train.scoring import score_parts
from smart_train.training import SmartTrainer
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

RECIPES = Path(__file__).parents[2] / "recipes"
FORWARD = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw", "mm_token_type_ids")


@pytest.fixture
def folder(tmp_path):
    return vision_folder(tmp_path / "qwen3", "qwen3_vl")


def pairs():
    """Four queries and their pages, of different lengths and sizes."""
    words = ("total revenue 2019", "why", "a red line of the chart in blue", "how many?")
    sizes = ((96, 64), (64, 64), (128, 96), (96, 128))
    colours = ("red", "green", "blue", "white")
    pages = [Image.new("RGB", size, colour) for size, colour in zip(sizes, colours, strict=True)]
    return [ModelInput(text) for text in words], [ModelInput(None, (page,)) for page in pages]


def states(model, items, role):
    """Of one side: last states [B, T, H], the raw attention mask and the filtered one [B, T], pooled vectors [B, H]."""
    features = model.family.featurize(items, role)
    inputs = {name: value for name, value in features.items() if name in FORWARD}
    last = model.backbone(**inputs).last_hidden_state
    pooled = F.normalize(last[torch.arange(len(items)), features["pooled_index"]], dim=-1)
    return last, features["attention_mask"].bool(), features["token_mask"], pooled


def late(query, query_mask, page, page_mask):
    """Mean over a query's tokens of the best page token's cosine, pair by pair."""
    rows = []
    for tokens, valid in zip(F.normalize(query, dim=-1), query_mask, strict=True):
        best = [
            (tokens[valid] @ other[kept].T).max(dim=1).values.mean()
            for other, kept in zip(F.normalize(page, dim=-1), page_mask, strict=True)
        ]
        rows.append(torch.stack(best))
    return torch.stack(rows)


def loss_of(recipe, model, queries, pages):
    """What the recipe's objective makes of the batch."""
    parts = score_parts(model.embed(queries), model.embed(pages))
    excluded = torch.zeros(len(parts.of("late")), len(parts.of("late")), dtype=torch.bool)
    return build.objective(recipe, model.scoring)(parts, torch.arange(len(excluded)), excluded).total


@torch.no_grad()
def test_their_lora_loss_is_over_every_token_of_the_prompt(folder):
    recipe = load_recipe(RECIPES / "smart_lamra_qwen3_vl_2b.yaml")
    family, temperature = recipe.model.family, recipe.objective.temperature
    assert (family, temperature, recipe.objective.name) == ("smart_lamra_qwen3_vl_training", 0.05, "hybrid")
    model = SmartModel.from_config(
        folder, family=family, scoring=build.scoring(recipe), init_std=0.05, prompts=SMALL_PAGES
    )
    queries, pages = pairs()
    (query, query_mask, _, left), (page, page_mask, _, right) = (
        states(model, queries, "query"),
        states(model, pages, "document"),
    )
    scores = left @ right.T + late(query, query_mask, page, page_mask)
    theirs = F.cross_entropy(scores / temperature, torch.arange(4))
    batch = model.family.featurize(queries, "query"), model.family.featurize(pages, "document")
    torch.testing.assert_close(loss_of(recipe, model, *batch), theirs, atol=1e-5, rtol=0)

    filtered = SmartModel.from_config(
        folder, family=family, scoring=ScoringConfig(), init_std=0.05, prompts=SMALL_PAGES
    )
    batch = filtered.family.featurize(queries, "query"), filtered.family.featurize(pages, "document")
    assert abs(loss_of(recipe, filtered, *batch) - theirs) > 1e-3, "the content filter gives another loss"


def test_their_lora_settings() -> None:
    recipe = load_recipe(RECIPES / "smart_lamra_qwen3_vl_2b.yaml")
    assert recipe.model.name_or_path == "Qwen/Qwen3-VL-2B-Instruct"
    assert (recipe.model.max_pixels, recipe.model.max_length) == (1024 * 28 * 28, 1024)
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (128, 256, 0.05)
    assert (recipe.scoring["query_tokens"], recipe.scoring["document_tokens"]) == ("all", "all")
    wanted = {
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "warmup_steps": 0.03,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": 1,
        "max_grad_norm": 1.0,
        "per_device_train_batch_size": 64,
        "eval_steps": 116,
        "seed": 42,
    }
    assert {name: recipe.training[name] for name in wanted} == wanted
    ours = load_recipe(RECIPES / "qwen3_vl_2b_instruct_hybrid.yaml")
    assert ours.model.family == "qwen3_vl_embedding" and ours.training["num_train_epochs"] == 4


@torch.no_grad()
@pytest.mark.parametrize("name", ["qwen3_vl_embedding_2b_projection", "qwen3_vl_embedding_8b_projection"])
def test_their_projection_loss(folder, name):
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    assert (recipe.objective.name, recipe.objective.temperature) == ("late", 0.03)
    assert (recipe.training["num_train_epochs"], recipe.training["weight_decay"]) == (2, 0.01)
    model = SmartModel.from_config(folder, family="qwen3_vl_embedding", init_std=0.05, prompts=SMALL_PAGES)
    model.add_projection(TokenProjection(model.hidden_size, model.hidden_size))
    model.projection.reset(recipe.training["seed"])
    queries, pages = pairs()
    query, _, query_mask, _ = states(model, queries, "query")
    page, _, page_mask, _ = states(model, pages, "document")
    norm, linear = nn.LayerNorm(model.hidden_size), nn.Linear(model.hidden_size, model.hidden_size, bias=False)
    linear.weight.copy_(model.projection.linear.weight)
    theirs = F.cross_entropy(
        late(linear(norm(query)), query_mask, linear(norm(page)), page_mask) / 0.03, torch.arange(4)
    )
    batch = model.family.featurize(queries, "query"), model.family.featurize(pages, "document")
    torch.testing.assert_close(loss_of(recipe, model, *batch), theirs, atol=1e-5, rtol=0)
    assert model.projection.norm.bias is not None and model.projection.linear.bias is None


def test_decay_leaves_out_the_norm_of_a_projection(tmp_path):
    """As the projection recipes say of themselves; the authors' leaves out its bias alone."""
    trainer = SmartTrainer.__new__(SmartTrainer)
    trainer.args = TrainingArguments(output_dir=str(tmp_path), report_to=[])
    decayed = trainer.get_decay_parameter_names(nn.ModuleDict({"projection": TokenProjection(8, 4)}))
    assert decayed == ["projection.linear.weight"]
