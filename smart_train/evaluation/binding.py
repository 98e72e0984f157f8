"""The local-binding test: does a model keep which code stands beside which mark, or only what is on a page?

A query names three marks and the codes beside them. Of two pages with the same marks in the same places, one shows what
it asks for. The other has

    other codes    three codes that are nowhere on the page, beside the named marks
    other pairs    the same codes, every one beside another mark

and a score is right where it puts the answer first. Chance is 0.5 in both. A score that knows the codes of a page and
nothing else is right in the first case and has 0.5 in the second one. Models that read images see pages
(`inputs/mark_pages.py`), others the same as text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from smart_train.errors import DataError
from smart_train.inputs.mark_pages import (
    BASE,
    CELLS,
    GLYPHS,
    Binding,
    distractor,
    draw_binding,
    draw_page,
    name_bindings,
    query_text,
)
from smart_train.scoring import combine, score_parts
from smart_train.types import ModelInput
from smart_train.utils.defaults import BATCH_SIZE, BINDING_QUERIES
from smart_train.utils.terms import SCORES

if TYPE_CHECKING:
    from smart_train.models import SmartModel

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class BindingProbe:
    """How often one score puts the answer before a page that differs from it in one respect. All are 0 to 1.

    Args:
        score: "pooled", "late" or "hybrid".
        form: what the model read: "image" or "text".
        queries: how many there are.
        codes: against the page of other codes. pairs: against the page of other pairs; equal scores count half.
        low, high: 95% interval of `pairs` (Wilson's). Chance, 0.5, is outside where the model keeps or reverses pairs.
    """

    score: str
    form: str
    queries: int
    codes: float
    pairs: float
    low: float
    high: float


@dataclass(frozen=True)
class BindingCase:
    """One query, the page that answers it, and the two that do not.

    Args:
        cells: of the page's grid, of each mark; the same on all three pages.
    """

    named: Binding
    answer: Binding
    other_codes: Binding
    other_pairs: Binding
    cells: tuple[int, ...]

    @property
    def pages(self) -> tuple[Binding, Binding, Binding]:
        return self.answer, self.other_codes, self.other_pairs


def binding_cases(count: int, seed: int = 0) -> list[BindingCase]:
    """`count` queries with their pages; the same for the same seed."""
    rng = random.Random(f"{seed} binding")
    cases = []
    for _ in range(count):
        answer = draw_binding(rng)
        (named,) = name_bindings(answer, 1, rng)
        unused = sorted(set(GLYPHS) - set(answer.values()))
        other_codes = {**answer, **dict(zip(named, rng.sample(unused, len(named)), strict=True))}
        cells = tuple(rng.sample(range(CELLS**2), len(answer)))
        cases.append(BindingCase(named, answer, other_codes, distractor(answer, rng), cells))
    return cases


def binding_probe(
    model: SmartModel,
    queries: int = BINDING_QUERIES,
    *,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    show_progress_bar: bool | None = None,
) -> list[BindingProbe]:
    """Each of the model's three scores in the local-binding test. Encodes `queries` queries and three pages of each.

    Args:
        queries: at least 1.
        seed: of the pages.

    Raises:
        DataError: no queries.
    """
    if queries < 1:
        raise DataError(f"binding_queries is {queries}, it must be at least 1")
    form = "image" if "image" in model.family.modalities else "text"
    cases = binding_cases(queries, seed)
    pages = [binding_page(page, case.cells, form) for case in cases for page in case.pages]
    options: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
    asked = model.encode_query([ModelInput(query_text(case.named)) for case in cases], **options)
    documents = model.encode_document(pages, **options)
    parts = score_parts(asked, documents)
    matrices = {"pooled": parts.of("pooled"), "late": parts.of("late"), "hybrid": combine(parts, model.scoring)}
    return [_measured(score, form, matrices[score]) for score in SCORES]


def binding_page(page: Binding, cells: Sequence[int], form: str) -> ModelInput:
    """A page as an image, or as a text that names its marks in reading order."""
    if form == "image":
        return ModelInput(images=(Image.fromarray(draw_page(page, list(cells), BASE)),))
    in_order = sorted(zip(cells, page.items(), strict=True))
    return ModelInput(query_text(dict(binding for _, binding in in_order)))


def _measured(score: str, form: str, matrix: Tensor) -> BindingProbe:
    """`matrix`: [Q, 3 Q], of query i the pages 3 i to 3 i + 2 are its own."""
    count = len(matrix)
    own = matrix.reshape(count, count, 3)[torch.arange(count), torch.arange(count)].cpu()
    answer = own[:, 0]
    codes, pairs = _share_first(answer, own[:, 1]), _share_first(answer, own[:, 2])
    low, high = wilson_interval(pairs, count)
    return BindingProbe(score, form, count, codes, pairs, low, high)


def _share_first(answer: Tensor, other: Tensor) -> float:
    """How often `answer` is above `other`; equal scores count half."""
    return float(((answer > other).double() + 0.5 * (answer == other).double()).mean())


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """The 95% interval of a share of `count` cases (Wilson, 1927), which stays within 0 and 1 at both ends."""
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
