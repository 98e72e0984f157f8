"""LamRA-style retrievers: "summarize in one word", answered by an added token `<emb>`; pooled = the state before it.

Sources: messages, `<emb>` and the pooled position from LamRA's public code (github Code-kunkun/LamRA: dataset/,
demo.py) and from what the SMART authors made of it (github HanSolo9682/SMART: train_lamra/, eval/src/models/
lamra_ret.py). Pixel bounds of LamRA-Ret from its collators/qwen2_vision_process.py; a harness that evaluates it
(github TIGER-AI-Lab/VLM2Vec) takes 256 to 1,280 tokens, which it was not trained with. Videos (12 frames, "Summarize
above video") from LamRA's MSVD loader. An instruction stands before the query's text, as M-BEIR's do.

Qwen2-VL gets input embeddings without positions in that code, so image tokens are numbered like words. The branch
`qwen2.5vl`, of which LamRA-Ret on Qwen2.5-VL was made, computes that model's own positions (models/qwen2_5_vl.py), by
transformers 4, which numbers what follows a video behind its last moment. The
SMART authors' code gives Qwen3-VL no positions, and hands on the first output of the vision tower alone, without
DeepStack's features. Their weights (Hub collection HanSolo9682/smart) were trained so: `smart_lamra_qwen3_vl` reads
them as their evaluation does, `smart_lamra_qwen3_vl_training` as their training does, whose prompts differ.
`lamra_qwen3_vl` is LamRA's way on Qwen3-VL as that model reads: its own positions, and DeepStack.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import Qwen2_5_VLProcessor, Qwen2VLProcessor, Qwen3VLProcessor
from transformers.processing_utils import ProcessorMixin

from smart_train.models.families import deepstack
from smart_train.models.families.qwen3_vl import punctuated
from smart_train.models.families.rope_positions import RopeRule
from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VisionLanguageFamily
from smart_train.models.family import SMART_CONFIG, Features, Role
from smart_train.models.reading import read_json
from smart_train.models.video_input import VideoInput
from smart_train.models.vocabulary import add_token, grow_embeddings
from smart_train.types import ModelInput

EMB = "<emb>"
_SMART_CLASSES = "Qwen3VLRet"  # how the names of the SMART authors' classes begin
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
    frames_per_second, max_frames = None, 12
    max_list_frames: ClassVar[int | None] = None
    list_frames_as_images = True
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 300 * patch * patch
    generation_prompt: ClassVar[bool] = False

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
        sentence = self.sentence(item, text, role)
        request = f"{sentence}\nSummarize above {self.above(item, sentence)} in one word: "
        video = [{"type": "video"}] if item.video is not None else []
        content = [*video, *({"type": "image"} for _ in item.images), {"type": "text", "text": request}]
        messages = [
            {"role": "user", "content": content},
            {"role": "assistant", "content": [{"type": "text", "text": f"{EMB}."}]},
        ]
        return self.chat(messages, generation_prompt=self.generation_prompt)

    def sentence(self, item: ModelInput, text: str, role: Role) -> str:
        """The instruction of `item` and its text, which is given apart, as one text."""
        return " ".join(part for part in (self.instruction(item, role), text) if part)

    def above(self, item: ModelInput, sentence: str) -> str:
        """What the request names as above it: the kinds of `item`'s content, `sentence` among them if there is one."""
        seen = [name for name, present in (("video", item.video is not None), ("image", bool(item.images))) if present]
        return " and ".join([*seen, *(["sentence"] if sentence or not seen else [])])

    def pooled_index(self, features: Features) -> Tensor:
        # The last one: user text may hold the characters `<emb>` too.
        width = features["input_ids"].shape[1]
        return torch.where(features["input_ids"] == self.emb_id, torch.arange(width), -1).amax(dim=1) - 1

    def fit_backbone(self, backbone: nn.Module) -> None:
        super().fit_backbone(backbone)
        grow_embeddings(backbone, self.emb_id + 1)

    def save_files(self, folder: Path) -> None:
        super().save_files(folder)
        self.processor.tokenizer.save_pretrained(folder)


class LamRAQwen25(LamRA):
    """LamRA-Ret on Qwen2.5-VL: the same with that model's processor and positions, as transformers 4 counted them."""

    name = "lamra_qwen2_5_vl"
    model_types = ("qwen2_5_vl",)
    processor_class = Qwen2_5_VLProcessor
    plain_positions = False

    @cached_property
    def _rope(self) -> RopeRule | None:
        rule = super()._rope
        return None if rule is None else rule._replace(behind_last_moment=True)

    def _tokenize(self, prompts: list[str], images: list[Any], videos: list[VideoInput]) -> Features:
        features = super()._tokenize(prompts, images, videos)
        # Their code hands on no times: each pair of frames lies a second after the one before it, whatever its rate.
        features.pop("second_per_grid_ts", None)
        return features


class LamRAQwen3(LamRA):
    """A Qwen3-VL instruct model made a retriever in LamRA's way, with that model's own positions and DeepStack."""

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

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return super().claims(folder) and not _is_smart(folder)


class SmartLamRA(LamRAQwen3):
    """The SMART authors' models on Qwen3-VL, as their evaluation reads them: plain positions, no DeepStack.

    An input without text brings no instruction, and counts as an image.
    """

    name = "smart_lamra_qwen3_vl"
    plain_positions = True
    dropped_weights = (deepstack.WEIGHTS,)
    same_weights: ClassVar[tuple[str, ...]] = ("smart_lamra_qwen3_vl_training",)
    base_obstacle = "it was trained without DeepStack, which transformers' class of its base has"
    default_min_pixels = 4 * 32 * 32
    generation_prompt = True

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return _is_smart(folder)

    @classmethod
    def image_reading(cls) -> str:
        return f"{super().image_reading()}, without DeepStack"

    def fit_backbone(self, backbone: nn.Module) -> None:
        deepstack.remove_deepstack(backbone)
        super().fit_backbone(backbone)

    def sentence(self, item: ModelInput, text: str, role: Role) -> str:
        instruction = punctuated(self.instruction(item, role) or "")
        if item.text is None:
            return ""
        return f" {instruction}\n{text}" if instruction else text

    def above(self, item: ModelInput, sentence: str) -> str:
        return "image" if item.text is None else "sentence"


class SmartLamRATraining(SmartLamRA):
    """The same as their training reads them: instruction and text begin with a capital and end as a sentence; larger
    images; no generation prompt."""

    name = "smart_lamra_qwen3_vl_training"
    same_weights = ("smart_lamra_qwen3_vl",)
    default_min_pixels = 256 * 28 * 28
    generation_prompt = False

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return False  # which of the two is meant, only the user knows; the published figures are the other's

    def sentence(self, item: ModelInput, text: str, role: Role) -> str:
        instruction = self.instruction(item, role)
        return _as_sentence(f"{instruction}\n{text}" if instruction else text)

    def above(self, item: ModelInput, sentence: str) -> str:
        return LamRA.above(self, item, sentence)


def _is_smart(folder: Path) -> bool:
    names = (read_json(folder / "config.json") or {}).get("architectures") or [""]
    return names[0].startswith(_SMART_CLASSES)


def _as_sentence(text: str) -> str:
    """`text` without quotes around it, its first letter large, closed by a full stop where it ends in none of .?!"""
    text = text.replace("\r", "").strip().strip('"')
    if not text:
        return text
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")
