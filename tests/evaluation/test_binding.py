"""The local-binding test: its pages, its figures by hand, and what each kind of reader scores in it."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from smart_train import SmartModel
from smart_train.errors import DataError
from smart_train.evaluation.binding import binding_cases, binding_page, binding_probe, wilson_interval
from smart_train.inputs.mark_pages import GLYPHS, MARKS, matches
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from tests.runs import OVERRIDES, TINY

CODES, PAIRS = list(GLYPHS), [f"{mark} beside {code}" for mark in MARKS for code in GLYPHS]


class Reader:
    """Reads texts. Its vector says which codes are there, its tokens which pairs (or, blind, nothing)."""

    device = torch.device("cpu")
    family = SimpleNamespace(modalities=("text",))

    def __init__(self, *, blind: bool = False, pairs_pooled: bool = False) -> None:
        self.scoring = ScoringConfig()
        self.blind, self.pairs_pooled = blind, pairs_pooled

    def encode_query(self, inputs: list[ModelInput], **_: object) -> Embeddings:
        pooled, tokens = [], []
        for item in inputs:
            pairs = (item.text or "").split(", ")
            codes = sum(one_hot(pair[-1], CODES) for pair in pairs)
            vector = sum(one_hot(pair, PAIRS) for pair in pairs) if self.pairs_pooled else codes
            pooled.append(normalize(vector if not self.blind else torch.ones_like(vector), dim=0))
            held = torch.stack([one_hot(pair, PAIRS) for pair in pairs])
            tokens.append(held if not self.blind else normalize(torch.ones_like(held), dim=1))
        return Embeddings(torch.stack(pooled), tokens)

    encode_document = encode_query


def one_hot(name: str, names: list[str]) -> torch.Tensor:
    return torch.eye(len(names))[names.index(name)]


def test_the_pages_differ_in_one_respect_each() -> None:
    cases = binding_cases(50)
    assert cases == binding_cases(50) != binding_cases(50, seed=1)
    assert cases[:9] == binding_cases(9)
    for case in cases:
        assert len(case.named) == 3 and matches(case.named, case.answer)
        assert len(set(case.cells)) == 6
        for other in (case.other_codes, case.other_pairs):
            assert list(other) == list(MARKS)
            assert not any(other[mark] == code for mark, code in case.named.items())
        assert not set(case.named.values()) & set(case.other_codes.values())
        rest = [mark for mark in MARKS if mark not in case.named]
        assert all(case.other_codes[mark] == case.answer[mark] for mark in rest)
        assert len(set(case.other_codes.values())) == 6
        assert sorted(case.other_pairs.values()) == sorted(case.answer.values())


def test_a_page_as_image_and_as_text() -> None:
    case = binding_cases(1)[0]
    (image,) = binding_page(case.answer, case.cells, "image").images
    pixels = np.asarray(image)
    for (_, (colour, _)), cell in zip(MARKS.items(), case.cells, strict=True):
        row, column = divmod(cell, 5)
        assert (pixels[32 * row :][:32, 32 * column :][:, :16] == colour).all(axis=2).any()
    text = binding_page(case.answer, case.cells, "text").text or ""
    assert sorted(text.split(", ")) == sorted(f"{mark} beside {code}" for mark, code in case.answer.items())
    swapped = binding_page(case.other_pairs, case.cells, "text").text or ""
    marks = [part.split(" beside ")[0] for part in text.split(", ")]
    assert marks == [part.split(" beside ")[0] for part in swapped.split(", ")], "marks are in other places"
    places = dict(zip(MARKS, case.cells, strict=True))
    assert marks == sorted(MARKS, key=lambda mark: places[mark])


def test_who_knows_codes_alone_is_at_chance_with_pairs() -> None:
    pooled, late, hybrid = binding_probe(Reader(), 40)
    assert [item.score for item in (pooled, late, hybrid)] == ["pooled", "late", "hybrid"]
    assert (pooled.codes, pooled.pairs) == (1.0, 0.5)  # equal scores count half
    assert (late.codes, late.pairs) == (hybrid.codes, hybrid.pairs) == (1.0, 1.0)
    assert pooled.low < 0.5 < pooled.high and late.low > 0.9
    assert {(item.form, item.queries) for item in (pooled, late, hybrid)} == {("text", 40)}
    assert binding_probe(Reader(pairs_pooled=True), 40)[0].pairs == 1.0
    assert {(item.codes, item.pairs) for item in binding_probe(Reader(blind=True), 40)} == {(0.5, 0.5)}


def test_no_queries_are_refused() -> None:
    with pytest.raises(DataError, match="binding_queries is 0, it must be at least 1"):
        binding_probe(Reader(), 0)


def test_a_model_that_reads_images_sees_pages() -> None:
    model = SmartModel.from_config(TINY, overrides=OVERRIDES, init_std=0.05)
    found = binding_probe(model, 3)
    assert {item.form for item in found} == {"image"} and found == binding_probe(model, 3)
    random.seed(1)  # nothing of it depends on the state of others
    assert found == binding_probe(model, 3, batch_size=2)


def test_the_interval_by_hand() -> None:
    """Wilson's for 0.5 of 64: 0.5 -+ z / 2 / sqrt(64 + z^2)."""
    half = 1.959964 / 2 / (64 + 1.959964**2) ** 0.5
    assert wilson_interval(0.5, 64) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    # 1.0 of n: 1 / (1 + z^2 / n) to 1.
    assert wilson_interval(1.0, 64) == pytest.approx((64 / (64 + 1.959964**2), 1.0))
    assert wilson_interval(0.0, 64) == pytest.approx((0.0, 1.959964**2 / (64 + 1.959964**2)))
