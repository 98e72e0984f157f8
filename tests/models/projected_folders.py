"""Folders in the layout of transformers' own classes of late-only models, for the tests of ColQwen and ColPali."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from smart_train import SmartModel


def transformers_folder(
    folder: Path,
    model: SmartModel,
    theirs: Any,
    *,
    rename: Callable[[str], str] = lambda name: name,
    names: Callable[[Any], dict[str, Tensor]] | None = None,
) -> Any:
    """`theirs`, an instance of transformers' class, with the weights of `model`, saved in `folder` under the names that
    `rename` gives them.

    Args:
        names: the weights by the names to begin with; None: those that transformers writes.
    """
    own = {key: value for key, value in model.backbone.state_dict().items() if not key.startswith("custom_text_proj")}
    theirs.vlm.load_state_dict(own)
    theirs.embedding_proj_layer.load_state_dict(model.backbone.custom_text_proj.state_dict())
    theirs.save_pretrained(folder)
    state = load_file(folder / "model.safetensors") if names is None else names(theirs)
    state = {rename(key): value.contiguous() for key, value in state.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        shutil.copy(f"{model.family.folder}/{name}", folder / name)
    return theirs
