"""ColQwen2 and ColQwen2.5 (Qwen2-VL 2B, Qwen2.5-VL 3B): a projection of every token, late interaction alone.

Sources: `ColQwen2`, `ColQwen2_5` and their processors of github illuin-tech/colpali (colpali_engine/models), releases
0.3.4 to 0.3.10, with which vidore/colqwen2-v1.0 and vidore/colqwen2.5-v0.2 were trained: the prefix `Query: `, ten
`<|endoftext|>` after a query, the prompt of a page, the backbone's own positions, a linear map with bias of the last
state to 128 numbers, no token left out of the score. Least and most tokens of a page: the README of that repository
and the processor of Qwen2-VL. A text as a document stands alone, as in `process_texts` of release 0.3.11 and later.

Folders of colpali-engine and of transformers' `ColQwen2ForRetrieval` (`projected_tokens.py`) are both read as the
weights were trained. transformers' own code differs from that: its processor appends a newline to a query, one more
token, and its class, from release 5 on, numbers image tokens like words.

That code reads queries of text and pages of one image. Text beside an image and several images are read in the form of
a page.
"""

from __future__ import annotations

from transformers import Qwen2VLProcessor

from smart_train.models.families.projected_tokens import HEAD, ProjectedTokens
from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VISION, VisionLanguageFamily
from smart_train.models.family import Role
from smart_train.models.image_sizes import Size
from smart_train.types import ModelInput

# Names of the backbone's weights within transformers' class, which have changed with its releases -> their own.
_OF_TRANSFORMERS = {
    r"^vlm\.(model\.)?visual\.": "visual.",
    r"^vlm\.(model\.)?language_model\.": "language_model.",
    r"^vlm\.model\.(?=embed_tokens|layers|norm)": "language_model.",
}
_END = "<|endoftext|>"


class ColQwen(ProjectedTokens, VisionLanguageFamily):
    """A query's text behind a prefix, ten closing tokens behind it; images in a user turn that asks to describe them.
    An instruction is a prefix."""

    name = "colqwen"
    model_types = ("qwen2_vl", "qwen2_5_vl", "colqwen2")
    processor_class = Qwen2VLProcessor
    modalities = ("text", "image")
    line = "ColQwen"
    engine_classes = {"qwen2_vl": "ColQwen2", "qwen2_5_vl": "ColQwen2_5"}
    example_base = "vidore/colqwen2-base"
    unused_weights = ("lm_head.", "vlm.lm_head.")
    wrappers = {"colqwen2": ("vlm_config", _OF_TRANSFORMERS)}
    checkpoint_layout = (*QWEN2_VL_LAYOUT, (HEAD, HEAD))
    default_query_instruction = "Query"
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 768 * patch * patch

    def image_size(self, size: Size) -> Size:
        return size  # the published code knows no reader but its processor

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        if item.images:
            request = text or "Describe the image."
            return f"<|im_start|>user\n{VISION * len(item.images)}{request}<|im_end|>{_END}"
        if role == "document":
            return text or _END
        prefix = self.instruction(item, role)
        return f"{prefix}: {text}{_END * 10}" if prefix else f"{text}{_END * 10}"
