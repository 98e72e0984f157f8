"""jina-embeddings-v4 (Qwen2.5-VL 3B), its single-vector head: mean pooling, one LoRA adapter a task.

Sources: modeling_jina_embeddings_v4.py and custom_lora_module.py of the Hub repository jinaai/jina-embeddings-v4
(prefixes `Query: ` and `Passage: `, `Query: ` on both sides of text matching, the image prompt, pooling over the vision
markers and what is between them, adapters under `adapters/` with one pair of matrices a task) and its card (tasks,
pixel bounds, length). The cards of jinaai/jina-embeddings-v4-vllm-retrieval and its two sisters say
that a task's adapter merged into a plain Qwen2.5-VL is the same model.

That is how it is read here: the repository's own Python code, whose forward wants its own processor's padding and a
task name, is never run, trusted or not. The task's matrices are added to the backbone's weights as they are loaded; the
multi-vector projection, which the SMART score replaces, is left out. Images with text, several images and videos are
not in the published code: where there is text beside a visual input, all tokens are pooled.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import Qwen2_5_VLProcessor

from smart_train.errors import ModelError
from smart_train.models.families.vision_language import QWEN2_VL_LAYOUT, VIDEO, VISION, VisionLanguageFamily
from smart_train.models.family import Features, Role
from smart_train.models.image_sizes import Size
from smart_train.models.module_names import own_names
from smart_train.models.reading import read_json
from smart_train.types import ModelInput

ADAPTERS = "adapters"
_PUBLISHED_CLASS = "JinaEmbeddingsV4Model"


class JinaV4(VisionLanguageFamily):
    """Text behind a prefix; an image in a user turn that asks to describe it. An instruction is a prefix."""

    name = "jina_v4"
    task: ClassVar[str] = "retrieval"
    model_types = ("qwen2_5_vl",)
    processor_class = Qwen2_5_VLProcessor
    checkpoint_layout = QWEN2_VL_LAYOUT
    dropped_weights = ("multi_vector_projector.", "single_vector_projector.")
    default_query_instruction = "Query"
    default_document_instruction = "Passage"
    patch = 28  # pixels per visual token side: 14-pixel patches, merged 2 x 2
    default_min_pixels = 4 * patch * patch
    default_max_pixels = 768 * patch * patch
    default_max_length = 32768

    @classmethod
    def claims(cls, folder: Path) -> bool:
        # The published folder is for every task; the retriever takes it unless another is named.
        return cls is JinaV4 and _is_published(folder)

    def image_size(self, size: Size) -> Size:
        return size  # the published code knows no reader but its processor

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        if item.video is None and not item.images:
            return f"{self.instruction(item, role)}: {text}"
        request = text or f"Describe the {'image' if item.video is None else 'video'}."
        user = VIDEO * (item.video is not None) + VISION * len(item.images) + request
        return f"<|im_start|>user\n{user}<|im_end|>\n"

    def pooled_positions(self, features: Features) -> Features:
        start, end = (self.tokenizer.convert_tokens_to_ids(f"<|vision_{side}|>") for side in ("start", "end"))
        ids, valid = features["input_ids"], features["attention_mask"].bool()
        # From the first marker to the last: opened at or before a position, and closed at or after it.
        opened = (ids == start).cumsum(dim=1) > 0
        closes = (ids == end).flip(1).cumsum(dim=1).flip(1) > 0
        span = opened & closes & valid
        alone = span.any(dim=1, keepdim=True) & ~features["has_text"].unsqueeze(1)
        return {"pooled_mask": torch.where(alone, span, valid)}

    def add_weights(self, backbone: nn.Module) -> None:
        folder = Path(self.folder) / ADAPTERS
        if not _is_published(Path(self.folder)):
            return
        settings, weights = read_json(folder / "adapter_config.json"), folder / "adapter_model.safetensors"
        if settings is None or not weights.is_file():
            raise ModelError(
                f"{folder}: {_PUBLISHED_CLASS} needs adapter_config.json and adapter_model.safetensors of its tasks "
                "there; download the whole repository"
            )
        if getattr(backbone, "is_quantized", False):
            raise ModelError(
                f"{self.folder}: its {self.task} adapter cannot be added to quantised weights; load it in full "
                "precision, save it with save_pretrained, and quantise that folder"
            )
        if settings.get("use_dora") or settings.get("use_rslora"):
            raise ModelError(f"{folder}: DoRA and rsLoRA are not supported; the published adapters are plain LoRA")
        _add(backbone, self, weights, self.task, settings["lora_alpha"] / settings["r"])


class JinaV4TextMatching(JinaV4):
    """Its adapter for symmetric similarity: both sides are queries."""

    name = "jina_v4_text_matching"
    task = "text-matching"
    default_document_instruction = "Query"


class JinaV4Code(JinaV4):
    """Its adapter for retrieving code."""

    name = "jina_v4_code"
    task = "code"


def _is_published(folder: Path) -> bool:
    return _PUBLISHED_CLASS in ((read_json(folder / "config.json") or {}).get("architectures") or [])


@torch.no_grad()
def _add(backbone: nn.Module, family: JinaV4, weights: Path, task: str, scale: float) -> None:
    """Adds scale * B A of `task` to every weight that the adapter file `weights` has matrices for, in place."""
    pattern = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.(?:default\.)?(?P<task>.+)\.weight")
    with safe_open(weights, "pt") as file:
        matrices: dict[str, dict[str, Tensor]] = {}
        tasks = set()
        for key in list(file.keys()):
            match = pattern.fullmatch(key)
            if match is None:
                raise ModelError(f"{weights}: {key!r} is not a LoRA matrix of a task")
            tasks.add(match["task"])
            if match["task"] == task and not f"{match['module']}.".startswith(family.dropped_weights):
                matrices.setdefault(match["module"], {})[match["side"]] = file.get_tensor(key)
    if not matrices:
        raise ModelError(f"{weights}: no adapter for task {task!r}; it has {', '.join(sorted(tasks))}")
    names = own_names(matrices, backbone, family)
    if names is None:
        first = next(iter(matrices))
        raise ModelError(f"{weights}: made for another backbone: {type(backbone).__name__} has no {first!r}")
    for module, pair in matrices.items():
        weight = cast(Tensor, backbone.get_submodule(names[module]).weight)
        if set(pair) != {"A", "B"} or (len(pair["B"]), pair["A"].shape[1]) != tuple(weight.shape):
            raise ModelError(f"{weights}: the matrices for {module!r} do not fit a weight of {tuple(weight.shape)}")
        # In fp32: bf16 would round each of the products before the sum.
        update = scale * pair["B"].to(weight.device, torch.float32) @ pair["A"].to(weight.device, torch.float32)
        weight.copy_((weight.float() + update).to(weight.dtype))
