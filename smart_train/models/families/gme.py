"""GME-Qwen2-VL (2B, 7B): a Qwen2-VL backbone, its own prompt, closed by `<|endoftext|>`, whose state is the embedding.

Sources: prompt, default instruction, limits and pooling from `gme_inference.py` of Alibaba-NLP/gme-Qwen2-VL-2B-Instruct
(also in github.com/TIGER-AI-Lab/VLM2Vec, src/model/baseline_backbone/gme); that script hands input embeddings to the
language model without positions, hence the plain ones; it resizes an image and then lets its processor resize it again.
Text-only filter on the query side: the SMART authors' public
code, eval_gme_late_interaction.py. The default query instruction is the one of their visual-document evaluation. GME's
script reads no video; its backbone does, and a video stands where an image would. The repository's newer code,
modeling_gme_qwen2vl.py, does the same in a class that refuses transformers from 4.52 on; it is not run.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from transformers import Qwen2VLProcessor

from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VIDEO, VISION, VisionLanguageFamily
from smart_train.models.family import Role
from smart_train.models.image_sizes import Size, fitted_size
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput

_SCRIPTS = ("gme_inference.py", "modeling_gme_qwen2vl.py")
_SCRIPT_TOKENS = (4, 16384)  # least and most of an image, when the script resizes it
_MAX_ASPECT = 200  # of what the first step makes of a thin image: its processor refuses more


class GME(VisionLanguageFamily):
    """System turn = instruction; user turn = video, images, text; the assistant's turn holds `<|endoftext|>` alone."""

    name = "gme"
    model_types = ("qwen2_vl",)
    processor_class = Qwen2VLProcessor
    plain_positions = True
    checkpoint_layout = QWEN2_VL_LAYOUT
    default_scoring = ScoringConfig(query_tokens="text")
    default_query_instruction: ClassVar[str | None] = "Find a document image that matches the given query."
    default_document_instruction = "You are a helpful assistant."
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    default_min_pixels = 256 * patch * patch
    default_max_pixels = 1280 * patch * patch
    default_max_length = 1800
    pooling = "last"

    @classmethod
    def claims(cls, folder: Path) -> bool:
        # Its folders bring their script; a Qwen2-VL without it may be anything.
        return any((folder / name).is_file() for name in _SCRIPTS)

    def image_size(self, size: Size) -> Size:
        # What the script does before its processor does the like with closer bounds: a side that was rounded first is
        # reduced to another count of tokens than the page's own side.
        least, most = (tokens * self.patch**2 for tokens in _SCRIPT_TOKENS)
        return within_aspect(fitted_size(size, factor=self.patch, min_pixels=least, max_pixels=most))

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        instruction = self.instruction(item, role) or self.default_document_instruction
        user = VIDEO * (item.video is not None) + VISION * len(item.images) + text
        return (
            f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
            "<|im_start|>assistant\n<|endoftext|>"
        )


def within_aspect(size: Size) -> Size:
    """`size` with its long side cut where the aspect is more than the processor reads."""
    width, height = size
    return min(width, _MAX_ASPECT * height), min(height, _MAX_ASPECT * width)
