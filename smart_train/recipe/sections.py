"""The sections of a recipe: keys, types, ranges and the defaults that depend on nothing else.

A default of None means "decided by another key"; `defaults.fill_defaults` fills it, and the resolved recipe shows it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from smart_train.utils.terms import (
    HEADLINE,
    MAX_HARDNESS,
    MAX_TEMPERATURE,
    MAX_TERM_WEIGHT,
    MIN_TEMPERATURE,
    NumberFormat,
    Objective,
    Products,
    Score,
)

T = TypeVar("T")
Temperature = Annotated[float, Field(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)]
TermWeight = Annotated[float, Field(gt=0, le=MAX_TERM_WEIGHT)]


def filled(value: T | None) -> T:
    """`value` of a resolved recipe: a default that `defaults.fill_defaults` filled, or a key that its rules require."""
    assert value is not None, "the rules of the recipe see to it"
    return value


def section_classes(annotation: Any) -> Iterator[type[BaseModel]]:
    """The section classes that an annotation names, inside unions and lists too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for member in typing.get_args(annotation):
        yield from section_classes(member)


def _scalar_types(annotation: Any, *, of_items: bool = False) -> set[Any]:
    """What an annotation allows, out of its union and without its constraints: as a value, or as an item of a list."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _scalar_types(members[0], of_items=of_items)
    if origin in (typing.Union, types.UnionType):
        return {kind for member in members for kind in _scalar_types(member, of_items=of_items)}
    if origin is list and of_items:
        return _scalar_types(members[0])
    return {annotation} if origin is None and not of_items else set()


class Section(BaseModel):
    """Base of every section: unknown keys are mistakes, and a recipe does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_is_true(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic reads true as 1. Its strict mode, which does not, would refuse paths and tuples written as YAML."""
        of_items = isinstance(value, list)
        held = value if of_items else [value]
        if info.field_name is not None and any(isinstance(item, bool) for item in held):
            kinds = _scalar_types(cls.model_fields[info.field_name].annotation, of_items=of_items)
            if bool not in kinds and kinds & {int, float}:
                raise PydanticKnownError("float_type" if float in kinds else "int_type")
        return value


class FromConfig(Section):
    """Random weights drawn from a configuration, for tests, dry runs and small experiments.

    `overrides` replaces keys of the folder's config.json (nested as there); `init_std` is the standard deviation the
    weights are drawn with: at the usual 0.02 a small model barely moves, 0.05 learns.
    """

    overrides: dict[str, Any] = {}
    init_std: float = Field(0.02, gt=0)
    seed: int = 0


class ModelSection(Section):
    """The backbone, and how inputs become its prompts. Null leaves the family's own default."""

    name_or_path: str = Field(min_length=1)
    family: str | None = None
    from_config: FromConfig | None = None
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    attn_implementation: Literal["auto", "eager", "sdpa", "flash_attention_2"] | None = None
    trust_remote_code: bool = False
    min_pixels: int | None = Field(None, gt=0)
    max_pixels: int | None = Field(None, gt=0)
    max_length: int | None = Field(None, gt=0)
    query_instruction: str | None = None
    document_instruction: str | None = None
    quantization: Literal["4bit", "8bit"] | None = None
    quantization_upcast: Literal["norms", "all", "none"] | None = None


class PrepareSection(Section):
    """A script that makes the data, run as `python SCRIPT --output OUTPUT ARGS` when OUTPUT is not there yet."""

    script: str = Field(min_length=1)
    output: str = Field(min_length=1)
    args: list[str | int | float] = []


class SourceSection(Section):
    """Where rows come from; the fields of `smart_train.data.SourceConfig`, under their own names."""

    path: str = Field(min_length=1)
    split: str | None = None
    subset: str | None = None
    columns: dict[str, str | list[str]] | Literal["positional"] | None = None
    image_root: str | None = None
    max_samples: int | None = Field(None, gt=0)
    sample_seed: int | None = None
    instruction: str | None = None
    documents: str | None = Field(None, min_length=1)
    streaming: bool = False
    dpi: int | None = Field(None, gt=0)
    pages_as: Literal["image", "text"] | None = None
    ocr: Literal["auto", "all", "off"] | None = None


def source_keys(name: str, sections: Sequence[SourceSection]) -> list[str]:
    """The key in the recipe of each source of `data.{name}`; several are numbered."""
    return [f"data.{name}"] if len(sections) == 1 else [f"data.{name}.{place}" for place in range(len(sections))]


class TrainSourceSection(SourceSection):
    """One source of training rows. `weight` is its share of the batches among several sources; null in all of them: in
    proportion to their rows. `negatives_per_query` null: that of `data`."""

    weight: float | None = Field(None, gt=0)
    negatives_per_query: int | None = Field(None, ge=0)


class EvaluationSourceSection(SourceSection):
    """Held-out rows; `corpus` adds documents that answer no query, so that the ranking is over more of them. Those
    that a source keeps apart (`documents`, or a layout's own corpus) are in the ranking anyway."""

    corpus: str | None = None


# Told apart by their form alone, so that a mistake inside one is reported once, where it stands.
ONE, SEVERAL = "(one source)", "(several sources)"
OneOrSeveral = Annotated[
    Annotated[TrainSourceSection, Tag(ONE)] | Annotated[list[TrainSourceSection], Tag(SEVERAL), Field(min_length=1)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list) else ONE),
]


class DataSection(Section):
    """Rows to train on, held-out rows that steer the run (`evaluation`), and held-out rows that it reports (`test`);
    `on_error` says what a row that cannot be used does."""

    prepare: PrepareSection | None = None
    train: OneOrSeveral
    evaluation: EvaluationSourceSection | None = None
    test: EvaluationSourceSection | None = None
    negatives_per_query: int = Field(0, ge=0)
    max_tokens_per_batch: int | None = Field(None, gt=0)
    group_by_length: bool = False
    cache_dir: str | None = Field(None, min_length=1)
    on_error: Literal["fail", "skip"] = "fail"

    @property
    def training(self) -> list[TrainSourceSection]:
        """The sources of training rows, one or several."""
        return self.train if isinstance(self.train, list) else [self.train]

    @property
    def meets_by_length(self) -> bool:
        """Whether rows of like length meet in a batch, so that the length of every row must be known."""
        return self.group_by_length or self.max_tokens_per_batch is not None

    @property
    def held_out(self) -> dict[str, EvaluationSourceSection]:
        """The sources of held-out rows that are given, by name."""
        given = {"evaluation": self.evaluation, "test": self.test}
        return {name: section for name, section in given.items() if section is not None}

    @property
    def reported(self) -> str | None:
        """Which held-out rows the figures before and after training are measured on: `test` where it is given, so that
        the rows that choose a checkpoint are not those that praise it."""
        return "test" if self.test is not None else next(iter(self.held_out), None)


class LoraSection(Section):
    """LoRA on the language model; `target_modules` null is the family's own rule, which leaves vision alone.
    `init_from` is an adapter, or a run that trained one: its weights are trained on, with its rank, scale and targets.
    `modules_to_save` are ends of the names of modules that are trained whole. `trained_tokens` are tokens whose
    embeddings are trained; those that the vocabulary lacks are added to it."""

    r: int = Field(128, gt=0)
    alpha: float = Field(256, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    target_modules: str | list[str] | None = None
    use_rslora: bool = False
    use_dora: bool = False
    init_from: str | None = None
    modules_to_save: list[Annotated[str, Field(min_length=1)]] | None = Field(None, min_length=1)
    trained_tokens: list[Annotated[str, Field(min_length=1)]] | None = Field(None, min_length=1)


class ProjectionSection(Section):
    """A token projection on a frozen backbone: `dim` is the width of a token in the index. `hidden_dim` makes it two
    linear maps with a GELU between; `layers` are the hidden states it reads, mixed by learned weights when several.
    `state_cache` keeps what the frozen backbone gives on disk (a folder; `auto` takes the user's cache), as numbers of
    `state_dtype`; `auto` there loses nothing."""

    dim: int = Field(256, gt=0)
    hidden_dim: int | None = Field(None, gt=0)
    layers: list[int] | None = Field(None, min_length=1)
    state_cache: str = Field("auto", min_length=1)
    state_dtype: Literal["auto", NumberFormat] = "auto"


class FullSection(Section):
    """Every weight of the backbone is trained, the vision tower's too unless `freeze_vision`."""

    freeze_vision: bool = True


class PositiveAwareSection(Section):
    """Candidates that score above `margin` times the positive's score are left out of the softmax, `by` the student's
    own scores or by those of the teacher in the data."""

    margin: float = Field(0.95, gt=0)
    by: Literal["student", "teacher"] = "student"


class DistillationSection(Section):
    """A part of the loss that teaches the scores in the data. Null: `score` is the objective's (hybrid for joint),
    `temperature` the objective's, `teacher_temperature` the same, `margin_weight` no second part."""

    weight: TermWeight = 1.0
    margin_weight: TermWeight | None = None
    score: Score | None = None
    temperature: Temperature | None = None
    teacher_temperature: Annotated[float, Field(ge=1e-6, le=MAX_TEMPERATURE)] | None = None


class SelfDistillationSection(Section):
    """A part of the loss that teaches the combined score of all candidates to the pooled and the late one. Null:
    `temperature` is the objective's, `score` both (a projection's: late). `warmup` is a share of the steps."""

    weight: TermWeight = 1.0
    score: Literal["pooled", "late"] | None = None
    temperature: Temperature | None = None
    warmup: float = Field(0.1, ge=0, lt=1)


class ObjectiveSection(Section):
    """The loss. `temperature` serves every term; `joint` may give each term its own, and its own weight.
    `learn_weights` trains both, and what the model scores by with them. `products`: by which the tokens that win are
    found. `hardness`: how much more a negative counts the higher it scores."""

    name: Objective | None = None
    temperature: Temperature | None = None
    pooled_temperature: Temperature | None = None
    late_temperature: Temperature | None = None
    pooled_weight: TermWeight | None = None
    late_weight: TermWeight | None = None
    learn_temperature: bool = False
    shared_negatives: bool = True
    positive_aware: PositiveAwareSection | None = None
    distillation: DistillationSection | None = None
    self_distillation: SelfDistillationSection | None = None
    learn_weights: bool = False
    products: Products = "exact"
    hardness: Annotated[float, Field(ge=0, le=MAX_HARDNESS)] = 0.0

    @property
    def needs_teacher(self) -> bool:
        """Whether training rows must bring a teacher's scores."""
        return self.distillation is not None or (
            self.positive_aware is not None and self.positive_aware.by == "teacher"
        )


class GradientCachingSection(Section):
    """How much of each side of a process's batch is encoded at a time; the batch, and so the number of candidates, then
    no longer depends on memory. Costs a second forward; the loss and its gradients stay the same. Null: no bound."""

    mini_batch_size: int | None = Field(None, gt=0)
    mini_batch_tokens: int | None = Field(None, gt=0)
    keep_vision: Literal["auto", "off"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "auto"


class AveragingSection(Section):
    """An average of the trained weights is measured, saved and exported in the place of the last step's. A step counts
    `decay` times as much as the one after it."""

    decay: float = Field(0.95, gt=0, lt=1)


class EvaluationSection(Section):
    """When quality is measured, and by what the best checkpoint is chosen. Null: wherever there is held-out data."""

    before: bool | None = None
    after: bool | None = None
    during: bool | None = None
    batch_size: int = Field(32, gt=0)
    num_workers: int | None = Field(None, ge=0)
    products: Products = "exact"
    early_stopping_patience: int | None = Field(None, gt=0)
    metric: str = f"hybrid_{HEADLINE}"


class TuneSection(Section):
    """Settings that are chosen after training, on `data.evaluation`, and decided on `data.test` or on the other half of
    the queries; see `smart_train.evaluation.TuningGrid`. Null: what that tries by itself. `max_bytes` bounds what a
    document takes in the index; null changes nothing about how it is stored."""

    metric: str = HEADLINE
    weights: list[str] | None = Field(None, min_length=1)
    layers: list[int] | None = Field(None, min_length=1)
    query_tokens: list[str] | None = Field(None, min_length=1)
    document_tokens: list[str] | None = Field(None, min_length=1)
    pooled_token: list[str] | None = Field(None, min_length=1)
    widths: list[Annotated[int, Field(gt=0)]] | None = Field(None, min_length=1)
    pool_factors: list[Annotated[int, Field(gt=0)]] | None = Field(None, min_length=1)
    stored_as: list[str] | None = Field(None, min_length=1)
    max_bytes: int | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)


class ExportSection(Section):
    """The merged model at the end of a run. Null: `output` is RUN/export, `dtype` that of the checkpoint that
    training started from."""

    enabled: bool = True
    output: str | None = Field(None, min_length=1)
    dtype: Literal["float32", "bfloat16", "float16"] | None = None


class HubSection(Section):
    """Where the result is published when the run ends; null publishes nothing. `checkpoints` publishes every saved
    adapter or projection too, on a branch of that name, while the run goes on."""

    repo_id: str | None = None
    private: bool = True
    revision: str | None = Field(None, min_length=1)
    what: Literal["adapter", "merged"] = "merged"
    checkpoints: bool = False


class DistributedSection(Section):
    """How the run is spread. `auto`: one process per GPU, one on a CPU, by DDP. `none`: one process. The others: two or
    more; zero1 to zero3 are DeepSpeed's stages. `num_processes` counts those of all machines. `accelerate_config`: a
    file that `smart-train launch` hands to accelerate."""

    strategy: Literal["auto", "none", "ddp", "zero1", "zero2", "zero3", "fsdp2"] = "auto"
    num_processes: int | None = Field(None, gt=0)
    accelerate_config: str | None = Field(None, min_length=1)
