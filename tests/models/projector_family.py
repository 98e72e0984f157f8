"""A backbone of another line than Qwen's: PaliGemma's classes of transformers (SigLIP's tower, a projector, Gemma).

Every image is a fixed number of tokens, its pixels are one row of a tensor of whole images, there is no grid, and no
processor around tokenizer and image processor. The family needs nothing but this file and `register_family`. It is for
tests alone: which prompt and which state a published retriever of this line was trained with is not said here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from tokenizers import AddedToken
from torch import Tensor

from smart_train.errors import ModelError
from smart_train.inputs.images import load_images
from smart_train.models import Family
from smart_train.models.family import Features, Role, VisionShape, last_valid
from smart_train.models.image_boxes import grid_boxes
from smart_train.models.processing import require_tokenizer, special_ids
from smart_train.models.reading import read_json
from smart_train.models.slicing import IMAGE_COUNTS, VisualFields
from smart_train.types import ModelInput
from tests.models.conftest import TINY

IMAGE, START = "<image>", "<bos>"
SIDE, PATCH = 42, 14  # pixels: 3 x 3 tokens an image


class ProjectorFamily(Family):
    """Images, `<bos>`, instruction and text, a line break, whose state is the embedding."""

    name = "projector"
    model_types = ("paligemma",)
    lora_targets = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    vision_modules = ("vision_tower", "multi_modal_projector")
    modalities = ("text", "image")
    visual_fields = (VisualFields("image", "pixel_values"),)
    default_max_length = 512

    @cached_property
    def tokenizer(self) -> Any:
        require_tokenizer(self.folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder)
        tokenizer.padding_side = "right"
        return tokenizer

    @cached_property
    def image_processor(self) -> Any:
        return transformers.AutoImageProcessor.from_pretrained(self.folder)

    @cached_property
    def special_ids(self) -> Tensor:
        return special_ids(self.tokenizer)

    @cached_property
    def visual_ids(self) -> Tensor:
        return torch.tensor([self.tokenizer.convert_tokens_to_ids(IMAGE)])

    @cached_property
    def image_tokens(self) -> int:
        """Of every image, whatever its size."""
        vision = (read_json(Path(self.folder, "config.json")) or {})["vision_config"]
        return (vision["image_size"] // vision["patch_size"]) ** 2

    def render(self, item: ModelInput, role: Role) -> str:
        self.check_modalities(item)
        words = [part.replace(IMAGE, "< image>") for part in (self.instruction(item, role), item.text) if part]
        return f"{IMAGE * len(item.images)}{START}{' '.join(words)}\n"

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        longest = max(self.visual_tokens([(SIDE, SIDE)] * len(item.images)) for item in inputs)
        if longest + 2 > self.max_length:
            raise ModelError(f"an input has {longest} image tokens, more than model.max_length {self.max_length} holds")
        prompts = [self.render(item, role).replace(IMAGE, IMAGE * self.image_tokens) for item in inputs]
        features = dict(
            self.tokenizer(prompts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        )
        mask = features["attention_mask"]
        # As the class numbers them where nothing is padded: from 1 on.
        features["position_ids"] = mask.cumsum(dim=1)
        # 0: of the prompt, in which tokens attend both ways. Without it, a batch without padding is read causally.
        features["token_type_ids"] = torch.zeros_like(mask)
        images = load_images([image for item in inputs for image in item.images])
        if images:
            features["pixel_values"] = self.image_processor(images, return_tensors="pt")["pixel_values"]
        features[IMAGE_COUNTS] = torch.tensor([len(item.images) for item in inputs])
        features["pooled_index"] = last_valid(mask)
        features["token_mask"] = self.kept_tokens(features, role, features["pooled_index"])
        return features

    def token_count(self, item: ModelInput, role: Role, image_sizes: Sequence[tuple[int, int]]) -> int:
        text = len(self.tokenizer(self.render(item, role))["input_ids"])
        return text - len(image_sizes) + self.visual_tokens(image_sizes)

    def visual_tokens(self, image_sizes: Sequence[tuple[int, int]]) -> int:
        return len(image_sizes) * self.image_tokens

    def image_boxes(self, features: Features) -> list[Tensor]:
        side = SIDE // PATCH
        return [grid_boxes(side, side) for _ in features.get("pixel_values", ())]

    def patches(self, features: Features) -> int:
        return len(features.get("pixel_values", ())) * self.image_tokens

    def vision_shape(self, config: Any) -> VisionShape:
        vision = config.vision_config
        return VisionShape(
            layers=vision.num_hidden_layers,
            width=vision.hidden_size,
            inner=vision.intermediate_size,
            patch_numbers=vision.num_channels * vision.patch_size**2,
            output_numbers=config.get_text_config().hidden_size,
        )

    def fit_image(self, image: Image.Image) -> Image.Image:
        made = self.image_processor(image, do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"][0]
        return Image.fromarray(made.to(torch.uint8).permute(1, 2, 0).numpy())

    @property
    def image_settings(self) -> str:
        return f"{type(self.image_processor).__name__} {dict(self.image_processor.size)}"


def projector_folder(folder: Path) -> Path:
    """A folder without weights: PaliGemma's configuration, a tokenizer with its tokens, SigLIP's image processor."""
    folder.mkdir(parents=True)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(TINY / "tokenizer.json"), pad_token="<|endoftext|>", model_max_length=512
    )
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in (IMAGE, START)])
    tokenizer.save_pretrained(folder)
    text = {"model_type": "gemma", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": len(tokenizer)}
    config = transformers.PaliGemmaConfig(
        text_config={
            **text,
            **heads,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            "eos_token_id": None,
        },
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        projection_dim=32,
        hidden_size=32,
        vocab_size=len(tokenizer),
    )
    config.architectures = ["PaliGemmaForConditionalGeneration"]
    config.save_pretrained(folder)
    images = {
        "image_processor_type": "SiglipImageProcessor",
        "size": {"height": SIDE, "width": SIDE},
        "do_resize": True,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    return folder
