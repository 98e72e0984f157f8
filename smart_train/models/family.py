"""What a backbone family must say about itself: prompt, pooled position, kept tokens, trainable modules.

A family turns `ModelInput`s into the tensors of one forward, entirely on the CPU, so that a data loader's workers can
do it. It never sees weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from PIL import Image
from tokenizers import AddedToken
from torch import Tensor, nn

from smart_train.errors import ModelError
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.slicing import VisualFields
from smart_train.models.token_filter import token_filter
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput

Role = Literal["query", "document"]
Features = dict[str, Tensor]
SMART_CONFIG = "smart_config.json"  # the file by which a saved folder is known


def last_valid(attention_mask: Tensor) -> Tensor:
    """int64 [B]: each row's last valid position in `attention_mask` [B, T], on whichever side it is padded."""
    return (attention_mask * torch.arange(attention_mask.shape[1])).amax(dim=1)


@dataclass(frozen=True)
class VisionShape:
    """The sizes of a vision tower that its memory follows from.

    Attributes:
        layers: how many there are.
        width, inner: of a patch's state between the layers, and inside the feed-forward part of one.
        patch_numbers: how many numbers the processor hands over for a patch.
        output_numbers: how many numbers the backbone gets for a patch, on average: neighbours may be merged.
    """

    layers: int
    width: int
    inner: int
    patch_numbers: int
    output_numbers: float


class Family(ABC):
    """One backbone family: all that the package asks about a kind of model. Subclasses fill in the class variables and
    the abstract methods; one that reads images or videos also what stands below "images and videos".

    Class variables:
        name: the registry's key.           model_types: `config.model_type` values it is found by.
        any_backbone: whether it also reads models of other types, where it is named for them.
        lora_targets: regular expression of the linear layers that LoRA adapts: the language model's, never vision's.
        vision_modules: name prefixes of the vision tower inside the backbone; empty for text models.
        modalities: what an input may contain ("text", "image", "video").
        default_min_pixels, default_max_pixels: bounds on an image's area; None leaves them to the processor's files.
        unused_weights: name prefixes, in the backbone or beside it, of checkpoint weights that an embedder does not use
            (heads that generate text, guess masked words, or pool for classifiers). They may be there or not; a merged
            folder keeps those that its base has. All other weights must fit exactly.
        dropped_weights: the same, of weights that a merged folder does not keep either, because the class that it names
            has no place for them.
        runs_own_code: whether Python code that a folder brings may be run, where the user trusts it.
        checkpoint_layout: (prefix in the backbone, prefix in the generation class's checkpoint) for every part; empty
            where that class puts its own prefix before all of them.
        default_scoring: how its published tokens are scored, where neither user, recipe nor folder says.
        vision_outputs: the fields of the vision tower's ModelOutput that the backbone reads; empty: all of them.
        visual_fields: the features that images and videos have of their own, one entry for each that it reads.
        pixel_bounds: whether `min_pixels` and `max_pixels` bound the area of its images.
        pools_special_token: whether the pooled position, where there is one, always holds a special token.
        reads_layout: whether it reads its pooling and lower case from the files of sentence-transformers.
        transformers_alone: whether transformers alone, with the folder's own processor, gives its states for what
            `render` gives; the model card then shows how.
        same_weights: names of families that read the same weights in the same way, from other prompts: an adapter
            trained as one of them may be read as this one, where that is asked for by name.
        base_obstacle: why the base of an adapter, as transformers reads it, is not the model that it was trained on;
            None where it is.
        late_only: its models have no pooled vector: that of their embeddings is 0 wide. See `check_pooled`.
        token_head: name of the module, in the backbone, that makes tokens of the kept states of the last layer, and the
            pooled vector where there is one; `fit_backbone` puts it there. A token projection may take its place for
            the tokens of the latter. None: the states are the tokens.
        own_weights: name prefixes of checkpoint weights that `add_weights` reads, and transformers' class of the
            backbone does not.
        wrappers: `config.model_type` of a class around the backbone -> the key of its configuration that holds the
            backbone's, and the backbone's names of its weights: a regular expression of the start of a name -> what
            stands there in the backbone.
    """

    name: ClassVar[str]
    model_types: ClassVar[tuple[str, ...]]
    any_backbone: ClassVar[bool] = False
    lora_targets: ClassVar[str]
    vision_modules: ClassVar[tuple[str, ...]] = ()
    modalities: ClassVar[tuple[str, ...]] = ("text",)
    default_query_instruction: ClassVar[str | None] = None
    default_document_instruction: ClassVar[str | None] = None
    default_max_length: ClassVar[int] = 8192
    default_min_pixels: ClassVar[int | None] = None
    default_max_pixels: ClassVar[int | None] = None
    unused_weights: ClassVar[tuple[str, ...]] = ("lm_head.",)
    dropped_weights: ClassVar[tuple[str, ...]] = ()
    runs_own_code: ClassVar[bool] = True
    checkpoint_layout: ClassVar[tuple[tuple[str, str], ...]] = ()
    default_scoring: ClassVar[ScoringConfig] = ScoringConfig()
    vision_outputs: ClassVar[tuple[str, ...]] = ()
    visual_fields: ClassVar[tuple[VisualFields, ...]] = ()
    pixel_bounds: ClassVar[bool] = False
    pools_special_token: ClassVar[bool] = False
    reads_layout: ClassVar[bool] = False
    transformers_alone: ClassVar[bool] = False
    same_weights: ClassVar[tuple[str, ...]] = ()
    base_obstacle: ClassVar[str | None] = None
    late_only: ClassVar[bool] = False
    token_head: ClassVar[str | None] = None
    own_weights: ClassVar[tuple[str, ...]] = ()
    wrappers: ClassVar[Mapping[str, tuple[str, dict[str, str]]]] = {}

    def __init__(self, folder: str, *, scoring: ScoringConfig, prompts: PromptConfig) -> None:
        self.folder = folder
        self.scoring = scoring
        self.prompts = prompts
        self.added_tokens: tuple[AddedToken, ...] = ()
        for side in ("query_tokens", "document_tokens"):
            if getattr(scoring, side) == "visual" and self.modalities == ("text",):
                raise ModelError(f"scoring.{side} 'visual': {self.name} reads no images; choose content, text or all")
        if scoring.pooled_weight > 0:
            self.check_pooled(f"scoring.pooled_weight {scoring.pooled_weight:g}", "set scoring.pooled_weight to 0")
        if self.token_head is not None and scoring.layer != -1:
            raise ModelError(
                f"scoring.layer {scoring.layer}: {self.name} makes its tokens of the last layer, by {self.token_head}; "
                "leave it at -1"
            )
        for name in ("min_pixels", "max_pixels"):
            # Text families ignore both, as version 0.1.0 did: their saved models may hold them.
            if "image" in self.modalities and not self.pixel_bounds and getattr(prompts, name) is not None:
                raise ModelError(
                    f"model.{name} {getattr(prompts, name)}: {self.name} has no bounds on an image's area; remove it"
                )

    def __getstate__(self) -> dict[str, Any]:
        # Workers read the folder's files again: it is cheap there, and a processor's class may not survive pickling.
        cached = {name for name in self.__dict__ if isinstance(getattr(type(self), name, None), cached_property)}
        return {name: value for name, value in self.__dict__.items() if name not in cached}

    def add_tokens(self, tokens: Sequence[AddedToken]) -> None:
        """From now on reads each of `tokens` as one token, which the folder's tokenizer does not know."""
        self.added_tokens = (*self.added_tokens, *tokens)
        self.__dict__ = self.__getstate__()  # what was made of the folder's tokenizer is made anew

    def with_added(self, tokenizer: Any) -> Any:
        """`tokenizer`, as the folder has it, with `added_tokens`; every family's own tokenizer comes through this."""
        if self.added_tokens:
            tokenizer.add_tokens(list(self.added_tokens))
        return tokenizer

    @classmethod
    def scoring_of(cls, given: ScoringConfig | Mapping[str, Any] | None, saved: ScoringConfig | None) -> ScoringConfig:
        """How a model of this family scores: as `given`; for keys not given as its folder says (`saved`), else the
        family."""
        if isinstance(given, ScoringConfig):
            return given
        return ScoringConfig.from_dict({**(saved or cls.default_scoring).to_dict(), **(given or {})})

    @classmethod
    def check_pooled(cls, what: str, instead: str) -> None:
        """Raises ModelError where this family has no pooled vector, which `what` needs; says what to do `instead`."""
        if cls.late_only:
            raise ModelError(f"{what}: {cls.name} is late only, its models have no pooled vector; {instead}")

    @classmethod
    def check_projection(cls, source: object) -> None:
        """Raises ModelError, naming `source`, where the family has tokens by its own projection alone."""
        if cls.late_only:
            raise ModelError(
                f"{source or 'a token projection'}: {cls.name} makes its tokens by a projection of its own "
                f"({cls.token_head}); load the model without another one"
            )

    @classmethod
    def claims(cls, folder: Path) -> bool | None:
        """Whether the files in `folder` show that its model is of this family; None when they do not say. Families that
        share a `model_type` are told apart by it."""
        return None

    @classmethod
    def check_config(cls, config: Any) -> None:
        """Raises ModelError where the parts of a backbone's Hugging Face `config` do not fit together."""
        return

    @classmethod
    def image_reading(cls) -> str | None:
        """How the backbone is given images, where families of one backbone differ; None where none is read."""
        return None

    def fit_backbone(self, backbone: nn.Module) -> None:  # noqa: B027 (a hook that most families leave alone)
        """Changes, in place, what this family has differently from the plain backbone class, before any adapter."""

    def add_weights(self, backbone: nn.Module) -> None:  # noqa: B027 (as above)
        """Adds, in place, weights that the folder keeps beside the backbone's own, once those are loaded."""

    def save_files(self, folder: Path) -> None:  # noqa: B027 (as above)
        """Files of its own folder that this family must write anew into a saved model's `folder`, after the others were
        copied there: a tokenizer that gained a token."""

    @abstractmethod
    def render(self, item: ModelInput, role: Role) -> str:
        """The prompt of one input, with one visual placeholder per image or video."""

    @abstractmethod
    def featurize(self, inputs: Sequence[ModelInput], role: Role) -> Features:
        """Tensors of one forward for `inputs`, right-padded, on the CPU.

        Always holds `input_ids`, `attention_mask` int64 [B, T], `token_mask` bool [B, T], and, unless the family is
        late only, one of `pooled_index` int64 [B] (the pooled state's position) and `pooled_mask` bool [B, T] (the
        positions whose mean is the pooled state); everything else is passed to the backbone's forward by name.
        """

    @abstractmethod
    def token_count(self, item: ModelInput, role: Role, image_sizes: Sequence[tuple[int, int]]) -> int:
        """How many tokens `item` has before anything is cut to `max_length`, without decoding an image.

        Args:
            image_sizes: (width, height) in pixels of each image of `item`, in order.

        Raises:
            ModelError: a video behind an address, or what the family cannot read. DataError, MissingExtra: a video
                that cannot be opened.
        """

    @property
    @abstractmethod
    def tokenizer(self) -> Any:
        """The folder's tokenizer, padding right."""

    @property
    def processor(self) -> Any:
        """What the folder offers to prepare inputs with: the tokenizer, where nothing is around it."""
        return self.tokenizer

    # Images and videos

    @property
    def visual_ids(self) -> Tensor:
        """int64 [ids]: the tokens that stand for images and videos; empty where none are read."""
        return torch.empty(0, dtype=torch.int64)

    def visual_tokens(self, image_sizes: Sequence[tuple[int, int]]) -> int:
        """How many of an input's tokens stand for its images, whose (width, height) in pixels are given."""
        return 0

    def compact(self, features: Features) -> Features:
        """`features` as they travel to the device, where `expand` makes them what they were, bit for bit."""
        return features

    def expand(self, features: Features) -> Features:
        """The inverse of `compact`, where the features are; others are returned as they are."""
        return features

    def without_pixels(self, features: Features) -> Features | None:
        """`features`, compact or not, for a forward whose vision tower is replaced by its outputs; None where the
        backbone itself looks at pixels."""
        return None

    def patches(self, features: Features) -> int:
        """How many patches the vision tower reads in `features`: the rows of their pixels, unless a family's rows are
        whole images."""
        return sum(len(features[visual.pixels]) for visual in self.visual_fields if visual.pixels in features)

    def vision_shape(self, config: Any) -> VisionShape | None:
        """The sizes of the vision tower in the backbone's Hugging Face `config`; None where there is no tower."""
        return None

    def fit_image(self, image: Image.Image) -> Image.Image:
        """An RGB image at the size that `featurize` would bring it to. Raises ModelError where no image is read."""
        raise ModelError(f"{self.name} reads {', '.join(self.modalities)}, but not images")

    @property
    def image_settings(self) -> str:
        """All that the result of `fit_image` depends on beside the image, in words. Raises ModelError as that does."""
        raise ModelError(f"{self.name} reads {', '.join(self.modalities)}, but not images")

    def image_boxes(self, features: Features) -> list[Tensor]:
        """Where the tokens of each image in `features` lie on it, image after image: fp32 [tokens, 4], in the order of
        the tokens: left, top, right and bottom, as shares of the image's width and height, 0 to 1.

        Raises:
            ModelError: the family does not say; heat maps of its pages cannot be drawn then, all else works.
        """
        raise ModelError(
            f"{self.name} does not say where the tokens of an image lie on it; its class needs the method image_boxes "
            "(see docs/families.md)"
        )

    # Prompts and pooling, as other libraries are told of them

    @property
    def linear_head(self) -> Tensor | None:
        """fp32 [d, H]: what `token_head` does, where that is one linear map which is not trained; None elsewhere."""
        return None

    @property
    @abstractmethod
    def special_ids(self) -> Tensor:
        """int64 [ids]: the special tokens that late interaction drops."""

    @property
    def closing_id(self) -> int | None:
        """The token that this family appends to every text, because the folder's tokenizer does not; None: nothing."""
        return None

    @property
    def lower_case(self) -> bool:
        """Whether text is made lower case before anything else."""
        return False

    @property
    def pooling(self) -> str | None:
        """Which state is the pooled vector: "cls", "mean" or "last"; None where it is none of these for every input."""
        return None

    def instruction(self, item: ModelInput, role: Role) -> str | None:
        """The instruction of one input: its own, else the run's, else the family's."""
        if item.instruction is not None:
            return item.instruction
        if role == "query":
            instruction = self.prompts.query_instruction
            return self.default_query_instruction if instruction is None else instruction
        instruction = self.prompts.document_instruction
        return self.default_document_instruction if instruction is None else instruction

    @property
    def embedder_obstacle(self) -> str | None:
        """Why the modules of sentence-transformers cannot render and pool as this family does; None where they can."""
        if self.embedder_prompt("query") is None or self.pooling is None:
            return f"sentence-transformers cannot express the prompt and pooled position of {self.name}"
        return None

    def embedder_prompt(self, role: Role) -> str | None:
        """What sentence-transformers must put before a text (or, where there is a chat template, into the system turn)
        to render an input of `role` as `render` does; None where nothing does. Such a family's export is read there
        through smart_train, which must be installed."""
        return None

    def conversation(self, item: ModelInput, role: Role) -> list[dict[str, Any]] | None:
        """The turns that the folder's chat template, with a generation prompt, renders as `render` does; None where no
        turns do, or where the backbone's own positions are not those that the model was trained with."""
        return None

    def kept_tokens(self, features: Features, role: Role, pooled_index: Tensor | None) -> Tensor:
        """The `token_mask` of `features` (input_ids, attention_mask), by the filter of this side; see `token_filter`.

        Args:
            pooled_index: int64 [B], the position that is pooled; None where it is not one position.
        """
        return token_filter(
            features["input_ids"],
            features["attention_mask"],
            pooled_index,
            keep=self.scoring.query_tokens if role == "query" else self.scoring.document_tokens,
            pooled_token=self.scoring.pooled_token,
            special_ids=self.special_ids,
            visual_ids=self.visual_ids,
        )

    @property
    def max_length(self) -> int:
        return self.prompts.max_length or self.default_max_length

    def check_modalities(self, item: ModelInput) -> None:
        """Raises ModelError when `item` holds what this family cannot read."""
        for modality, present in (("image", bool(item.images)), ("video", item.video is not None)):
            if present and modality not in self.modalities:
                raise ModelError(
                    f"{self.name} reads {', '.join(self.modalities)}, but an input holds {modality}: choose a model "
                    f"family that reads {modality}, or remove it from the data"
                )

    def is_vision(self, name: str) -> bool:
        """Whether the module or parameter `name` of the backbone belongs to the vision tower."""
        return any(part in name.split(".") for part in self.vision_modules)

    def check_lora_targets(self, names: Sequence[str]) -> None:
        """Raises ModelError when an adapted module lies in the vision tower or none was adapted at all."""
        if not names:
            raise ModelError(f"LoRA pattern {self.lora_targets!r} of family {self.name} matches no module")
        stray = [name for name in names if self.is_vision(name)]
        if stray:
            raise ModelError(
                f"LoRA would change the frozen vision tower: {stray[0]} (and {len(stray) - 1} more); "
                "narrow lora.target_modules to the language model"
            )
