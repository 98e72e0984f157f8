"""Prompts and limits of a model's inputs, as a recipe, a saved folder or a caller may set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from smart_train.errors import ModelError, did_you_mean


@dataclass(frozen=True)
class PromptConfig:
    """How inputs become prompts. None means the family's own default.

    Args:
        query_instruction, document_instruction: the system turn of each side; an input's own instruction wins.
        min_pixels, max_pixels: bounds on an image's area after resizing. More pixels: more document tokens and memory.
        max_length: longest prompt in tokens, visual placeholders included; text is shortened to fit, images never are.
    """

    query_instruction: str | None = None
    document_instruction: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_length: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def replaced_by(self, given: PromptConfig | Mapping[str, Any] | None) -> PromptConfig:
        """`given` in place of this one; of a mapping, its keys alone. Raises ModelError for a key that is unknown."""
        if isinstance(given, PromptConfig):
            return given
        values = self.to_dict()
        for key in given or {}:
            if key not in values:
                raise ModelError(f"prompts: unknown key {key!r}{did_you_mean(key, values)}; known: {', '.join(values)}")
        return PromptConfig(**{**values, **(given or {})})
