"""ColPali (PaliGemma 3B: SigLIP's tower, a projector, Gemma): a projection of every token, late interaction alone.

Sources: `ColPali` and `ColPaliProcessor` of github illuin-tech/colpali (colpali_engine/models/paligemma), releases up
to 0.3.3, and of transformers, with which vidore/colpali-v1.3-hf is published; the code of 0.2.2 for versions 1.1 and
1.2: the prefix `Question: `, ten `<pad>` and a newline after a query, the prompt of a page, a fixed number of tokens an
image, a linear map with bias of the last state to 128 numbers, no token left out of the score. A text as a document
stands alone, as in `process_texts` of release 0.3.11 and later.

Every token sees all others, since transformers 4.45 in a query too. Versions 1.1 and 1.2 were trained before that, when
a query without an image was read from left to right: `colpali_v1_2` reads them so. Positions count from 1, which
changes nothing: rotary positions are relative.

Release 0.3.4 of colpali-engine made the prefix `Query: ` and puts a second `<bos>` into the prompt of a page; 0.3.11
took the prefix away. Whether version 1.3, published a day after 0.3.4, was trained so is not known: its port to
transformers has the older prompts.

That code reads queries of text and pages of one image. Text beside an image and several images are read in the form of
a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from smart_train.errors import ModelError
from smart_train.models.families.pixel_levels import PIXEL_LEVELS
from smart_train.models.families.placeholders import IMAGE, ImagePlaceholders
from smart_train.models.families.projected_tokens import HEAD
from smart_train.models.family import Features, Role, VisionShape
from smart_train.models.image_boxes import grid_boxes
from smart_train.models.image_sizes import Size
from smart_train.models.slicing import IMAGE_COUNTS, VisualFields
from smart_train.types import ModelInput

_PARTS = r"(?=language_model\.|vision_tower\.|multi_modal_projector\.)"
# Names of the backbone's weights in the classes around it, which have changed with their releases -> their own.
_WITHIN = {
    rf"^(vlm\.|model\.)(model\.)?{_PARTS}": "",
}
_BOTH_WAYS, _LEFT_TO_RIGHT = 0, 1  # what transformers' class takes the type of a token for


class ColPali(ImagePlaceholders):
    """A query's text behind a prefix, ten `<pad>` behind it; images before the request to describe them. An instruction
    is a prefix.

    Class variables:
        causal_queries: whether tokens of an input without an image see only those before them.
    """

    name = "colpali"
    model_types = ("paligemma", "colpali")
    line = "ColPali"
    engine_classes = {"paligemma": "ColPali"}
    example_base = "vidore/colpaligemma-3b-pt-448-base"
    lora_targets = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
    vision_modules = ("vision_tower", "multi_modal_projector")
    visual_fields = (VisualFields("image", "pixel_values", None, (PIXEL_LEVELS,)),)
    unused_weights = ("lm_head.", "language_model.lm_head.", "vlm.lm_head.", "vlm.language_model.lm_head.")
    wrappers = {"colpali": ("vlm_config", _WITHIN)}
    # As colpali-engine names them, whose class is older than today's names.
    checkpoint_layout = (
        ("language_model.", "model.language_model.model."),
        ("vision_tower.", "model.vision_tower.vision_model."),
        ("multi_modal_projector.", "model.multi_modal_projector."),
        (HEAD, HEAD),
    )
    default_query_instruction = "Question"
    causal_queries: ClassVar[bool] = False

    @classmethod
    def check_config(cls, config: Any) -> None:
        text = config.get_text_config().model_type
        if text != "gemma":
            raise ModelError(f"text_config.model_type {text!r}: {cls.name} reads PaliGemma's first generation, gemma")

    def check_tokenizer(self, tokenizer: Any) -> None:
        for name in ("bos_token", "pad_token"):
            if getattr(tokenizer, name) is None:
                raise ModelError(f"{self.folder}: its tokenizer has no {name}, which {self.name} puts into prompts")

    def other_size(self, processor: Any, side: int) -> str:
        size = dict(processor.size)
        return "" if (size.get("height"), size.get("width")) == (side, side) else f"images of {size}"

    @property
    def _side(self) -> int:
        """Tokens of an image, in each direction."""
        vision = self.config.vision_config
        return vision.image_size // vision.patch_size

    def prompt(self, item: ModelInput, text: str, role: Role) -> str:
        begin = self.tokenizer.bos_token
        if item.images:
            return f"{IMAGE * len(item.images)}{begin}{text or 'Describe the image.'}\n"
        if role == "document":
            return f"{begin}{text}"
        prefix = self.instruction(item, role)
        asked = f"{prefix}: {text}" if prefix else text
        return f"{begin}{asked}{self.tokenizer.pad_token * 10}\n"

    def image_text(self, size: Size) -> str:
        return IMAGE * self._side**2

    def read_images(self, images: Sequence[Image.Image]) -> Features:
        return {"pixel_values": self.image_processor(images, return_tensors="pt")["pixel_values"]}

    def read_small(self, image: Image.Image) -> Tensor:
        return self.image_processor(image, do_resize=False, return_tensors="pt")["pixel_values"][0]

    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        features = super().featurize(inputs, role)
        mask = features["attention_mask"]
        # As the class numbers them where nothing is padded: from 1 on.
        features["position_ids"] = mask.cumsum(dim=1)
        causal = (features[IMAGE_COUNTS] == 0) & self.causal_queries
        kinds = torch.where(causal, _LEFT_TO_RIGHT, _BOTH_WAYS).unsqueeze(1)
        features["token_type_ids"] = kinds.expand_as(mask).contiguous()
        return features

    def image_boxes(self, features: Features) -> list[Tensor]:
        return [grid_boxes(self._side, self._side) for _ in features.get("pixel_values", ())]

    def patches(self, features: Features) -> int:
        return len(features.get("pixel_values", ())) * self._side**2

    def vision_shape(self, config: Any) -> VisionShape:
        vision = config.vision_config
        return VisionShape(
            layers=vision.num_hidden_layers,
            width=vision.hidden_size,
            inner=vision.intermediate_size,
            patch_numbers=vision.num_channels * vision.patch_size**2,
            output_numbers=config.get_text_config().hidden_size,
        )

    def fit_image(self, image: Image.Image) -> Image.Image:
        made = self.image_processor(image, do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"][0]
        return Image.fromarray(made.to(torch.uint8).permute(1, 2, 0).numpy())

    @property
    def image_settings(self) -> str:
        processor = self.image_processor
        return f"{type(processor).__name__} {dict(processor.size)} {processor.resample}"


class ColPaliCausalQueries(ColPali):
    """The same, with queries read from left to right, as versions 1.1 and 1.2 were trained."""

    name = "colpali_v1_2"
    causal_queries = True

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return False  # files of all versions look alike
