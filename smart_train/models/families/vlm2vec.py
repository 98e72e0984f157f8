"""VLM2Vec-V2 (Qwen2-VL 2B): a Qwen2-VL backbone, no chat, the last token's state is the embedding.

Sources, all in github.com/TIGER-AI-Lab/VLM2Vec: prompt from src/model/processor.py (`process_input_text`: a bare visual
placeholder, the instruction, the text, one space between) and experiments/examples/qwen2vl/demo_v2_*.py; instructions
of visual documents and videos from src/data/eval_dataset/vidore_dataset.py and the video loaders beside it; pixel
bounds from `DataArguments`, tiny images from `Qwen2_VL_process_fn` and the image processor of
src/model/vlm_backbone/qwen2_vl; last token from src/model/model.py and the training script; 8 frames, of at most 64
that are saved of a file, from experiments/public/eval/video.yaml and src/utils/vision_utils/vision_utils.py. With no
vision marker before a placeholder, the Qwen2-VL of that code finds no image when it counts positions, and numbers image
tokens like words: the weights were trained so.

Its checkpoints are LoRAs (DoRA, in that code) over Qwen/Qwen2-VL-2B-Instruct, trained on the generation class of an
older transformers. `family: vlm2vec` must be named: neither the base nor the adapter says whose it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from transformers import Qwen2VLProcessor

from smart_train.inputs.video import Video
from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VisionLanguageFamily
from smart_train.models.family import Role
from smart_train.models.image_sizes import Size
from smart_train.models.video_input import FrameSizes
from smart_train.types import ModelInput

_TINY = (56, 56)  # the size of an image with a side under a token
_SAVED_FRAMES = 64
IMAGE_PAD, VIDEO_PAD = "<|image_pad|>", "<|video_pad|>"


class VLM2Vec(VisionLanguageFamily):
    """Placeholders, instruction, text. Documents of text alone have no instruction unless one is given."""

    name = "vlm2vec"
    model_types = ("qwen2_vl",)
    processor_class = Qwen2VLProcessor
    plain_positions = True
    checkpoint_layout = QWEN2_VL_LAYOUT
    default_query_instruction = "Find a document image that matches the given query:"
    image_instruction = "Understand the content of the provided document image."
    video_instruction = "Understand the content of the provided video."
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    frames_per_second, max_frames, max_list_frames = None, 8, 8
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 1280 * patch * patch
    pooling = "last"

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return False  # its base is a plain Qwen2-VL

    def image_size(self, size: Size) -> Size:
        return _TINY if min(size) < self.patch else size

    def final_size(self, size: Size) -> Size:
        # Its processor takes what has a side under a token for a square.
        return super().final_size(size if min(size) >= self.patch else (max(*size, self.patch),) * 2)

    def file_frames(self, total: int, rate: float) -> Sequence[int]:
        # It saves up to 64 frames of a file, and reads some of these.
        saved = [math.floor(index * max(total / _SAVED_FRAMES, 1)) for index in range(min(total, _SAVED_FRAMES))]
        return [saved[index] for index in self.list_frames(len(saved))]

    def frame_sizes(self, video: Video) -> FrameSizes:
        # By its processor alone, file or list, within the bounds of images.
        return FrameSizes(first=self.final_size(video.frames[0].size), last=None)

    def instruction(self, item: ModelInput, role: Role) -> str | None:
        instruction = super().instruction(item, role)
        if instruction is None and item.video is not None:
            return self.video_instruction
        return self.image_instruction if instruction is None and item.images else instruction

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        visuals = [VIDEO_PAD] * (item.video is not None) + [IMAGE_PAD] * len(item.images)
        # An input of nothing still needs a token whose state can be read.
        return " ".join(part for part in (*visuals, self.instruction(item, role), text) if part) or " "
