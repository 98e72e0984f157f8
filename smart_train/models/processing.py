"""Processors of vision-language models, with or without torchvision.

transformers 5 refuses to build a Qwen-VL processor where torchvision is missing, because its video processor needs it.
Pages need no video processor, so the image and text half is assembled here from the same files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import SizeDict
from transformers.processing_utils import ProcessorMixin
from transformers.utils import is_torchvision_available

from smart_train.errors import ModelError, first_line

# What Qwen's processors keep about the vocabulary: attribute -> token.
_VISION_TOKENS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def require_tokenizer(folder: str) -> None:
    """Raises ModelError when `folder` has no tokenizer; transformers would silently make an empty one."""
    if not any(Path(folder, name).is_file() for name in _VOCABULARIES):
        raise ModelError(f"{folder}: no tokenizer; the folder needs tokenizer.json and tokenizer_config.json")


def load_tokenizer(folder: str) -> Any:
    """The tokenizer of `folder`, which pads on the right.

    Raises:
        ModelError: there is none, or it cannot be loaded.
    """
    require_tokenizer(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: the tokenizer cannot be loaded ({first_line(error)})") from error
    tokenizer.padding_side = "right"
    return tokenizer


def image_text_class(processor_class: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """A subclass of a Qwen-VL processor class without its video processor."""

    def __init__(
        self: Any, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
    ) -> None:
        for attribute, token in _VISION_TOKENS.items():
            setattr(self, attribute, token)
            setattr(self, f"{attribute}_id", tokenizer.convert_tokens_to_ids(token))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return type(f"ImageText{processor_class.__name__}", (processor_class,), {"__init__": __init__})


def load_processor(
    folder: str, processor_class: type[ProcessorMixin], *, min_pixels: int | None, max_pixels: int | None
) -> ProcessorMixin:
    """The processor saved in `folder`, padding right, with the given bounds on an image's area (None: those of its
    files). It reads videos too where torchvision is installed.

    Raises:
        ModelError: a file of the processor is missing.
    """
    if min_pixels is not None and max_pixels is not None and min_pixels > max_pixels:
        raise ModelError(f"model.min_pixels {min_pixels} is larger than model.max_pixels {max_pixels}")
    require_tokenizer(folder)
    if not any(Path(folder, name).is_file() for name in _PROCESSORS):
        raise ModelError(
            f"{folder}: no {' or '.join(_PROCESSORS)}, which says how images become patches; copy the model's own "
            "file there"
        )
    try:
        if is_torchvision_available():
            # Not AutoProcessor: a folder may name a class of its own code, for which it returns the tokenizer alone.
            processor = processor_class.from_pretrained(folder)
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            template = Path(folder, "chat_template.jinja")
            processor = image_text_class(processor_class)(
                image_processor=AutoImageProcessor.from_pretrained(folder),
                tokenizer=tokenizer,
                chat_template=template.read_text(encoding="utf-8") if template.is_file() else tokenizer.chat_template,
            )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder}: the processor cannot be loaded ({first_line(error)}); its files are tokenizer.json, "
            f"tokenizer_config.json and {' or '.join(_PROCESSORS)}"
        ) from error
    if getattr(getattr(processor, "video_processor", None), "cap_pixels_per_frame", True) is None:
        processor.video_processor.cap_pixels_per_frame = False  # it resizes nothing here, and should not warn about it
    processor.tokenizer.padding_side = "right"
    size = processor.image_processor.size
    processor.image_processor.size = {
        "shortest_edge": size["shortest_edge"] if min_pixels is None else min_pixels,
        "longest_edge": size["longest_edge"] if max_pixels is None else max_pixels,
    }
    return processor


def require_video_half(processor: ProcessorMixin) -> None:
    """Raises ModelError when `processor` was built without its video half."""
    if getattr(processor, "video_processor", None) is None:
        raise ModelError("video input needs torchvision, the release that goes with torch: pip install torchvision")


def special_ids(tokenizer: Any) -> Tensor:
    """int64 [ids], sorted: the tokens that mark structure. That of an unknown word is content: it stands for one."""
    added = [index for index, token in tokenizer.added_tokens_decoder.items() if token.special]
    return torch.tensor(sorted({*tokenizer.all_special_ids, *added} - {tokenizer.unk_token_id}), dtype=torch.int64)


def fit_image(processor: Any, image: Image.Image) -> Image.Image:
    """An RGB image at the size that `processor` would bring it to, by the processor's own resizing: what it then makes
    of the result is what it makes of `image`."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    fitted = processor.resize(
        pixels.numpy() if isinstance(processor, PilBackend) else pixels,  # one works on arrays, the other on tensors
        SizeDict(**processor.size),
        resample=processor.resample,
        factor=processor.patch_size * processor.merge_size,
    )
    return Image.fromarray(np.ascontiguousarray(np.asarray(fitted).transpose(1, 2, 0)))


def image_settings(processor: Any) -> str:
    """All that the result of `fit_image` depends on beside the image."""
    library = "pillow" if isinstance(processor, PilBackend) else "torchvision"
    factor = processor.patch_size * processor.merge_size
    return f"{library} {dict(processor.size)} {factor} {processor.resample}"
