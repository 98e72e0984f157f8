"""MoCa (3B, 7B; Qwen2.5-VL): every token sees all others, and the mean of all their states is the embedding.

Sources, all in github.com/haon-chen/MoCa at e41be9e: attention and pooling from src/vlm_backbone/qwen2_5_vl_embed/
qwen2_5_vl_embed.py (`is_causal` is False in each decoder layer; where that is so, the mean over the attention mask is
pooled, markers included, and the option `--pooling last` of the scripts changes nothing); pixel bounds from
scripts/eval_mmeb.sh, as in training; sides under a token from `_process_image` of src/dataset.py. Qwen2.5-VL's own
positions.

Prompts are those of its two evaluations. evaluation/vidore_benchmark/moca_qwen25_retriever.py reads a query's text
alone, and a page as the image, a newline and the request below. eval.py reads MMEB's rows: image, newline, instruction,
text, and a last newline. Its demo.py and the harness mteb write no newline behind the image, and one at the end of
every prompt with an image: rejected, since the published figures are of the two evaluations.

Texts with an image as documents, several images and videos are read here in the same form.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn
from transformers import Qwen2_5_VLProcessor

from smart_train.models.attention import attend_both_ways
from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VIDEO, VISION, VisionLanguageFamily
from smart_train.models.family import Features, Role
from smart_train.models.image_sizes import Size
from smart_train.models.reading import read_json
from smart_train.types import ModelInput

_PUBLISHED_CLASS = "Qwen2_5ForEmbedding"


class MoCa(VisionLanguageFamily):
    """Visuals, a newline, instruction, text. A newline closes a query that has an instruction."""

    name = "moca"
    model_types = ("qwen2_5_vl",)
    processor_class = Qwen2_5_VLProcessor
    checkpoint_layout = QWEN2_VL_LAYOUT
    base_obstacle = "in its base, as transformers reads it, a token sees only those before it"
    page_instruction = "Represent the given document image."
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    default_min_pixels = 256 * patch * patch
    default_max_pixels = 1024 * patch * patch
    pooling = "mean"

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return _PUBLISHED_CLASS in ((read_json(folder / "config.json") or {}).get("architectures") or [])

    @classmethod
    def image_reading(cls) -> str:
        return f"{super().image_reading()}, every token sees all others"

    def image_size(self, size: Size) -> Size:
        width, height = size
        return max(width, self.patch), max(height, self.patch)

    def instruction(self, item: ModelInput, role: Role) -> str | None:
        instruction = super().instruction(item, role)
        return self.page_instruction if instruction is None and role == "document" and item.images else instruction

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        visuals = VIDEO * (item.video is not None) + VISION * len(item.images)
        instruction = self.instruction(item, role)
        words = " ".join(part for part in (instruction, text) if part)
        prompt = "\n".join(part for part in (visuals, words) if part)
        # An input of nothing still needs a token whose state can be read.
        return f"{prompt}\n" if instruction and role == "query" else prompt or "\n"

    def pooled_positions(self, features: Features) -> Features:
        return {"pooled_mask": features["attention_mask"].bool()}

    def fit_backbone(self, backbone: nn.Module) -> None:
        super().fit_backbone(backbone)
        attend_both_ways(backbone.get_submodule("language_model"))
