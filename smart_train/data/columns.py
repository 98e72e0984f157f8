"""Which of a source's columns is the query, which the document, and so on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from smart_train.errors import DataError
from smart_train.media import nearest

# Our name -> the source's names that are understood without a map, best first. `image` and `image_filename` are those
# of the ColPali train set and the ViDoRe sets.
KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "query": ("query",),
    "positive": ("positive", "image", "document"),
    "query_id": ("query_id",),
    "document_id": ("document_id", "image_filename"),
    "instruction": ("instruction",),
    "negatives": ("negatives",),
    "task": ("task",),
    "score": ("score", "positive_score"),
    "scores": ("scores",),
}
_NUMBERED_NEGATIVE = re.compile(r"negative_(\d+)")


@dataclass(frozen=True)
class Columns:
    """The source's own name of each column that was found; None for one it does not have.

    `negatives` is a tuple of columns, each holding one document, or a single column holding a list of them.

    Scores are a teacher's. They come in one column, `scores`, which holds a list: the positive's, then the negatives';
    or in a column for each document: `score` for the positive, and NAME_score beside a column NAME of negatives (a list
    there where NAME holds a list).
    """

    positive: str
    query: str | None = None
    query_id: str | None = None
    document_id: str | None = None
    instruction: str | None = None
    negatives: tuple[str, ...] = ()
    task: str | None = None
    score: str | None = None
    scores: str | None = None


def check_column_map(source: str, given: Mapping[str, str | Sequence[str]]) -> None:
    """Raises DataError for names on our side that do not exist, and for lists where one column is meant."""
    for ours, theirs in given.items():
        if ours not in KNOWN_NAMES:
            raise DataError(
                f"{source}: columns.{ours}: unknown{nearest(ours, list(KNOWN_NAMES))}; known: {', '.join(KNOWN_NAMES)}"
            )
        if ours != "negatives" and not isinstance(theirs, str):
            raise DataError(f"{source}: columns.{ours}: {theirs!r} must be the name of one column")


def find_columns(
    source: str,
    available: Collection[str],
    given: Mapping[str, str | Sequence[str]] | None = None,
    *,
    query_required: bool = True,
) -> Columns:
    """The source's columns under our names: those of the map, else those with a name that is known.

    Raises:
        DataError: a mapped column does not exist, or no column can be the query or the document. Lists what there is.
    """
    given = given or {}
    check_column_map(source, given)
    for ours, theirs in given.items():
        for name in [theirs] if isinstance(theirs, str) else theirs:
            if name not in available:
                raise DataError(
                    f"{source}: columns.{ours}: there is no column {name!r}{nearest(name, list(available))}; "
                    f"columns: {_listed(available)}"
                )
    found = {ours: given.get(ours) or next((name for name in names if name in available), None)
             for ours, names in KNOWN_NAMES.items()}  # fmt: skip
    required = ("query", "positive") if query_required else ("positive",)
    for ours in required:
        if found[ours] is None:
            raise DataError(
                f"{source}: no column for {ours!r} (looked for {', '.join(KNOWN_NAMES[ours])}); columns: "
                f"{_listed(available)}. Name it in the recipe: columns: {{{ours}: NAME}}"
            )
    negatives = found.pop("negatives") or _numbered_negatives(available)
    return Columns(negatives=(negatives,) if isinstance(negatives, str) else tuple(negatives), **found)


def _numbered_negatives(available: Collection[str]) -> list[str]:
    """negative_0, negative_1, ... in the order of their numbers."""
    numbered = [(int(match[1]), name) for name in available if (match := _NUMBERED_NEGATIVE.fullmatch(name))]
    return [name for _, name in sorted(numbered)]


def _listed(available: Collection[str]) -> str:
    return ", ".join(sorted(available)) or "none"
