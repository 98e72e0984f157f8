"""How many tokens the queries and documents of a part have for a model, and what of them does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from tqdm.auto import tqdm

from smart_train.errors import DataError, ModelError
from smart_train.inputs.images import image_key
from smart_train.models import Family
from smart_train.models.prompt_length import LengthCheck
from smart_train.types import ModelInput
from smart_train.validation.findings import SHOWN, Finding
from smart_train.validation.reading import Part


@dataclass
class Tokens:
    """Token counts of a part, before anything is cut: one for each different query and document; `visual` for documents
    with images. `videos`: inputs whose tokens depend on frames, which are not counted."""

    query: list[int] = field(default_factory=list)
    document: list[int] = field(default_factory=list)
    visual: list[int] = field(default_factory=list)
    videos: int = 0
    findings: list[Finding] = field(default_factory=list)


def _query(part: Part, place: int) -> ModelInput:
    return part.examples[place].query


def count_tokens(part: Part, family: Family) -> Tokens:
    """Counts all queries and documents of `part`, from texts and image sizes; with a bar on a terminal."""
    tokens = Tokens()
    cut: dict[str, list[str]] = {"query": [], "document": []}
    fits = LengthCheck(family)
    refused: list[str] = []
    too_large: list[str] = []
    queries = {row.query: row for row in part.rows}.values() if part.asks else ()
    work: list[tuple[Literal["query", "document"], str, Callable[[], ModelInput]]] = [
        ("query", row.where, partial(_query, part, row.place)) for row in queries
    ]
    where = {key: rows[0].where for key, rows in part.positives.items()}
    work += [("document", where.get(key, "a negative"), partial(part.document, key)) for key in part.documents]
    for role, place, get in tqdm(work, desc=f"counting tokens, {part.name}", leave=False, disable=None):
        item = get()
        if item.video is not None:
            tokens.videos += 1
            continue
        sizes = [(part.images[image_key(i)].width, part.images[image_key(i)].height) for i in item.images]
        try:
            count = family.token_count(item, role, sizes)
            visual = family.visual_tokens(sizes) if sizes else 0
        except (ModelError, DataError, ValueError) as error:  # the last is what image processors raise
            refused.append(f"{place}: {error}")
            continue
        getattr(tokens, role).append(count)
        if sizes and role == "document":
            tokens.visual.append(visual)
        if count > family.max_length:
            try:
                fits(item, role, sizes)
            except ModelError:
                too_large.append(f"{place}: {count} tokens, {visual} of them visual")
            else:
                cut[role].append(f"{place}: {count} tokens")
    tokens.findings = list(_findings(part, family.max_length, cut, too_large, refused))
    return tokens


def _findings(
    part: Part, limit: int, cut: dict[str, list[str]], too_large: list[str], refused: list[str]
) -> Iterator[Finding]:
    if refused:
        yield _finding("error", "unreadable for the model", part, refused, "inputs that the model cannot take")
    if too_large:
        yield _finding(
            "error", "too large for the model", part, too_large,
            f"inputs that leave no room for text in model.max_length {limit}; lower model.max_pixels, or raise it",
        )  # fmt: skip
    for role, examples in cut.items():
        if examples:
            plural = {"query": "queries", "document": "documents"}[role]
            yield _finding(
                "warning",
                f"cut {plural}",
                part,
                examples,
                f"{plural} longer than model.max_length {limit}: their text is cut",
            )


def _finding(
    severity: Literal["error", "warning"], check: str, part: Part, examples: list[str], message: str
) -> Finding:
    return Finding(severity, check, part.name, len(examples), message, tuple(examples[:SHOWN]))
