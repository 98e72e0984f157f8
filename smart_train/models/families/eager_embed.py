"""eager-embed-v1 (Qwen3-VL 4B): the state of a closing `<|endoftext|>`, before the language model's last norm.

Sources: mteb_wrapper.py of github eagerworks/eager-embed (its evaluation: text before the image, the prefix of queries,
no generation prompt, squares of 784 pixels a side, which the model's processor then makes 768) and train.sh beside it;
src/tevatron/retriever/ of github eagerworks/tevatron, with which it was trained. Both read `hidden_states[-1]` of the
generation class, which in transformers 4.57 is the state before the last norm. transformers 5 returns the one after it.

That norm divides a state by its length and multiplies each coordinate by a gain. Vectors are normalised anyway, so with
gains of 1 the state after the norm gives the vector of the state before it, here, in a saved folder and in every
library that reads one. A switch for the state before the norm was rejected: no other library has one.

The code of evaluation reads one image, and no video. Several images and a video are read here behind the text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from transformers import Qwen3VLProcessor

from smart_train.models.families.vision_language import VisionLanguageFamily
from smart_train.models.family import SMART_CONFIG, Role
from smart_train.models.image_sizes import Size
from smart_train.models.reading import read_json
from smart_train.types import ModelInput

_SIDE = 784
_END = "<|endoftext|>"


class EagerEmbed(VisionLanguageFamily):
    """A user turn of text and images, then the token that is pooled. An instruction is a prefix of the text."""

    name = "eager_embed"
    model_types = ("qwen3_vl",)
    processor_class = Qwen3VLProcessor
    video_placeholder = "<|video_pad|>"
    default_query_instruction = "Query"
    base_obstacle = "its base, as transformers reads it, gives states after the last norm, with that norm's gains"
    patch = 32  # pixels per visual token side: 16-pixel patches, merged 2 x 2
    pooling = "last"

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return False  # its folder is a plain Qwen3-VL

    def image_size(self, size: Size) -> Size:
        return _SIDE, _SIDE

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        prefix = self.instruction(item, role)
        content: list[dict[str, Any]] = [{"type": "text", "text": f"{prefix}: {text}" if prefix else text}]
        content += [{"type": "image"} for _ in item.images]
        content += [{"type": "video"}] if item.video is not None else []
        return self.chat([{"role": "user", "content": content}], generation_prompt=False) + _END

    def add_weights(self, backbone: nn.Module) -> None:
        # A model that was saved from here has them, and may have trained them since.
        if (read_json(Path(self.folder) / SMART_CONFIG) or {}).get("family") != self.name:
            nn.init.ones_(backbone.get_parameter("language_model.norm.weight"))
