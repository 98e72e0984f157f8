"""A first recipe for a user's model and data, with what can be read from both filled in.

It is text with comments, not a dumped mapping: it is meant to be read and edited. The way of training is never chosen
here, because lora, projection and full cost different hardware and serve different uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import median
from typing import Any, Literal

import torch

from smart_train.errors import RecipeError
from smart_train.inputs.images import image_size
from smart_train.models import Family, SmartModel
from smart_train.models.family import Role
from smart_train.models.loading import locate
from smart_train.recipe import parse_recipe
from smart_train.recipe.defaults import TEMPERATURES
from smart_train.recipe.reader import dump_yaml
from smart_train.recipe.training_section import COMMON_DEFAULTS
from smart_train.recipe.wording import one_of
from smart_train.run import build
from smart_train.types import Example, ModelInput

METHODS = ("lora", "qlora", "projection", "full")

_SAMPLE = 64  # rows whose token counts stand for all
_MOST_CANDIDATES = 64  # on one GPU; more learn better and cost time
_LEAST_STEPS = 8  # an epoch with fewer optimiser steps has too large a batch for its rows
_FEW_ROWS = 20_000  # below: several epochs, and an adapter of little capacity
_LARGE_MODEL = 500_000_000  # parameters; smaller models take higher learning rates
_COMMENTS_FROM = 36  # column of the comments

Line = tuple[str, Any, str]


@dataclass(frozen=True)
class Wanted:
    """What the user says; everything else is read from the model and the rows.

    Attributes:
        model: folder or Hub id. data: training rows, a path or Hub id. method: one of `METHODS`.
        evaluation: held-out rows, or None. split, evaluation_split: of either, if it has several.
        columns: our column name -> the source's, for both; or "positional".
        pages_as: whether a page of a PDF file is its image or its text. None: what the model reads.
        family: only if the model's files do not show it. output_dir: the run folder.
    """

    model: str
    data: str
    method: str
    output_dir: str
    evaluation: str | None = None
    split: str | None = None
    evaluation_split: str | None = None
    columns: Mapping[str, str | list[str]] | str | None = None
    pages_as: Literal["image", "text"] | None = None
    family: str | None = None
    trust_remote_code: bool = False


@dataclass(frozen=True)
class _Facts:
    """What model and rows say."""

    method: str
    model: SmartModel
    rows: Sequence[Example]
    rows_line: str  # how many, and what is wrong with others
    documents: int  # different ones
    query_tokens: list[int]
    document_tokens: list[int]

    @property
    def images(self) -> bool:
        return any(document.images for example in self.rows[:_SAMPLE] for document in example.documents)

    @property
    def parameters(self) -> int:
        """Of the model that the run starts from, without the adapter or the projection that it adds."""
        whole = self.method == "full"  # of any other method, what is trained is what was added
        return sum(weight.numel() for weight in self.model.parameters() if whole or not weight.requires_grad)

    @property
    def candidates(self) -> int:
        """The largest power of two, at least 2, that leaves enough steps an epoch and has a document for each query."""
        most = min(_MOST_CANDIDATES, len(self.rows) // _LEAST_STEPS, self.documents // 2)
        return 1 << max(1, most.bit_length() - 1)


def draft_recipe(wanted: Wanted) -> str:
    """The text of a recipe that `smart-train validate` accepts.

    Reads the model's configuration and tokenizer, no weights; reads and checks all rows.

    Raises:
        SmartTrainError: an unknown method; a model or rows that cannot be read; a method that does not fit the model.
    """
    if wanted.method not in METHODS:
        raise RecipeError(f"method {wanted.method!r}; the method {one_of(wanted.method, METHODS)}")
    return _text(*_read(wanted))


def _read(wanted: Wanted) -> tuple[Wanted, _Facts]:
    """What model and rows say, and `wanted` with pages as text where that is what the model reads."""
    source = f"a recipe for {wanted.model}"
    recipe = parse_recipe(_least(wanted), source=source)
    model = build.skeleton(recipe, locate(wanted.model, None, weights=False))
    if wanted.pages_as is None and "image" not in model.family.modalities:
        wanted = replace(wanted, pages_as="text")
        recipe = parse_recipe(_least(wanted), source=source)
    rows, report = build.usable_rows(recipe, "train", reads=model.family.modalities)
    if wanted.evaluation is not None:
        build.usable_rows(recipe, "evaluation", reads=model.family.modalities)
    sample = [rows[place] for place in range(0, len(rows), ceil(len(rows) / _SAMPLE))]
    queries = _token_counts(model.family, [example.query for example in sample], "query")
    documents = _token_counts(model.family, [example.documents[0] for example in sample], "document")
    return wanted, _Facts(wanted.method, model, rows, report.summary(), report.documents or 0, queries, documents)


def _token_counts(family: Family, items: Sequence[ModelInput], role: Role) -> list[int]:
    """Tokens of each item before it is cut, without videos: theirs depend on frames, which are not read here."""
    return [
        family.token_count(item, role, [image_size(image) for image in item.images])
        for item in items
        if item.video is None
    ]


def _least(wanted: Wanted) -> dict[str, Any]:
    """The shortest recipe of this model, data and method."""
    model = {"name_or_path": wanted.model, "family": wanted.family, "trust_remote_code": wanted.trust_remote_code}
    if wanted.method == "qlora":
        model["quantization"] = "4bit"
    data: dict[str, Any] = {"train": _rows(wanted, wanted.data, wanted.split)}
    if wanted.evaluation is not None:
        data["evaluation"] = _rows(wanted, wanted.evaluation, wanted.evaluation_split)
    mode = "lora" if wanted.method == "qlora" else wanted.method
    if mode == "projection":  # a width that fits every model
        return {"model": model, "data": data, "projection": {"dim": 1}, "objective": {"name": "late"}}
    return {"model": model, "data": data, mode: {}}


def _rows(wanted: Wanted, path: str, split: str | None) -> dict[str, Any]:
    """One source of the recipe's data section."""
    columns = dict(wanted.columns) if isinstance(wanted.columns, Mapping) else wanted.columns
    return {"path": path, "split": split, "columns": columns, "pages_as": wanted.pages_as}


def _text(wanted: Wanted, facts: _Facts) -> str:
    header = [
        f"# {wanted.model} by {wanted.method} on {wanted.data}: {facts.rows_line}, {facts.documents} different "
        "documents.",
        "# Written by `smart-train init` from the model's files and the rows; everything here may be edited.",
        "#",
        "#   smart-train validate THIS_FILE      checks it, and estimates memory and steps",
        "#   smart-train launch THIS_FILE        trains, evaluates and exports",
    ]
    sections = {
        "model": _model(wanted, facts),
        "data": [*_data(wanted), *_like(wanted, facts)],
        **_method(wanted, facts),
        "objective": _objective(wanted),
        **_caching(wanted, facts),
        "training": _training(wanted, facts),
    }
    if wanted.evaluation is not None:
        metric = "hybrid_ndcg@5" if facts.images else "hybrid_ndcg@10"
        sections["evaluation"] = [("metric", metric, "chooses the best checkpoint; pooled and late are reported too")]
    return "\n\n".join(["\n".join(header), *(_section(name, lines) for name, lines in sections.items())]) + "\n"


def _model(wanted: Wanted, facts: _Facts) -> list[Line]:
    family = facts.model.family
    lines: list[Line] = [
        ("name_or_path", wanted.model, f"{facts.parameters / 1e6:,.1f} million parameters"),
        ("family", family.name, "as given" if wanted.family else "as the model's files show"),
    ]
    if wanted.trust_remote_code:
        lines.append(("trust_remote_code", True, "runs Python code of the model's repository"))
    if wanted.method == "qlora":
        lines.append(("quantization", "4bit", "of the frozen weights; the adapter stays in full precision"))
    elif wanted.method != "full" and torch.cuda.is_available() and torch.cuda.is_bf16_supported():
        lines.append(("dtype", "bfloat16", "of the frozen weights; scores and trained weights stay in float32"))
        lines.append(("attn_implementation", "auto", "flash attention where it is installed; the log says so"))
    lines.append(("max_length", family.max_length, _lengths(facts)))
    if facts.images and family.default_max_pixels:
        most = family.prompts.max_pixels or family.default_max_pixels
        lines.append(("max_pixels", most, "of a page after resizing; half saves memory and blurs small print"))
    return lines


def _lengths(facts: _Facts) -> str:
    limit = facts.model.family.max_length
    sides = [
        f"{side} {median(counts):.0f}, at most {max(counts)}"
        for side, counts in (("queries", facts.query_tokens), ("documents", facts.document_tokens))
        if counts
    ]
    cut = sum(count > limit for count in facts.document_tokens)
    share = f"; {cut / len(facts.document_tokens):.0%} of documents are cut" if cut else ""
    return f"tokens; of a sample: {'; '.join(sides) or 'videos only'}{share}"


def _data(wanted: Wanted) -> list[Line]:
    lines: list[Line] = [("train", _rows(wanted, wanted.data, wanted.split), "")]
    if wanted.evaluation is None:
        note = (
            "no held-out rows: add evaluation: {path: ...}, with queries and documents that no training row has, or "
            "nobody knows whether training helped"
        )
        return [*lines, ("", None, note)]
    held_out = _rows(wanted, wanted.evaluation, wanted.evaluation_split)
    return [*lines, ("evaluation", held_out, "the best checkpoint is chosen on these")]


def _like(wanted: Wanted, facts: _Facts) -> list[Line]:
    """Pages of a folder differ in size. A projection reads states from the disk, which have no padding."""
    if not facts.images or wanted.method == "projection":
        return []
    return [("group_by_length", True, "pages of like length meet in a batch: less padding, negatives of like shape")]


def _method(wanted: Wanted, facts: _Facts) -> dict[str, list[Line]]:
    if wanted.method == "full":
        return {"full": [("freeze_vision", True, "the vision tower keeps its weights")]}
    if wanted.method == "projection":
        width = facts.model.config.get_text_config().hidden_size
        return {"projection": [("dim", width, "width of a stored token; a smaller one makes the index smaller")]}
    rank = 32 if len(facts.rows) < _FEW_ROWS else 128
    return {
        "lora": [
            ("r", rank, "capacity of the adapter; few rows need little"),
            ("alpha", 2 * rank, "strength: the update is scaled by alpha / r = 2"),
            ("dropout", 0.05, "of the adapter's input, against overfitting"),
        ]
    }


def _objective(wanted: Wanted) -> list[Line]:
    if wanted.method == "projection":
        return [
            ("name", "late", "the pooled vector has no trained part; the scores stay hybrid"),
            ("temperature", TEMPERATURES["projection"], "a lower value gives more weight to the hardest negatives"),
        ]
    return [
        ("name", "joint", "pooled and late InfoNCE side by side, so the pooled vector stays usable alone"),
        (
            "temperature",
            TEMPERATURES["full" if wanted.method == "full" else "lora"],
            "a lower value gives more weight to the hardest negatives",
        ),
    ]


def _caching(wanted: Wanted, facts: _Facts) -> dict[str, list[Line]]:
    """Pages are long: what a step keeps must not grow with the batch. A frozen backbone keeps nothing."""
    if not facts.images or wanted.method == "projection":
        return {}
    size = min(8, facts.candidates)
    return {"gradient_caching": [("mini_batch_size", size, "pages in memory at a time; lower it if memory runs out")]}


def _training(wanted: Wanted, facts: _Facts) -> list[Line]:
    batch, rows = facts.candidates, len(facts.rows)
    epochs = 1 if rows >= _FEW_ROWS else 3
    large = facts.parameters >= _LARGE_MODEL
    rate = {"lora": 1e-4 if large else 5e-4, "projection": 1e-3, "full": 1e-5 if large else 5e-5}
    lines: list[Line] = [
        ("output_dir", wanted.output_dir, ""),
        ("per_device_train_batch_size", batch, "= candidates per query on one GPU: more train better, but slower"),
        ("learning_rate", rate.get(wanted.method, rate["lora"]), "try a third and three times of it"),
        ("lr_scheduler_type", "cosine", "falls to 0 over the whole run"),
        ("warmup_steps", COMMON_DEFAULTS["warmup_steps"], "share of the steps; from 1 on a number"),
        ("num_train_epochs", epochs, f"about {epochs * (rows // batch)} steps on one GPU"),
    ]
    if torch.cuda.is_available() and torch.cuda.is_bf16_supported():
        lines.append(("bf16", True, "arithmetic of the backbone"))
    lines.append(("logging_steps", 5, "steps between two log lines"))
    if wanted.evaluation is not None:
        lines += [
            ("eval_strategy", "epoch", "measured, and saved, after each epoch"),
            ("save_strategy", "epoch", "the best checkpoint is kept"),
        ]
    else:
        lines.append(("eval_strategy", "no", "there are no held-out rows"))
    return [*lines, ("seed", 42, "")]


def _section(name: str, lines: Sequence[Line]) -> str:
    return "\n".join([f"{name}:", *(line for key, value, note in lines for line in _lines(key, value, note, "  "))])


def _lines(key: str, value: Any, note: str, indent: str) -> list[str]:
    if not key:
        return [f"{indent}# {note}"]
    if isinstance(value, Mapping):
        inner = [(name, item) for name, item in value.items() if item is not None]
        return [
            _commented(f"{indent}{key}:", note),
            *(line for name, item in inner for line in _lines(name, item, "", indent + "  ")),
        ]
    written = dump_yaml({key: value}).rstrip("\n")
    return [_commented(indent + written, note)]


def _commented(text: str, note: str) -> str:
    return f"{text:<{_COMMENTS_FROM - 2}}  # {note}" if note else text
