"""What every vision-language embedder of Qwen's line does: processor, placeholders, length limit, token filter.

A family adds its prompt and its pooled position. Nothing here sees weights. What may be kept of a video, its visual
placeholders, is what Qwen's own processor writes for it; Qwen3-VL also writes each frame's time, which is text.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor, nn
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.processing_utils import ProcessorMixin

from smart_train.errors import ModelError
from smart_train.inputs.images import load_images
from smart_train.inputs.video import Video, load_video, outline
from smart_train.models.families.deepstack import complete_hidden_states
from smart_train.models.families.pixel_levels import PIXEL_LEVELS, VIDEO_LEVELS, image_levels, video_levels
from smart_train.models.families.rope_positions import RopeRule, rope_positions
from smart_train.models.family import Family, Features, Role, VisionShape, last_valid
from smart_train.models.image_boxes import grid_boxes
from smart_train.models.image_sizes import Size, fitted_size
from smart_train.models.patches import multiply_patches
from smart_train.models.pixels import compacted, expanded
from smart_train.models.processing import fit_image, image_settings, load_processor, require_video_half, special_ids
from smart_train.models.prompt_length import shortened
from smart_train.models.reading import read_json
from smart_train.models.readout import ROPE_POSITIONS
from smart_train.models.slicing import IMAGE_COUNTS, VIDEO_COUNTS, VisualFields
from smart_train.models.video_input import (
    FrameSizes,
    VideoInput,
    even_frames,
    frames_at_rate,
    prepare_video,
    processor_arguments,
    reader_sizes,
    video_metadata,
    within,
)
from smart_train.types import ModelInput

# Qwen2-VL and Qwen2.5-VL checkpoints were published, and are read everywhere, with the parts side by side.
QWEN2_VL_LAYOUT = (("visual.", "visual."), ("language_model.", "model."))
VISION = "<|vision_start|><|image_pad|><|vision_end|>"  # one image in a prompt
VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
_PROCESSOR_FILES = (
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
)


class VisionLanguageFamily(Family):
    """Videos, images and text in one prompt, padded right.

    Class variables:
        processor_class: of the checkpoint; it loads without torchvision too.
        patch: pixels of a visual token's side.
        video_placeholder: what the processor takes for a video in a prompt: Qwen3-VL's puts vision markers around each
            pair of frames, and transformers 5 leaves those around the video standing, which the model never saw.
        frames_per_second, max_frames: how many frames of a video file are read, see `file_frames`.
        max_list_frames: how many frames of a list are read; None: all of them.
        list_frames_as_images: whether frames of a list get the size that an image of that size gets.
        plain_positions: number image tokens like words. Models whose published code hands input embeddings to the
            language model were trained so: their rotary positions never saw the image's rows and columns.
    """

    processor_class: ClassVar[type[ProcessorMixin]]
    patch: ClassVar[int]
    video_placeholder: ClassVar[str] = VIDEO
    frames_per_second: ClassVar[float | None] = 1.0
    max_frames: ClassVar[int] = 64
    max_list_frames: ClassVar[int | None] = 64
    list_frames_as_images: ClassVar[bool] = False
    plain_positions: ClassVar[bool] = False
    lora_targets = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    vision_modules = ("visual",)
    modalities: ClassVar[tuple[str, ...]] = ("text", "image", "video")
    visual_fields = (
        VisualFields("image", "pixel_values", "image_grid_thw", (PIXEL_LEVELS,)),
        VisualFields("video", "pixel_values_videos", "video_grid_thw", ("second_per_grid_ts", VIDEO_LEVELS)),
    )
    vision_outputs = ("pooler_output", "deepstack_features")
    pixel_bounds = True
    runs_own_code = False  # transformers has every backbone here; a folder's code only wraps it

    @cached_property
    def processor(self) -> Any:
        processor = load_processor(
            self.folder,
            self.processor_class,
            min_pixels=self.prompts.min_pixels or self.default_min_pixels,
            max_pixels=self.prompts.max_pixels or self.default_max_pixels,
        )
        self.with_added(processor.tokenizer)
        return processor

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @cached_property
    def special_ids(self) -> Tensor:
        return special_ids(self.tokenizer)

    @cached_property
    def visual_ids(self) -> Tensor:
        return torch.tensor([self.processor.image_token_id, self.processor.video_token_id], dtype=torch.int64)

    @classmethod
    def image_reading(cls) -> str:
        return "tokens numbered " + ("like words" if cls.plain_positions else "by rows and columns")

    @abstractmethod
    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        """The prompt of `item`, whose text is given apart, safe to put into it; one `VIDEO` where it has a video, one
        `VISION` per image."""

    def pooled_index(self, features: Features) -> Tensor:
        """int64 [B]: the position of each row's pooled state; the last valid one unless a family says otherwise."""
        return last_valid(features["attention_mask"])

    @classmethod
    def check_config(cls, config: Any) -> None:
        width, states = getattr(config.vision_config, "out_hidden_size", None), config.get_text_config().hidden_size
        if width is not None and width != states:  # Qwen2-VL's has none: there the other size is the tower's output
            raise ModelError(f"vision_config.out_hidden_size {width} must equal text_config.hidden_size {states}")

    def fit_backbone(self, backbone: nn.Module) -> None:
        """Where the folder names a class of its own code around the backbone, what is saved names transformers'. Its
        hidden states are those that its layers read. Patches are multiplied, not convolved."""
        complete_hidden_states(backbone)
        multiply_patches(backbone)
        config = cast(Any, backbone.config)
        if config.architectures and not hasattr(transformers, config.architectures[0]):
            config.architectures = [MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES[config.model_type]]
        config.__dict__.pop("auto_map", None)

    def save_files(self, folder: Path) -> None:
        """Where files name a processor of the model's own code, what is saved names transformers': its AutoProcessor
        returns the tokenizer alone for a class that it does not know."""
        for name in _PROCESSOR_FILES:
            values = read_json(folder / name)
            if values and not hasattr(transformers, values.get("processor_class") or self.processor_class.__name__):
                values["processor_class"] = self.processor_class.__name__
                values.pop("auto_map", None)
                (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    def render(self, item: ModelInput, role: Role) -> str:
        self.check_modalities(item)
        return self.prompt(item, self._defuse(item.text or ""), role)

    def chat(self, messages: list[dict[str, Any]], *, generation_prompt: bool) -> str:
        """The folder's chat template applied. Raises ModelError where there is none."""
        if not self.processor.chat_template:
            raise ModelError(f"{self.folder}: no chat template; the folder needs chat_template.jinja")
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation_prompt)

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        prompts = [self.render(item, role) for item in inputs]
        images = [self._sized(image) for image in load_images([image for item in inputs for image in item.images])]
        videos = [self.read_video(item.video) for item in inputs if item.video is not None]
        features = self._tokenize(prompts, images, videos)
        if features["attention_mask"].shape[1] > self.max_length:
            prompts = [self._shorten(item, role, features, row) for row, item in enumerate(inputs)]
            features = self._tokenize(prompts, images, videos)
        if self.plain_positions:
            features["mm_token_type_ids"] = torch.zeros_like(features["input_ids"])
        if self._rope is not None:
            features[ROPE_POSITIONS] = rope_positions(features, self.visual_fields, self._rope)
        features[IMAGE_COUNTS] = torch.tensor([len(item.images) for item in inputs], dtype=torch.int64)
        features[VIDEO_COUNTS] = torch.tensor([int(item.video is not None) for item in inputs], dtype=torch.int64)
        has_text = torch.tensor([bool(item.text) for item in inputs])
        return features | self.read_out({**features, "has_text": has_text}, role)

    def compact(self, features: Features) -> Features:
        codes: Features = {}
        if "pixel_values" in features:
            codes |= self._codes(features, "pixel_values", "image_grid_thw", PIXEL_LEVELS)
        if "pixel_values_videos" in features:
            codes |= self._codes(features, "pixel_values_videos", "video_grid_thw", VIDEO_LEVELS)
        return {**features, **codes} if codes else features

    def expand(self, features: Features) -> Features:
        pixels: Features = {}
        if PIXEL_LEVELS in features:
            pixels["pixel_values"] = expanded(features["pixel_values"], features[PIXEL_LEVELS][0], self._frames)
        if VIDEO_LEVELS in features:
            pixels["pixel_values_videos"] = expanded(features["pixel_values_videos"], features[VIDEO_LEVELS][0], 1)
        if not pixels:
            return features
        return {name: value for name, value in features.items() if name not in (PIXEL_LEVELS, VIDEO_LEVELS)} | pixels

    def without_pixels(self, features: Features) -> Features:
        # Their names stay: by these the backbone knows that there are images. It hands them on and reads the grids.
        empty = {
            visual.pixels: features[visual.pixels].new_empty(0)
            for visual in self.visual_fields
            if visual.pixels in features
        }
        return {name: value for name, value in features.items() if name not in (PIXEL_LEVELS, VIDEO_LEVELS)} | empty

    def _codes(self, features: Features, pixels: str, grids: str, name: str) -> Features:
        """`pixels` in 8 bits and, as `name`, the levels that they are codes of; nothing where that is not exact."""
        levels, frames = (self._levels, self._frames) if name == PIXEL_LEVELS else (self._video_levels, 1)
        codes = compacted(features[pixels], levels, frames)
        return {} if codes is None else {pixels: codes, name: levels.repeat(len(features[grids]), 1, 1)}

    @cached_property
    def _rope(self) -> RopeRule | None:
        return RopeRule.of(read_json(Path(self.folder) / "config.json") or {})

    @cached_property
    def _levels(self) -> Tensor:
        return image_levels(self.processor.image_processor)

    @cached_property
    def _video_levels(self) -> Tensor:
        return video_levels(self.processor.video_processor)

    @property
    def _frames(self) -> int:
        return self.processor.image_processor.temporal_patch_size

    def pooled_positions(self, features: Features) -> Features:
        """`pooled_index` or `pooled_mask`, see `Family.featurize`; of `features` may also be read `has_text` bool [B]:
        whether an input has text of its own."""
        return {"pooled_index": self.pooled_index(features)}

    def image_size(self, size: Size) -> Size:
        """The size to which an image of this size is brought before the processor resizes it to its final one.

        Qwen's reader, which the models were trained with, gives a side under half a token one token. The processor
        gives it none at first, finds an area of nothing and enlarges the image: the grid is another. All other sizes
        are left to the processor, which does the same with them as the reader.
        """
        return size if round(min(size) / self.patch) else self.final_size(size)

    def final_size(self, size: Size) -> Size:
        """The multiple of a visual token's side that is nearest to `size`, within the bounds on an image's area."""
        bounds = self.processor.image_processor.size
        return fitted_size(
            size, factor=self.patch, min_pixels=bounds["shortest_edge"], max_pixels=bounds["longest_edge"]
        )

    def file_frames(self, total: int, rate: float) -> Sequence[int]:
        """Numbers of the frames that are read of a video file of `total` frames, `rate` a second."""
        if self.frames_per_second is None:
            return even_frames(total, self.max_frames)
        return frames_at_rate(total, rate, per_second=self.frames_per_second, most=self.max_frames)

    def list_frames(self, count: int) -> Sequence[int]:
        """Numbers of the frames that are read of a list of `count`."""
        if self.max_list_frames is None or count <= self.max_list_frames:
            return range(count)
        return np.linspace(0, count - 1, self.max_list_frames, dtype=int).tolist()  # rounded down, as in the scripts

    def frame_sizes(self, video: Video) -> FrameSizes:
        """The sizes of a video's frames, where `max_length` has room for all of it."""
        if video.listed and self.list_frames_as_images:
            return FrameSizes(first=self.final_size(video.frames[0].size), last=None)
        return reader_sizes(video, self.patch)

    def token_count(self, item: ModelInput, role: Role, image_sizes: Sequence[tuple[int, int]]) -> int:
        prompt = self.render(item, role)
        if item.video is not None:
            prompt = prompt.replace(VIDEO, self.video_placeholder)
            prompt = prompt.replace(self.processor.video_token, self._video_text(item.video))
        text = self.tokenizer(prompt)["input_ids"]
        return len(text) - len(image_sizes) + self.visual_tokens(image_sizes)  # the text has one for each image

    def _video_text(self, ref: Any) -> str:
        """What the processor puts into a prompt for a video: a token for each of its visual tokens, and times."""
        require_video_half(self.processor)
        video = outline(ref, of_file=self.file_frames, of_list=self.list_frames)
        if video is None:
            raise ModelError(f"{self.name}: the tokens of a video behind an address cannot be counted without fetching")
        reader, sizes = self.processor.video_processor, self._sizes_within(video)
        width, height = sizes.last or sizes.first or video.frames[0].size
        steps = -(-len(video.frames) // reader.temporal_patch_size)
        grid = [steps, height // reader.patch_size, width // reader.patch_size]
        metadata = video_metadata(video, height=height, width=width)
        read = {"video_grid_thw": torch.tensor([grid]), "video_metadata": [metadata]}
        return self.processor.replace_video_token(read, 0)

    def visual_tokens(self, image_sizes: Sequence[tuple[int, int]]) -> int:
        images = self.processor.image_processor
        sizes = [self.image_size(size) for size in image_sizes]
        patches = [images.get_number_of_image_patches(height, width, {}) for width, height in sizes]
        return sum(count // images.merge_size**2 for count in patches)

    def image_boxes(self, features: Features) -> list[Tensor]:
        # The grid counts patches, and a token is a square of them, merged. The tokens follow each other row by row.
        grids = features["image_grid_thw"].tolist() if "image_grid_thw" in features else []
        merged = self.processor.image_processor.merge_size
        return [grid_boxes(rows // merged, columns // merged) for _, rows, columns in grids]

    def vision_shape(self, config: Any) -> VisionShape:
        vision = config.vision_config
        width = getattr(vision, "embed_dim", None) or vision.hidden_size  # Qwen2-VL's hidden_size is its output's
        return VisionShape(
            layers=vision.depth,
            width=width,
            inner=getattr(vision, "intermediate_size", None) or vision.mlp_ratio * width,
            patch_numbers=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
            output_numbers=config.get_text_config().hidden_size
            * (1 + len(getattr(vision, "deepstack_visual_indexes", ())))
            / vision.spatial_merge_size**2,
        )

    @property
    def embedder_obstacle(self) -> str | None:
        if self.plain_positions:
            return f"{self.name} numbers image tokens in sequence, but sentence-transformers by rows and columns"
        return super().embedder_obstacle

    def fit_image(self, image: Image.Image) -> Image.Image:
        return fit_image(self.processor.image_processor, self._sized(image))

    @property
    def image_settings(self) -> str:
        return f"{self.name} {image_settings(self.processor.image_processor)}"

    def read_out(self, features: Features, role: Role) -> Features:
        """What of a forward on `features` is read: how it is pooled, and `token_mask`."""
        pooled = {} if self.late_only else self.pooled_positions(features)
        return {**pooled, "token_mask": self.kept_tokens(features, role, pooled.get("pooled_index"))}

    def read_video(self, ref: Any) -> VideoInput:
        """The frames of a video as the processor takes them. Raises DataError as `load_video` does, and ModelError
        where torchvision is missing."""
        require_video_half(self.processor)
        video = load_video(ref, of_file=self.file_frames, of_list=self.list_frames)
        return prepare_video(video, self._sizes_within(video))

    def _sizes_within(self, video: Video) -> FrameSizes:
        return within(self.frame_sizes(video), video, self.patch, self.max_length)

    def _sized(self, image: Image.Image) -> Image.Image:
        size = self.image_size(image.size)
        return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)

    def _tokenize(self, prompts: list[str], images: list[Any], videos: list[VideoInput]) -> Features:
        prompts = [prompt.replace(VIDEO, self.video_placeholder) for prompt in prompts]
        features = self.processor(
            text=prompts, images=images or None, padding=True, return_tensors="pt", **processor_arguments(videos)
        )
        # Beside tensors, processors return what they read of the videos, and times as a list.
        return {name: torch.as_tensor(value) for name, value in features.items() if name != "video_metadata"}

    def _shorten(self, item: ModelInput, role: Role, features: Features, row: int) -> str:
        """The prompt of `item` with its text cut so that the row fits `max_length`; visual tokens are never cut."""
        length = int(features["attention_mask"][row].sum())
        return shortened(self, item, role, length=length, text=self._defuse(item.text or ""))

    def _defuse(self, text: str) -> str:
        """User text in which the model's control tokens are plain characters again: a page's text layer may quote one,
        and an extra `<|image_pad|>` would claim another image's features. Refusing the text was rejected: one such page
        would stop a corpus. Special tokens that an adapter adds are among them: in an export they are in the model's
        own list, and adapter and export must read a row alike."""
        for token in self._control_tokens:
            if token in text:
                text = text.replace(token, token.replace("<|", "< |"))
        return text

    @property
    def _control_tokens(self) -> list[str]:
        decoder = self.tokenizer.added_tokens_decoder
        return [token.content for token in decoder.values() if token.special and token.content.startswith("<|")]
