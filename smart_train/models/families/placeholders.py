"""Late-only families whose tokenizer and image processor stand apart: `<image>` in a prompt, and what stands for it.

A family adds its prompt, the text that an image of a size becomes, and how pixels are read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor

from smart_train.errors import ModelError, first_line
from smart_train.inputs.images import load_images
from smart_train.models.families.pixel_levels import PIXEL_LEVELS, every_level
from smart_train.models.families.projected_tokens import ProjectedTokens
from smart_train.models.family import Features, Role
from smart_train.models.image_sizes import Size
from smart_train.models.pixels import compacted, expanded
from smart_train.models.processing import load_tokenizer, special_ids
from smart_train.models.prompt_length import shortened
from smart_train.models.slicing import IMAGE_COUNTS
from smart_train.types import ModelInput

IMAGE = "<image>"  # one in a prompt for each image; in the tokens, one for each visual token


class ImagePlaceholders(ProjectedTokens):
    """Images and text in one prompt, padded right, by a tokenizer whose `<image>` is the backbone's."""

    modalities = ("text", "image")
    runs_own_code = False
    image_processor_class: ClassVar[Any] = AutoImageProcessor

    @cached_property
    def tokenizer(self) -> Any:
        tokenizer = load_tokenizer(self.folder)
        self.check_tokenizer(tokenizer)
        image_id, needed = tokenizer.get_vocab().get(IMAGE), self.config.image_token_id
        if image_id != needed:
            raise ModelError(
                f"{self.folder}: its tokenizer has id {image_id} for {IMAGE}, but config.json says {needed}; put back "
                "the tokenizer that was saved with the model"
            )
        return tokenizer

    @abstractmethod
    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raises ModelError where `tokenizer` lacks a token that prompts hold."""

    @cached_property
    def image_processor(self) -> Any:
        try:
            processor = self.image_processor_class.from_pretrained(self.folder)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{self.folder}: the image processor cannot be loaded ({first_line(error)}); copy the model's own "
                "preprocessor_config.json there"
            ) from error
        side = self.config.vision_config.image_size
        if made := self.other_size(processor, side):
            raise ModelError(
                f"{self.folder}: its image processor makes {made}, but the model reads {side} x {side} pixels; put "
                "back the preprocessor_config.json that was saved with the model"
            )
        return processor

    @abstractmethod
    def other_size(self, processor: Any, side: int) -> str:
        """What `processor` makes that the backbone, which reads `side` x `side` pixels, does not read; "": nothing."""

    @cached_property
    def config(self) -> Any:
        """The backbone's configuration in this folder."""
        try:
            config = AutoConfig.from_pretrained(self.folder)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{self.folder}: config.json cannot be read ({first_line(error)})") from error
        return getattr(config, "vlm_config", config)

    @cached_property
    def special_ids(self) -> Tensor:
        return special_ids(self.tokenizer)

    @cached_property
    def visual_ids(self) -> Tensor:
        return torch.tensor([self.tokenizer.convert_tokens_to_ids(IMAGE)], dtype=torch.int64)

    @abstractmethod
    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        """The prompt of `item`, whose text is given apart, safe to put into it; one `<image>` per image."""

    @abstractmethod
    def image_text(self, size: Size) -> str:
        """What an image of `size` is in the tokenizer's text: one `<image>` for each visual token, and what is around
        them."""

    @abstractmethod
    def read_images(self, images: Sequence[Image.Image]) -> Features:
        """The features that `visual_fields` names of one RGB image or more."""

    @abstractmethod
    def read_small(self, image: Image.Image) -> Tensor:
        """fp32 [3, H, W]: what `image_processor` makes of an image that it neither resizes nor cuts."""

    @cached_property
    def _levels(self) -> Tensor:
        return self.read_small(every_level()).flatten(1)

    def compact(self, features: Features) -> Features:
        pixels = features.get("pixel_values")
        codes = None if pixels is None else compacted(pixels.flatten(1), self._levels, 1)
        if pixels is None or codes is None:
            return features
        (visual,) = self.visual_fields
        images = len(features[visual.grids]) if visual.grids else len(pixels)
        return {**features, "pixel_values": codes.view_as(pixels), PIXEL_LEVELS: self._levels.repeat(images, 1, 1)}

    def expand(self, features: Features) -> Features:
        if PIXEL_LEVELS not in features:
            return features
        codes = features["pixel_values"]
        pixels = expanded(codes.flatten(1), features[PIXEL_LEVELS][0], 1).view_as(codes)
        return {**{name: features[name] for name in features if name != PIXEL_LEVELS}, "pixel_values": pixels}

    def render(self, item: ModelInput, role: Role) -> str:
        self.check_modalities(item)
        return self.prompt(item, self._defuse(item.text or ""), role)

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        prompts = [self.render(item, role) for item in inputs]
        images = load_images([image for item in inputs for image in item.images])
        sizes = [image.size for image in images]
        features = self._tokenize(prompts, sizes)
        mask = features["attention_mask"]
        if mask.shape[1] > self.max_length:
            prompts = [
                shortened(self, item, role, length=int(mask[row].sum()), text=self._defuse(item.text or ""))
                for row, item in enumerate(inputs)
            ]
            features = self._tokenize(prompts, sizes)
        features[IMAGE_COUNTS] = torch.tensor([len(item.images) for item in inputs], dtype=torch.int64)
        if images:
            features |= self.read_images(images)
        features["token_mask"] = self.kept_tokens(features, role, None)
        return features

    def token_count(self, item: ModelInput, role: Role, image_sizes: Sequence[tuple[int, int]]) -> int:
        text = self._expanded(self.render(item, role), iter(image_sizes))
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def visual_tokens(self, image_sizes: Sequence[tuple[int, int]]) -> int:
        return sum(self.image_text(size).count(IMAGE) for size in image_sizes)

    def _tokenize(self, prompts: list[str], sizes: Sequence[Size]) -> Features:
        """Ids and mask, padded right, of prompts that hold images of `sizes`, one after another."""
        left = iter(sizes)
        features = self.tokenizer(
            [self._expanded(prompt, left) for prompt in prompts],
            padding=True,
            add_special_tokens=False,
            return_token_type_ids=False,
            return_tensors="pt",
        )
        return dict(features)

    def _expanded(self, prompt: str, sizes: Any) -> str:
        """`prompt` with the text of each image, whose sizes come next from the iterator `sizes`."""
        first, *others = prompt.split(IMAGE)
        return first + "".join(self.image_text(next(sizes)) + part for part in others)

    def _defuse(self, text: str) -> str:
        """User text in which the model's control tokens are plain characters again: one `<image>` more would claim
        another image's features."""
        for token in self.tokenizer.added_tokens_decoder.values():
            if token.special and token.content in text:
                text = text.replace(token.content, f"{token.content[0]} {token.content[1:]}")
        return text
