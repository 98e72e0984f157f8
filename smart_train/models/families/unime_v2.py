"""UniME-V2 (Qwen2-VL 2B, 7B): VLM2Vec's reading of a prompt, one line break after each part, and square images.

Sources, all in github.com/GaryGuTC/UniME-v2 (formerly deepglint/UniME-v2): the form of prompts and the instruction of
images from data/example_data.json, which training and the MMEB evaluation read; last token and plain positions from
Embedding/src/model.py and src/vlm_backbone/qwen2_vl; squares from `process_image` of src/dataset.py, of 1,344 pixels a
side in evaluation (shells/testing_embedding) and in the demo (utils/utils.py), of 672 in training (shells/training).
Bounds of 256 to 1,280 tokens stand in `load_processor`, but do not take effect there: the image processor, loaded
before, replaces the one that has them. So the folder's own bounds hold, which are Qwen2-VL's.

A side of 672 pixels, as in training, is what `model.max_pixels: 451584` gives. The demo writes a space instead of the
first line break, and no last one. The default instruction of queries is VLM2Vec's: of documents, that code has none.
It reads one image, and no video.
"""

from __future__ import annotations

from smart_train.models.families.vlm2vec import IMAGE_PAD, VIDEO_PAD, VLM2Vec
from smart_train.models.family import Role
from smart_train.models.image_sizes import Size
from smart_train.types import ModelInput

_SIDE = 1344


class UniMEV2(VLM2Vec):
    """Placeholders, a line break, instruction, text, a line break; a document's text alone stands bare."""

    name = "unime_v2"
    image_instruction = "Represent the given image."
    default_max_pixels = 16384 * 28 * 28

    def image_size(self, size: Size) -> Size:
        return _SIDE, _SIDE

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        visuals = [VIDEO_PAD] * (item.video is not None) + [IMAGE_PAD] * len(item.images)
        words = " ".join(part for part in (self.instruction(item, role), text) if part)
        if words == text and not visuals:
            return text or "\n"  # an input of nothing still needs a token whose state can be read
        return "".join(f"{line}\n" for line in (" ".join(visuals), words) if line)
