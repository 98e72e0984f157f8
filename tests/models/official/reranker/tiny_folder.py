"""A tiny Qwen3-VL-Reranker, whose tokenizer knows "yes" and whose weights are those of `tiny`."""

from __future__ import annotations

import json
from pathlib import Path

from smart_train import SmartModel
from smart_train.models.saving import checkpoint_names
from tests.models.official.states import tiny
from tests.models.vision_folders import vision_folder


def reranker_folder(folder: Path) -> Path:
    """Makes `folder` and returns it. Its head is its embeddings, as that of the 2B model is."""
    bare = vision_folder(folder.with_name(f"{folder.name}-config"), "qwen3_vl")
    tokenizer = json.loads((bare / "tokenizer.json").read_text())
    last = max(token["id"] for token in tokenizer["added_tokens"])
    tokenizer["added_tokens"].append(
        {**tokenizer["added_tokens"][-1], "id": last + 1, "content": "yes", "special": False}
    )
    (bare / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((bare / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (bare / "config.json").write_text(json.dumps(config))
    model = SmartModel.from_config(bare, family="qwen3_vl_embedding", overrides=tiny.OVERRIDES["qwen3_vl"])
    tiny.fill(model.backbone, checkpoint_names(model.backbone, model.family))
    model.save_pretrained(folder)
    (folder / "smart_config.json").unlink()  # of an embedder, which this is not
    return folder
