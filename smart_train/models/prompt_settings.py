"""Prompts and limits of a model's inputs, as a recipe, a saved folder or a caller may set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

from smart_train.errors import ModelError, did_you_mean, shown


@dataclass(frozen=True)
class PromptConfig:
    """How inputs become prompts. None means the family's own default.

    Args:
        query_instruction, document_instruction: the system turn of each side; an input's own instruction wins.
        min_pixels, max_pixels: bounds on an image's area after resizing. More pixels: more document tokens and memory.
        max_length: longest prompt in tokens, visual placeholders included; text is shortened to fit, images never are.

    Raises:
        ModelError: an instruction that is not a text, or a bound that is not a whole number of at least 1.
    """

    query_instruction: str | None = None
    document_instruction: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            if name in ("query_instruction", "document_instruction"):
                if not isinstance(value, str | None):
                    raise ModelError(f"prompts.{name}: {shown(value)}; it must be a text, or null for the family's own")
            elif value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < 1):
                raise ModelError(
                    f"prompts.{name}: {shown(value)}; it must be a whole number of at least 1, or null for the "
                    "family's own"
                )

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
