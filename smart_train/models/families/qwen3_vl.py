"""Qwen3-VL-Embedding (2B, 8B): a Qwen3-VL backbone whose last prompt token is the embedding.

Sources: prompt, instructions, pixel limits, pooling, and videos (one frame a second, at most 64, before images and
text) from the model's public card and its `Qwen3VLEmbedder` script (github.com/QwenLM/Qwen3-VL-Embedding,
src/models/qwen3_vl_embedding.py, January 2026); frames and their sizes from the reader that it calls, qwen_vl_utils
0.0.14; token filter from the SMART authors' public code. An input of nothing is `NULL`. An empty text is too, as in the
first release of the script; the newer one and the authors' evaluation of projections give an empty turn.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from transformers import Qwen3VLProcessor

from smart_train.models.families.vision_language import VisionLanguageFamily
from smart_train.models.family import Role
from smart_train.types import ModelInput

EMPTY_INPUT = "NULL"  # what the model was trained to see in place of an input with no text and no image


class Qwen3VLEmbedding(VisionLanguageFamily):
    """System turn = instruction; user turn = video, images, then text; generation prompt; pooled = last valid token."""

    name = "qwen3_vl_embedding"
    model_types = ("qwen3_vl",)
    processor_class = Qwen3VLProcessor
    video_placeholder = "<|video_pad|>"
    default_query_instruction = "Find a document image that matches the given query."
    default_document_instruction = "Represent the user's input."
    patch = 32  # pixels per visual token side: 16-pixel patches, merged 2 x 2
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 1800 * patch * patch
    pooling = "last"
    transformers_alone = True

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        return self.chat(self._messages(item, text, role), generation_prompt=True)

    def conversation(self, item: ModelInput, role: Role) -> list[dict[str, Any]]:
        return self._messages(item, self._defuse(item.text or ""), role)

    def _messages(self, item: ModelInput, text: str, role: Role) -> list[dict[str, Any]]:
        content: list[dict[str, str]] = [{"type": "video"}] if item.video is not None else []
        content += [{"type": "image"} for _ in item.images]
        if text or not content:
            content.append({"type": "text", "text": text or EMPTY_INPUT})
        return [
            {"role": "system", "content": [{"type": "text", "text": self._system(item, role)}]},
            {"role": "user", "content": content},
        ]

    def embedder_prompt(self, role: Role) -> str:
        return self._system(ModelInput(), role)

    def _system(self, item: ModelInput, role: Role) -> str:
        return punctuated(self.instruction(item, role) or self.default_document_instruction)


def punctuated(instruction: str) -> str:
    """The instruction, closed by a full stop when it ends in no punctuation."""
    instruction = instruction.strip()
    if instruction and not unicodedata.category(instruction[-1]).startswith("P"):
        instruction += "."
    return instruction
