"""Validation of a recipe's data: its parts as the run would read them, and the plan of the run on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from smart_train.data.checks import CheckReport
from smart_train.errors import DataError, Unreachable
from smart_train.recipe import Recipe
from smart_train.run import build
from smart_train.run.plan import make_plan
from smart_train.types import Example, ModelInput
from smart_train.validation import Finding, Part, ValidationReport, read_corpus, read_part, validate


def validate_recipe(recipe: Recipe, *, source: str, workers: int | None = None) -> tuple[ValidationReport, list[Part]]:
    """Reads all rows and pages that `recipe` names, and counts their tokens for its model.

    Args:
        source: the recipe's name in the report. workers: threads that decode; None: one per core, at most 16.
    """
    parts = [read_part(name, partial(_usable, recipe, name, workers)) for name in build.sources(recipe)]
    broken, unchecked = [], []
    seen: dict[str, ModelInput] = {}
    for part in [part for part in parts if part.name in recipe.data.held_out and part.rows]:
        try:
            corpus = _corpus(recipe, part)
        except Unreachable as error:
            unchecked.append(f"data.{part.name}.corpus: {error}")
            continue
        except DataError as error:
            broken.append(Finding("error", "evaluation set", part.name, 1, str(error)))
            continue
        # Both may be asked of the same pages, which are read once.
        fresh = [(identity, document) for identity, document in corpus.items() if seen.get(identity) != document]
        seen |= corpus
        if fresh:
            name = "corpus" if part.name == "evaluation" else f"corpus of {part.name}"
            parts.append(read_corpus(name, fresh, workers=workers))
    plan = make_plan(recipe, parts[0].examples, contents=parts[0].contents)
    report = validate(
        parts,
        source=source,
        family=plan.family,
        skips=recipe.data.on_error == "skip",
        plan=plan.lines,
        plan_problems=plan.problems,
        unchecked=[*unchecked, *plan.unchecked],
    )
    report.findings[:0] = broken
    return report, parts


def _usable(
    recipe: Recipe, name: str, workers: int | None, decode: Callable[[Any], None]
) -> tuple[Sequence[Example], CheckReport]:
    return build.usable_rows(recipe, name, on_error="skip", workers=workers, decode=decode)


def _corpus(recipe: Recipe, held_out: Part) -> dict[str, ModelInput]:
    """The documents that are searched and answer no query, by id. Raises DataError where ids and contents do not
    agree."""
    judged = build.evaluation_set(recipe, held_out.name, held_out.examples)
    answers = {identity for example in held_out.examples for identity in example.document_ids}
    pairs = zip(judged.document_ids, judged.documents, strict=True)
    return {identity: document for identity, document in pairs if identity not in answers}
