"""A model card whose export got other scoring settings: what it says of them is replaced, the rest stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import yaml
from huggingface_hub import ModelCard, ModelCardData

from smart_train.export.card import merged_usage, named, routes_block, scored_as
from smart_train.export.snippets import LOCATION
from smart_train.export.verify import RouteReport
from smart_train.models import SmartModel
from smart_train.scoring import ScoringConfig

_RESULTS, _EXPORT = "## Results", "## Export"
_CHANGED = "The scoring settings were changed after this model was exported."
_EARLIER = "Measured with the settings at the time of the export:"


def rescored_card(
    card: str, before: ScoringConfig, model: SmartModel, why: str, routes: Sequence[RouteReport]
) -> str | None:
    """`card` with the settings of `model` in place of `before`. Results in the metadata are removed: the Hub would show
    them as those of the new settings. In the text they stay, and it says which settings they are of.

    Args:
        why: what it says of the change.
        routes: the folder through each library, with the new settings.

    Returns:
        None where `card` does not show `before` as an export writes it: somebody else wrote that part.
    """
    if scored_as(before) not in card:
        return None
    parts = re.split(r"(?m)^(?=## )", card.replace(scored_as(before), scored_as(model.scoring), 1))
    head, sections = parts[0], [part.strip() for part in parts[1:]]
    title = re.search(r"(?m)^# (.+)$", head)  # OWNER/NAME, or where it was pushed to
    if model.owns_backbone:
        usage = named(merged_usage(model, routes), LOCATION if title is None else title[1].strip())
        sections = [usage.strip() if part.startswith("## Use\n") else part for part in sections]
        sections = [_reread(part, routes) if part.startswith(f"{_EXPORT}\n") else part for part in sections]
    return _without_results(head) + "\n\n".join(_with_note(sections, why)) + "\n"


def _reread(section: str, routes: Sequence[RouteReport]) -> str:
    """The section on the export: what was measured against the trained model is of the earlier settings."""
    proof = section.split("\n\nAgainst the vectors in", 1)[0].removeprefix(f"{_EXPORT}\n\n").removeprefix(_EARLIER)
    return f"{_EXPORT}\n\n{_EARLIER}\n\n{proof.strip()}\n{routes_block(routes)}"


def _with_note(sections: list[str], why: str) -> list[str]:
    """With a note among the results that they are of the earlier settings, in place of an earlier note."""
    note = f"{_CHANGED} {why}"
    at = next((place for place, part in enumerate(sections) if part.startswith(_RESULTS)), None)
    if at is None:
        use = next((place for place, part in enumerate(sections) if part.startswith("## Use\n")), -1)
        return [*sections[: use + 1], f"{_RESULTS}\n\n{note}", *sections[use + 1 :]]
    paragraphs = [part for part in sections[at].split("\n\n") if not part.startswith(_CHANGED)]
    measured = " The figures above are of the earlier settings." if len(paragraphs) > 1 else ""
    return [*sections[:at], "\n\n".join([*paragraphs, note + measured]), *sections[at + 1 :]]


def _without_results(head: str) -> str:
    """The card's first part, whose metadata names no results."""
    try:
        card = ModelCard(head, ignore_metadata_errors=True)
    except (ValueError, yaml.YAMLError):
        return head  # the Hub cannot read it, either
    metadata = cast(ModelCardData, card.data)
    if not metadata.eval_results:
        return head
    metadata.eval_results = None
    return f"---\n{metadata.to_yaml()}\n---\n{card.text}"
