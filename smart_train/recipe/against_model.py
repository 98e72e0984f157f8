"""Mistakes in a recipe that its model's config.json shows, found without loading anything: told beside the others.

Whoever builds the model checks the same again; that stops at the first mistake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smart_train.recipe.reader import merge
from smart_train.recipe.recipe import Recipe


def config_problems(recipe: Recipe) -> list[str]:
    """A line for every layer that the model lacks and every width beyond its own. None where its folder is not here:
    the Hub is not asked, and what is wrong with config.json is said by whoever loads it."""
    drawn = recipe.model.from_config
    try:
        config = json.loads(Path(recipe.model.name_or_path, "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    config = merge(config, drawn.overrides if drawn else {}) if isinstance(config, dict) else {}
    text = config.get("text_config")
    text = text if isinstance(text, Mapping) else config
    return [*_layer_problems(recipe, text.get("num_hidden_layers")), *_width_problems(recipe, text.get("hidden_size"))]


def _layer_problems(recipe: Recipe, count: Any) -> list[str]:
    named: list[tuple[str, Any]] = [("scoring.layer", recipe.scoring.get("layer"))]
    if recipe.tune is not None:
        named += [("tune.layers", layer) for layer in recipe.tune.layers or ()]
    if recipe.projection is not None:
        named += [("projection.layers", layer) for layer in recipe.projection.layers or ()]
    return [
        f"{key} {layer} is out of range: the model has hidden states {-count - 1} .. {count}"
        for key, layer in named
        if isinstance(count, int) and isinstance(layer, int) and not -count - 1 <= layer <= count
    ]


def _width_problems(recipe: Recipe, width: Any) -> list[str]:
    named: list[tuple[str, Any]] = [("scoring.width", recipe.scoring.get("width"))]
    if recipe.tune is not None:
        named += [("tune.widths", value) for value in recipe.tune.widths or ()]
    if recipe.projection is not None:
        named.append(("projection.dim", recipe.projection.dim))
    return [
        f"{key} {value} must lie between 1 and the backbone's hidden size {width}"
        for key, value in named
        if isinstance(width, int) and isinstance(value, int) and value > width
    ]
