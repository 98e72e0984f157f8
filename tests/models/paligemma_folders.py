"""Folders of tiny random ColPali models, with PaliGemma's real configuration and processor classes."""

from __future__ import annotations

import json
from pathlib import Path

import transformers

from tests.models.projector_family import SIDE, projector_folder

__all__ = ["SIDE", "colpali_folder"]


def colpali_folder(folder: Path) -> Path:
    """A folder without weights, as colpali-engine names its class: nine tokens an image of 42 x 42 pixels."""
    projector_folder(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"})
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    config |= {"architectures": ["ColPali"], **sizes}
    config["text_config"] |= sizes
    (folder / "config.json").write_text(json.dumps(config))
    return folder
