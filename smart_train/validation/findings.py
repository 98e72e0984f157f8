"""What is wrong with a data set, or may be: one function for each kind of mistake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from smart_train.inputs.page_fingerprints import BITS, NEAR_BITS, near_duplicates, nearest_earlier
from smart_train.validation.reading import Part, Row

SHOWN = 20  # examples kept of each finding
LONG_RATIO, SHORT_SIDE, MANY_PIXELS = 10, 28, 40_000_000
MANY_QUERIES = 20
_PICTURES = 6


@dataclass(frozen=True)
class Finding:
    """One kind of mistake in one part, or between two.

    Attributes:
        severity: an "error" makes the validation fail; a "warning" is to be looked at.
        count: how often. message: what is wrong, and what to do. examples: the first ones.
        pictures: pairs of image references that show it.
    """

    severity: Literal["error", "warning"]
    check: str
    part: str
    count: int
    message: str
    examples: tuple[str, ...] = ()
    pictures: tuple[tuple[Any, Any], ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without the pictures."""
        return {
            "severity": self.severity,
            "check": self.check,
            "part": self.part,
            "count": self.count,
            "message": self.message,
            "examples": list(self.examples),
        }


def find_in_part(part: Part, *, skips: bool) -> Iterator[Finding]:
    """Findings in one part alone. `skips`: rows that cannot be used are left out of the run instead of ending it."""
    if part.problems:
        done = "they are left out (data.on_error: skip)" if skips and part.rows else "fix or remove them"
        severity: Literal["error", "warning"] = "warning" if skips and part.rows else "error"
        yield _finding(severity, "unusable rows", part, part.problems, f"rows that cannot be used; {done}")
    yield from _images(part)
    yield from _near_inside(part)
    if part.asks:
        yield from _queries(part)
    if part.name == "train" and len(part.rows) > 1 and len(part.documents) == 1:
        yield _finding(
            "error", "one document", part, [row.where for row in part.rows],
            "rows whose documents are all the same one: no query has a negative, so there is nothing to learn from",
        )  # fmt: skip


def _images(part: Part) -> Iterator[Finding]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key in part.documents:
        for facts in part.facts(key):
            where = f"{part.positives[key][0].where if key in part.positives else 'a negative'}: "
            size = f"{where}{facts.width} x {facts.height}"
            if facts.ratio > LONG_RATIO:
                groups["long"].append(size)
            elif min(facts.width, facts.height) < SHORT_SIDE:
                groups["small"].append(size)
            if facts.pixels > MANY_PIXELS:
                groups["large"].append(size)
            if facts.blank:
                groups["blank"].append(size)
    for kind, message in (
        ("long", f"images more than {LONG_RATIO} times as long as wide, which become unreadable when they are resized"),
        ("small", f"images with a side below {SHORT_SIDE} pixels, which do not fill one visual token"),
        ("large", f"images of more than {MANY_PIXELS // 10**6} megapixels, decoded again at every step; shrink them"),
        ("blank", "blank images"),
    ):
        if groups[kind]:
            yield _finding("warning", f"{kind} images", part, groups[kind], message)


def _queries(part: Part) -> Iterator[Finding]:
    by_query: dict[str, list[Row]] = defaultdict(list)
    for row in part.rows:
        by_query[row.query].append(row)
    twice, elsewhere = [], []
    for query, rows in by_query.items():
        answers = {row.documents[0] for row in rows}
        if len(answers) < len(rows):
            twice.append(f"{query!r}: {_places(rows)}")
        if len(answers) > 1:
            elsewhere.append(f"{query!r} has {len(answers)} documents: {_places(rows)}")
    if twice:
        yield _finding(
            "warning", "repeated rows", part, twice, "queries that occur several times with the same document"
        )
    if elsewhere:
        yield _finding(
            "warning", "repeated queries", part, elsewhere,
            "queries with several documents: correct if each of them answers the query; if not, the query is vague",
        )  # fmt: skip
    crowded = sorted(
        ((len(rows), rows) for rows in part.positives.values() if len(rows) > MANY_QUERIES), key=lambda item: -item[0]
    )
    if crowded:
        yield _finding(
            "warning", "crowded documents", part, [f"{count} queries: {_places(rows)}" for count, rows in crowded],
            f"documents with more than {MANY_QUERIES} queries, which outweigh the others",
        )  # fmt: skip
    self_negative = [row.where for row in part.rows if row.documents[0] in row.documents[1:]]
    if self_negative:
        yield _finding("error", "own negatives", part, self_negative, "rows whose answer is among their negatives")


def find_between(train: Part, held_out: Part) -> Iterator[Finding]:
    """What `held_out` shares with `train`: figures measured on it would be too good, or, for negatives, too bad."""
    leaked = [key for key in held_out.positives if key in train.positives]
    where = [f"{held_out.positives[key][0].where} = {train.positives[key][0].where}" for key in leaked]
    if leaked:
        yield Finding(
            "error", "leaked documents", f"{train.name} and {held_out.name}", len(leaked),
            "documents that answer queries in both parts; split by document", tuple(where[:SHOWN]),
        )  # fmt: skip
    yield from _shared_pages(train, held_out)
    trained = {row.query: row for row in train.rows}
    shared = [
        f"{row.where} = {trained[row.query].where}: {row.query!r}" for row in held_out.rows if row.query in trained
    ]
    if shared:
        yield Finding(
            "warning", "leaked queries", f"{train.name} and {held_out.name}", len(shared),
            "queries that are in both parts", tuple(shared[:SHOWN]),
        )  # fmt: skip
    pushed = [
        f"{row.where} = {held_out.positives[key][0].where}"
        for row in train.rows
        for key in row.documents[1:]
        if key in held_out.positives
    ]
    if pushed:
        yield Finding(
            "warning", "held-out negatives", f"{train.name} and {held_out.name}", len(pushed),
            "training negatives that answer held-out queries: training pushes them away", tuple(pushed[:SHOWN]),
        )  # fmt: skip
    yield from _near(
        train, held_out, "held-out pages that look like training pages: the same page rendered again, another edition, "
        "or a form; look at them"
    )  # fmt: skip


def find_between_held_out(one: Part, other: Part) -> Iterator[Finding]:
    """What two held-out parts share: one may choose the checkpoint that the other is to judge."""
    between = f"{one.name} and {other.name}"
    pairs = {(row.query, row.documents[0]): row for row in one.rows}
    same = [(pairs[key], row) for row in other.rows if (key := (row.query, row.documents[0])) in pairs]
    if same:
        yield Finding(
            "error", "shared rows", between, len(same),
            "rows that are in both parts: the checkpoint is then measured on the rows that it was chosen by",
            tuple(f"{row.where} = {first.where}: {row.query!r}" for first, row in same[:SHOWN]),
        )  # fmt: skip
    alone = {row.documents[0] for row in other.rows} - {row.documents[0] for _, row in same}
    shared = [key for key in other.positives if key in one.positives and key in alone]
    if shared:
        yield Finding(
            "warning", "shared documents", between, len(shared),
            "documents that answer other queries in the other part: the results of the two parts then depend on each "
            "other",
            tuple(f"{other.positives[key][0].where} = {one.positives[key][0].where}" for key in shared[:SHOWN]),
        )  # fmt: skip
    yield from _near(
        one, other, "pages that look like pages of the other part: the same page rendered again, another edition, or a "
        "form; look at them"
    )  # fmt: skip


def _shared_pages(train: Part, held_out: Part) -> Iterator[Finding]:
    """Pages that both parts show in different documents: with a text beside them, or among other pages."""
    trained = {image: rows[0].where for key, rows in train.positives.items() for image in train.documents[key].images}
    lines = [
        f"{held_out.positives[key][0].where} shows a page of {trained[shared[0]]}"
        for key in held_out.positives
        if key not in train.positives
        and (shared := [image for image in held_out.documents[key].images if image in trained])
    ]
    if lines:
        yield Finding(
            "warning", "shared pages", f"{train.name} and {held_out.name}", len(lines),
            "held-out documents that show a page of a training document, with other text or other pages beside it",
            tuple(lines[:SHOWN]),
        )  # fmt: skip


def _near(one: Part, other: Part, message: str) -> Iterator[Finding]:
    """Pages of `other` that look like pages of `one`."""
    first, second = _pages(one), _pages(other)
    same = {key for key in other.positives if key in one.positives}
    near = [
        ((one, first[row][0]), (other, second[column][0]), bits)
        for row, column, bits in near_duplicates([p for _, p in first], [p for _, p in second])
        if second[column][0] not in same
    ]
    yield from _alike(near, f"{one.name} and {other.name}", message)


def _near_inside(part: Part) -> Iterator[Finding]:
    """Pages that look like an earlier page of their own part: each is a wrong answer to the other's queries."""
    pages = _pages(part)
    nearest = nearest_earlier([p for _, p in pages], range(len(pages)), NEAR_BITS, 1)
    near = [
        ((part, pages[earlier][0]), (part, pages[place][0]), bits)
        for place, found in enumerate(nearest)
        for earlier, bits in found
    ]
    yield from _alike(
        sorted(near, key=lambda pair: pair[2]), part.name,
        "pages that look like another page of this part: the same page rendered again, another edition, or a form; "
        "each counts as a wrong answer to the other's queries; look at them",
    )  # fmt: skip


_Held = tuple[Part, int]  # a document's key in its part


def _alike(near: Sequence[tuple[_Held, _Held, int]], between: str, message: str) -> Iterator[Finding]:
    """The finding of pairs that look alike, nearest first."""
    if not near:
        return
    pairs = [(one.positives[key][0], other.positives[again][0], bits) for (one, key), (other, again), bits in near]
    yield Finding(
        "warning", "near-duplicate pages", between, len({pair[1].where for pair in pairs}), message,
        tuple(f"{other.where} ~ {one.where} (fingerprints differ in {bits} of {BITS} bits)"
              for one, other, bits in pairs[:SHOWN]),
        tuple((one.document(key).images[0], other.document(again).images[0])
              for (one, key), (other, again), _ in near[:_PICTURES]),
    )  # fmt: skip


def _pages(part: Part) -> list[tuple[int, bytes]]:
    """Document key and fingerprint of every positive that is one image with something on it."""
    fingerprints = []
    for key in part.positives:
        facts = part.facts(key)
        if len(facts) == 1 and facts[0].fingerprint is not None:
            fingerprints.append((key, facts[0].fingerprint))
    return fingerprints


def _finding(
    severity: Literal["error", "warning"], check: str, part: Part, examples: Sequence[str], message: str
) -> Finding:
    return Finding(severity, check, part.name, len(examples), message, tuple(examples[:SHOWN]))


def _places(rows: Sequence[Row]) -> str:
    listed = ", ".join(row.where for row in rows[:3])
    return f"{listed} and {len(rows) - 3} more" if len(rows) > 3 else listed
