"""LamRA-style retrievers: "summarize in one word", answered by an added token `<emb>`; pooled = the state before it.

Sources: messages, `<emb>` and the pooled position from the public code of LamRA as the SMART authors carry it (github
HanSolo9682/SMART, train_lamra/dataset/datasets_mbeir.py, loaders, models/qwen3_vl.py); the pixel limits from the same
loader and, for LamRA-Ret, from github.com/TIGER-AI-Lab/VLM2Vec, src/model/baseline_backbone/lamra. Videos (12 frames,
"Summarize above video") from LamRA's public MSVD loader. An instruction stands before the query's text, as M-BEIR's do.
In the two older backbones that code hands input embeddings to the language model without positions, and the published
weights were trained so; a Qwen3-VL has no published weights to follow, and keeps its own positions and its DeepStack
features.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import Qwen2_5_VLProcessor, Qwen2VLProcessor, Qwen3VLProcessor
from transformers.processing_utils import ProcessorMixin

from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VisionLanguageFamily
from smart_train.models.family import SMART_CONFIG, Features, Role
from smart_train.models.reading import read_json
from smart_train.models.vocabulary import add_token, grow_embeddings
from smart_train.types import ModelInput

EMB = "<emb>"
_VOCABULARIES = ("added_tokens.json", "tokenizer_config.json", "tokenizer.json")


class LamRA(VisionLanguageFamily):
    """User turn = video, images, text, request for one word; assistant turn = `<emb>.`; no generation prompt after it.

    A folder whose tokenizer lacks `<emb>` (a plain instruct model) gets it as `vocabulary` says; what is saved from
    then on has it. The pooled state comes before it, unaware of it; its own state is a kept token.
    """

    name = "lamra"
    model_types = ("qwen2_vl",)
    processor_class: ClassVar[type[ProcessorMixin]] = Qwen2VLProcessor
    plain_positions = True
    checkpoint_layout: ClassVar[tuple[tuple[str, str], ...]] = QWEN2_VL_LAYOUT
    default_query_instruction = "Find a document image that matches the given query."
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    frames_per_second, max_frames, max_list_frames = None, 12, None
    list_frames_as_images = True
    default_min_pixels = 256 * patch * patch
    default_max_pixels = 1280 * patch * patch

    @classmethod
    def claims(cls, folder: Path) -> bool:
        files = [folder / name for name in _VOCABULARIES]
        return any(f'"{EMB}"' in path.read_text(encoding="utf-8") for path in files if path.is_file())

    @cached_property
    def processor(self) -> Any:
        processor = super().processor
        folder = Path(self.folder)
        saved_as = (read_json(folder / SMART_CONFIG) or {}).get("family")
        add_token(processor.tokenizer, EMB, folder, saved=saved_as == self.name)
        return processor

    @cached_property
    def emb_id(self) -> int:
        return self.processor.tokenizer.convert_tokens_to_ids(EMB)

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        instruction = self.instruction(item, role)
        text = " ".join(part for part in (instruction, text) if part)
        seen = [name for name, present in (("video", item.video is not None), ("image", bool(item.images))) if present]
        above = " and ".join([*seen, *(["sentence"] if text or not seen else [])])
        request = {"type": "text", "text": f"{text}\nSummarize above {above} in one word: "}
        video = [{"type": "video"}] if item.video is not None else []
        messages = [
            {"role": "user", "content": [*video, *({"type": "image"} for _ in item.images), request]},
            {"role": "assistant", "content": [{"type": "text", "text": f"{EMB}."}]},
        ]
        return self.chat(messages, generation_prompt=False)

    def pooled_index(self, features: Features) -> Tensor:
        # The last one: user text may hold the characters `<emb>` too.
        width = features["input_ids"].shape[1]
        return torch.where(features["input_ids"] == self.emb_id, torch.arange(width), -1).amax(dim=1) - 1

    def fit_backbone(self, backbone: nn.Module) -> None:
        super().fit_backbone(backbone)
        grow_embeddings(backbone, self.emb_id + 1)

    def save_files(self, folder: Path) -> None:
        self.processor.tokenizer.save_pretrained(folder)


class LamRAQwen25(LamRA):
    """LamRA-Ret on Qwen2.5-VL: the same with that model's processor."""

    name = "lamra_qwen2_5_vl"
    model_types = ("qwen2_5_vl",)
    processor_class = Qwen2_5_VLProcessor


class LamRAQwen3(LamRA):
    """A Qwen3-VL instruct model made a retriever in LamRA's way."""

    name = "lamra_qwen3_vl"
    model_types = ("qwen3_vl",)
    processor_class = Qwen3VLProcessor
    plain_positions = False
    checkpoint_layout = ()
    patch = 32
    max_list_frames, list_frames_as_images = 64, False
    video_placeholder = "<|video_pad|>"
    # In pixels the published bounds, 256 and 1024 tokens of 28 x 28; a token of Qwen3-VL covers 32 x 32.
    default_min_pixels = 256 * 28 * 28
    default_max_pixels = 1024 * 28 * 28
