"""ColQwen2 and ColQwen2.5 (Qwen2-VL 2B, Qwen2.5-VL 3B): a projection of every token, late interaction alone.

Sources: `ColQwen2`, `ColQwen2_5` and their processors of github illuin-tech/colpali (colpali_engine/models), releases
0.3.4 to 0.3.10, with which vidore/colqwen2-v1.0 and vidore/colqwen2.5-v0.2 were trained: the prefix `Query: `, ten
`<|endoftext|>` after a query, the prompt of a page, the backbone's own positions, a linear map with bias of the last
state to 128 numbers, no token left out of the score. Least and most tokens of a page: the README of that repository
and the processor of Qwen2-VL. A text as a document stands alone, as in `process_texts` of release 0.3.11 and later.

Two layouts are read. Folders of colpali-engine hold the projection as `custom_text_proj` beside Qwen2-VL's weights, or
a LoRA adapter over such a folder. Folders of transformers' `ColQwen2ForRetrieval` hold the backbone as `vlm` and the
projection as `embedding_proj_layer`. Both are read as the weights were trained. transformers' own code differs from
that: its processor appends a newline to a query, one more token, and its class, from release 5 on, numbers image
tokens like words.

That code reads queries of text and pages of one image. Text beside an image and several images are read in the form of
a page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import nn
from transformers import Qwen2VLProcessor

from smart_train.errors import ModelError
from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VISION, VisionLanguageFamily
from smart_train.models.family import Role
from smart_train.models.image_sizes import Size
from smart_train.models.reading import read_json
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput

_HEAD = "custom_text_proj"
_HEADS = (_HEAD, "embedding_proj_layer")  # in the folders of colpali-engine, and of transformers
_WIDTH = 128  # of a token; both classes have no other
_CLASSES = {"qwen2_vl": "ColQwen2", "qwen2_5_vl": "ColQwen2_5"}  # colpali-engine's, by the backbone
# Names of the backbone's weights within transformers' class, which have changed with its releases -> their own.
_OF_TRANSFORMERS = {
    r"^vlm\.(model\.)?visual\.": "visual.",
    r"^vlm\.(model\.)?language_model\.": "language_model.",
    r"^vlm\.model\.(?=embed_tokens|layers|norm)": "language_model.",
}
_END = "<|endoftext|>"


class ColQwen(VisionLanguageFamily):
    """A query's text behind a prefix, ten closing tokens behind it; images in a user turn that asks to describe them.
    An instruction is a prefix."""

    name = "colqwen"
    model_types = ("qwen2_vl", "qwen2_5_vl", "colqwen2")
    processor_class = Qwen2VLProcessor
    modalities = ("text", "image")
    late_only = True
    token_head = _HEAD
    unused_weights = ("lm_head.", "vlm.lm_head.")
    own_weights = tuple(f"{head}." for head in _HEADS)
    wrappers = {"colqwen2": ("vlm_config", _OF_TRANSFORMERS)}
    checkpoint_layout = (*QWEN2_VL_LAYOUT, (_HEAD, _HEAD))
    default_scoring = ScoringConfig(pooled_weight=0.0, query_tokens="all", document_tokens="all")
    default_query_instruction = "Query"
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 768 * patch * patch

    @classmethod
    def claims(cls, folder: Path) -> bool:
        config = read_json(folder / "config.json") or {}
        classes = config.get("architectures") or []
        return config.get("model_type") in cls.wrappers or any(name in classes for name in _CLASSES.values())

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

    def fit_backbone(self, backbone: nn.Module) -> None:
        super().fit_backbone(backbone)
        config = cast(Any, backbone.config)
        config.architectures = [_CLASSES[config.model_type]]
        text, weight = config.get_text_config(), next(backbone.parameters())
        head = nn.Linear(text.hidden_size, _WIDTH, device=weight.device, dtype=weight.dtype)
        nn.init.normal_(head.weight, std=text.initializer_range)
        nn.init.zeros_(head.bias)
        backbone.add_module(_HEAD, head)

    def add_weights(self, backbone: nn.Module) -> None:
        head = backbone.get_submodule(_HEAD)
        for part, parameter in head.named_parameters():
            saved = self._saved(part)
            if saved.shape != parameter.shape:
                raise ModelError(
                    f"{self.folder}: {part} of its projection is {list(saved.shape)}, but {self.name} needs "
                    f"{list(parameter.shape)}"
                )
            with torch.no_grad():
                parameter.copy_(saved)

    def _saved(self, part: str) -> torch.Tensor:
        """`part` of the projection in this folder's files, "weight" or "bias"."""
        names = {f"{head}.{part}" for head in _HEADS}
        for path in sorted(Path(self.folder).glob("model*.safetensors")):
            with safe_open(path, "pt") as file:
                for name in names & set(file.keys()):
                    return file.get_tensor(name)
        raise ModelError(
            f"{self.folder}: holds no {' or '.join(sorted(names))}, so it is not a ColQwen model. An adapter needs the "
            "base that it was trained on, such as vidore/colqwen2-base"
        )
