"""Which files of a folder are published: those of an adapter or projection, and those of an export."""

from __future__ import annotations

from pathlib import Path

from smart_train.export.card import CARD_NAME
from smart_train.models.adapter_config import ADAPTER_CONFIG, trains_beside
from smart_train.models.added_tokens import TOKENIZER_FILES
from smart_train.models.smart_config import SMART_CONFIG

# What an adapter or projection consists of; its folder may hold more (a checkpoint's optimiser), which stays there.
ADAPTER_FILES = (
    ADAPTER_CONFIG,
    "adapter_model.safetensors",
    "projection_config.json",
    "projection.safetensors",
    SMART_CONFIG,
    CARD_NAME,
)


def adapter_files(folder: Path) -> list[Path]:
    """The files of `folder` that an adapter or projection consists of; with the tokenizer, where the adapter may have
    added tokens to it."""
    names = [*ADAPTER_FILES, *(TOKENIZER_FILES if trains_beside(folder) else ())]
    return [folder / name for name in names if (folder / name).is_file()]


def export_files(folder: Path) -> list[Path]:
    """Everything in a verified folder but hidden files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
