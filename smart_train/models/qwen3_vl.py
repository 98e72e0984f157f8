"""Qwen3-VL-Embedding (2B, 8B): a Qwen3-VL backbone whose last prompt token is the embedding.

Sources: prompt, instructions, pixel limits and pooling from the model's public card and its `Qwen3VLEmbedder` script;
token filter from the SMART authors' public code; all restated in `docs/families.md`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen3VLProcessor

from smart_train.errors import ModelError
from smart_train.media import load_image
from smart_train.models.family import Family, Features, Role, token_filter
from smart_train.models.processing import load_processor, special_ids
from smart_train.models.slicing import IMAGE_COUNTS
from smart_train.types import ModelInput

EMPTY_INPUT = "NULL"  # what the model was trained to see in place of an input with no text and no image


class Qwen3VLEmbedding(Family):
    """System turn = instruction; user turn = images, then text; generation prompt; pooled = last valid token."""

    name = "qwen3_vl_embedding"
    model_types = ("qwen3_vl",)
    lora_targets = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    vision_modules = ("visual",)
    modalities = ("text", "image")
    default_query_instruction = "Find a document image that matches the given query."
    default_document_instruction = "Represent the user's input."
    patch = 32  # pixels per visual token side: 16-pixel patches, merged 2 x 2
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 1800 * patch * patch

    @cached_property
    def processor(self) -> Any:
        return load_processor(
            self.folder,
            Qwen3VLProcessor,
            min_pixels=self.prompts.min_pixels or self.default_min_pixels,
            max_pixels=self.prompts.max_pixels or self.default_max_pixels,
        )

    @cached_property
    def special_ids(self) -> Tensor:
        return special_ids(self.processor.tokenizer)

    @cached_property
    def visual_ids(self) -> Tensor:
        return torch.tensor([self.processor.image_token_id, self.processor.video_token_id], dtype=torch.int64)

    def render(self, item: ModelInput, role: Role) -> str:
        self.check_modalities(item)
        content: list[dict[str, str]] = [{"type": "image"} for _ in item.images]
        text = self._defuse(item.text or "")
        if text or not content:
            content.append({"type": "text", "text": text or EMPTY_INPUT})
        instruction = _punctuated(self.instruction(item, role) or self.default_document_instruction)
        messages = [
            {"role": "system", "content": [{"type": "text", "text": instruction}]},
            {"role": "user", "content": content},
        ]
        if not self.processor.chat_template:
            raise ModelError(f"{self.folder}: no chat template; the folder needs chat_template.jinja")
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        images = [load_image(image) for item in inputs for image in item.images]
        prompts = [self.render(item, role) for item in inputs]
        features = self._tokenize(prompts, images)
        if features["attention_mask"].shape[1] > self.max_length:
            prompts = [self._shorten(item, role, features, row) for row, item in enumerate(inputs)]
            features = self._tokenize(prompts, images)
        keep = self.scoring.query_tokens if role == "query" else self.scoring.document_tokens
        features[IMAGE_COUNTS] = torch.tensor([len(item.images) for item in inputs], dtype=torch.int64)
        features["pooled_index"] = features["attention_mask"].sum(dim=1) - 1
        features["token_mask"] = token_filter(
            features["input_ids"],
            features["attention_mask"],
            features["pooled_index"],
            keep=keep,
            pooled_token=self.scoring.pooled_token,
            special_ids=self.special_ids,
            visual_ids=self.visual_ids,
        )
        return features

    def _tokenize(self, prompts: list[str], images: list[Any]) -> Features:
        features = self.processor(text=prompts, images=images or None, padding=True, return_tensors="pt")
        return dict(features)

    def _shorten(self, item: ModelInput, role: Role, features: Features, row: int) -> str:
        """The prompt of `item` with its text cut so that the row fits `max_length`; visual tokens are never cut."""
        excess = int(features["attention_mask"][row].sum()) - self.max_length
        if excess <= 0:
            return self.render(item, role)
        tokenizer = self.processor.tokenizer
        tokens = tokenizer(self._defuse(item.text or ""), add_special_tokens=False)["input_ids"]
        # Four tokens of slack: cut text may merge differently with what follows it.
        kept = tokens[: len(tokens) - excess - 4]
        if len(tokens) - excess - 4 <= 0:
            raise ModelError(
                f"an input needs {excess + self.max_length} tokens of which only {len(tokens)} are its text, more than "
                f"model.max_length {self.max_length}: raise model.max_length or lower model.max_pixels"
            )
        cut = ModelInput(tokenizer.decode(kept), item.images, item.video, item.instruction)
        return self.render(cut, role)

    def _defuse(self, text: str) -> str:
        """User text in which the model's control tokens are plain characters again: a page's text layer may quote one,
        and an extra `<|image_pad|>` would claim another image's features. Refusing the text was rejected: one such page
        would stop a corpus."""
        for token in self._control_tokens:
            if token in text:
                text = text.replace(token, token.replace("<|", "< |"))
        return text

    @property
    def _control_tokens(self) -> list[str]:
        decoder = self.processor.tokenizer.added_tokens_decoder
        return [token.content for token in decoder.values() if token.special and token.content.startswith("<|")]


def _punctuated(instruction: str) -> str:
    """The instruction, closed by a full stop when it ends in no punctuation."""
    instruction = instruction.strip()
    if instruction and not unicodedata.category(instruction[-1]).startswith("P"):
        instruction += "."
    return instruction
