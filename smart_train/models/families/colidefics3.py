"""ColSmol (Idefics3 with SmolVLM's weights, 256M and 500M): a projection of every token, late interaction alone.

Sources: `ColIdefics3` and `ColIdefics3Processor` of github illuin-tech/colpali (colpali_engine/models/idefics3) at
b983e40, the commit that the cards of vidore/colSmol-256M and -500M name (releases 0.3.6 to 0.3.8 have the same code):
the prefix `Query: `, ten `<end_of_utterance>` and a newline after a query; a page as SmolVLM's chat template writes a
user turn of "Describe the image." and an image, in that order, without the newline at its end; a linear map with bias
of the last state to 128 numbers; no token left out of the score. A text as a document stands alone, as in
`process_texts` of release 0.3.11 and later. Releases from 0.3.9 on put the image first, and from 0.3.11 on end a page
with "Assistant:" and leave prefix and newline of a query out; the weights did not see such prompts.

A page is cut into tiles, each an image of its own for the vision tower, and the page as a whole is one more: sizes,
Lanczos resizing and the text around tiles are those of transformers' `Idefics3Processor`.

That code reads queries of text and pages of one image. Text beside an image and several images are read in the form of
a page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import Idefics3ImageProcessorPil

from smart_train.errors import ModelError
from smart_train.models.families.pixel_levels import PIXEL_LEVELS
from smart_train.models.families.placeholders import IMAGE, ImagePlaceholders
from smart_train.models.family import Features, Role, VisionShape
from smart_train.models.image_boxes import grid_boxes
from smart_train.models.image_sizes import Size
from smart_train.models.slicing import IMAGE_TILES, TILE_ROWS, VisualFields
from smart_train.types import ModelInput

_HEAD = "linear"
_END, _AROUND, _WHOLE = "<end_of_utterance>", "<fake_token_around_image>", "<global-img>"
_MOST = 4096  # pixels of a side, whatever the files say


class ColIdefics3(ImagePlaceholders):
    """A query's text behind a prefix, ten closing tokens behind it; images in a user turn, after the request to
    describe them. An instruction is a prefix."""

    name = "colidefics3"
    model_types = ("idefics3",)
    line = "ColIdefics3"
    engine_classes = {"idefics3": "ColIdefics3"}
    example_base = "vidore/ColSmolVLM-Instruct-256M-base"
    token_head = _HEAD
    saved_heads = (_HEAD,)
    own_weights = (f"{_HEAD}.",)
    lora_targets = r".*text_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    vision_modules = ("vision_model", "connector")
    visual_fields = (VisualFields("image", "pixel_values", IMAGE_TILES, (TILE_ROWS, PIXEL_LEVELS)),)
    checkpoint_layout = (
        ("text_model.", "model.text_model."),
        ("vision_model.", "model.vision_model."),
        ("connector.", "model.connector."),
        (f"{_HEAD}.", f"{_HEAD}."),
    )
    default_query_instruction = "Query"
    # By Pillow also where torchvision is installed: the weights were trained so, and older releases of torchvision have
    # no Lanczos.
    image_processor_class = Idefics3ImageProcessorPil

    @classmethod
    def check_config(cls, config: Any) -> None:
        text = config.get_text_config().model_type
        if text != "llama":
            raise ModelError(f"text_config.model_type {text!r}: {cls.name} reads Idefics3 over llama")

    def check_tokenizer(self, tokenizer: Any) -> None:
        vocabulary = tokenizer.get_vocab()
        for token in (_END, _AROUND):
            if token not in vocabulary:
                raise ModelError(f"{self.folder}: its tokenizer has no {token}, which {self.name} puts into prompts")

    def other_size(self, processor: Any, side: int) -> str:
        tile = processor.max_image_size["longest_edge"]
        return "" if tile == side else f"tiles of {tile} pixels"

    @property
    def _across(self) -> int:
        """Tokens of a tile, in each direction."""
        return self.config.vision_config.image_size // self.config.vision_config.patch_size // self.config.scale_factor

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        if item.images:
            return f"<|im_start|>User: {text or 'Describe the image.'}{IMAGE * len(item.images)}{_END}"
        if role == "document":
            return text or _END
        prefix = self.instruction(item, role)
        return f"{prefix}: {text}{_END * 10}\n" if prefix else f"{text}{_END * 10}\n"

    def image_text(self, size: Size) -> str:
        tokens = IMAGE * self._across**2
        rows, columns = self.tiles(size)
        lines = [
            "".join(f"{_AROUND}<row_{row}_col_{column}>{tokens}" for column in range(1, columns + 1)) + "\n"
            for row in range(1, rows + 1)
        ]
        end = f"{_AROUND}{_WHOLE}{tokens}{_AROUND}"
        return "".join(lines) + "\n" + end if lines else end

    def tiles(self, size: Size) -> tuple[int, int]:
        """Rows and columns of the tiles that an image of `size` is cut into, beside the image as a whole; (0, 0): it is
        read as a whole alone."""
        processor = self.image_processor
        if not processor.do_image_splitting:
            return 0, 0
        side = processor.max_image_size["longest_edge"]
        width, height = self._resized(size) if processor.do_resize else size
        aspect = width / height
        # The longer side to whole tiles first: it changes the other one where the longest edge is not one of these.
        if width >= height:
            columns = math.ceil(width / side)
            rows = math.ceil(int(columns * side / aspect) / side)
        else:
            rows = math.ceil(height / side)
            columns = math.ceil(int(rows * side * aspect) / side)
        return (rows, columns) if max(rows, columns) > 1 else (0, 0)

    def _resized(self, size: Size) -> Size:
        """The size with the processor's longest edge: the shorter one even, rounded down first."""
        width, height = size
        aspect, longest = width / height, self.image_processor.size["longest_edge"]
        shorter = int(longest / aspect) if width >= height else int(longest * aspect)
        shorter = max(shorter + shorter % 2, 1)
        if longest > _MOST:
            aspect = longest / shorter
            longest, shorter = _MOST, max(int(_MOST / aspect), 1)
        return (longest, shorter) if width >= height else (shorter, longest)

    def read_images(self, images: Sequence[Image.Image]) -> Features:
        # One at a time: together, the processor would pad all of them to the one with the most tiles.
        parts = [self.image_processor([image], do_pad=False, return_tensors="pt")["pixel_values"] for image in images]
        rows = [self.tiles(image.size)[0] for image in images]
        return {
            "pixel_values": torch.cat([part.transpose(0, 1) for part in parts]),  # fp32 [tiles, 1, 3, side, side]
            IMAGE_TILES: torch.tensor([[part.shape[1]] for part in parts], dtype=torch.int64),
            TILE_ROWS: torch.tensor(rows, dtype=torch.int64),
        }

    def read_small(self, image: Image.Image) -> Tensor:
        # Where it is not cut, it is brought to a tile's size.
        whole = {"do_resize": False, "do_image_splitting": False, "max_image_size": {"longest_edge": image.width}}
        return self.image_processor([image], do_pad=False, return_tensors="pt", **whole)["pixel_values"][0, 0]

    def image_boxes(self, features: Features) -> list[Tensor]:
        if IMAGE_TILES not in features:
            return []
        whole, boxes = grid_boxes(self._across, self._across), []
        for count, rows in zip(features[IMAGE_TILES].flatten().tolist(), features[TILE_ROWS].tolist(), strict=True):
            columns = (count - 1) // max(rows, 1)
            # The tiles' places on the image are an even grid too: left, top, right and bottom of each.
            tiles = [
                torch.cat([start + whole[:, :2] * (end - start), start + whole[:, 2:] * (end - start)], dim=1)
                for start, end in grid_boxes(rows, columns).view(-1, 2, 2)
            ]
            boxes.append(torch.cat([*tiles, whole]))
        return boxes

    def patches(self, features: Features) -> int:
        vision = self.config.vision_config
        return len(features.get("pixel_values", ())) * (vision.image_size // vision.patch_size) ** 2

    def vision_shape(self, config: Any) -> VisionShape:
        vision = config.vision_config
        return VisionShape(
            layers=vision.num_hidden_layers,
            width=vision.hidden_size,
            inner=vision.intermediate_size,
            patch_numbers=vision.num_channels * vision.patch_size**2,
            output_numbers=config.get_text_config().hidden_size / config.scale_factor**2,
        )

    def fit_image(self, image: Image.Image) -> Image.Image:
        # Not to whole tiles: what this size gives is made whole again, bit for bit.
        processor = self.image_processor
        return image.resize(self._resized(image.size), processor.resample) if processor.do_resize else image

    @property
    def image_settings(self) -> str:
        processor = self.image_processor
        return f"{type(processor).__name__} {dict(processor.size)} {processor.resample}"
