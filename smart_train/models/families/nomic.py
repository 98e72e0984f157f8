"""nomic-embed-multimodal (3B, 7B; LoRA over Qwen2.5-VL): the state of a closing `<|endoftext|>` is the embedding.

Sources: `BiQwen2_5` and `BiQwen2_5_Processor` of github illuin-tech/colpali, release 0.3.10, colpali_engine/models/
qwen2_5 (prefix `Query: ` and one closing token for queries, the prompt of a page, Qwen2.5-VL's own positions, last
state). The model's authors added both in April 2025, when it was published. From release 0.3.11 on, the same class
leaves the prefix out and closes a query with ten such tokens, which the weights did not see. Pixel bounds from the
model's preprocessor_config.json; its processor alone resizes images.

That code reads queries and pages. Texts as documents, text beside an image, several images and videos are read here in
the same form.
"""

from __future__ import annotations

from pathlib import Path

from transformers import Qwen2_5_VLProcessor

from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VIDEO, VISION, VisionLanguageFamily
from smart_train.models.family import Role
from smart_train.models.image_sizes import Size
from smart_train.models.reading import read_json
from smart_train.types import ModelInput

_END = "<|endoftext|>"


class NomicMultimodal(VisionLanguageFamily):
    """A query's text behind a prefix; visuals in a user turn that asks to describe them. An instruction is a prefix."""

    name = "nomic_embed_multimodal"
    model_types = ("qwen2_5_vl",)
    processor_class = Qwen2_5_VLProcessor
    checkpoint_layout = QWEN2_VL_LAYOUT
    default_query_instruction = "Query"
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 768 * patch * patch
    pooling = "last"

    @classmethod
    def claims(cls, folder: Path) -> bool:
        settings = read_json(folder / "preprocessor_config.json") or {}
        return settings.get("processor_class") == "BiQwen2_5_Processor"

    def image_size(self, size: Size) -> Size:
        return size  # the published code knows no reader but its processor

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        if item.video is None and not item.images:
            prefix = self.instruction(item, role)
            return f"{prefix}: {text}{_END}" if prefix else f"{text}{_END}"
        request = text or f"Describe the {'image' if item.video is None else 'video'}."
        user = VIDEO * (item.video is not None) + VISION * len(item.images) + request
        return f"<|im_start|>user\n{user}<|im_end|>{_END}"
