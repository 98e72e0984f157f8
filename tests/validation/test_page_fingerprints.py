"""Fingerprints of pages: the same page rendered again is near, another page of the same layout is not."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from smart_train.errors import DataError
from smart_train.validation.page_fingerprints import BITS, NEAR_BITS, look_at, near_duplicates


def page(seed: str, scale: int = 1) -> Image.Image:
    """Forty lines of words of random lengths, as a page of print looks from afar."""
    rng = random.Random(seed)
    made = Image.new("L", (300 * scale, 420 * scale), 255)
    draw = ImageDraw.Draw(made)
    for line in range(40):
        left = 20
        while (right := left + rng.randint(6, 40)) < (rng.randint(120, 285)):
            draw.rectangle([left * scale, (12 + line * 10) * scale, right * scale, (17 + line * 10) * scale], fill=20)
            left = right + 6
    return made


def bits(first: bytes, second: bytes) -> int:
    arrays = [np.unpackbits(np.frombuffer(item, dtype=np.uint8))[:BITS] for item in (first, second)]
    return int((arrays[0] != arrays[1]).sum())


def test_a_page_rendered_again_is_near_and_another_is_not() -> None:
    encoded = io.BytesIO()
    page("a", scale=2).save(encoded, "JPEG", quality=60)
    one, again, other = look_at(page("a")), look_at(encoded.getvalue()), look_at(page("b"))
    assert again.pixels == 4 * one.pixels and again.key != one.key
    assert bits(one.fingerprint, again.fingerprint) <= NEAR_BITS < bits(one.fingerprint, other.fingerprint)
    assert len(one.fingerprint) == 32


def test_pairs_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first = [rng.bytes(32) for _ in range(7)]
    second = [first[3], *(rng.bytes(32) for _ in range(4))]
    # The last of 256 bits is padding, which must not count.
    second.append(bytes([*first[5][:-1], first[5][-1] ^ 1]))
    monkeypatch.setattr("smart_train.validation.page_fingerprints._BLOCK", 3)
    pairs = [(bits(a, b), i, j) for i, a in enumerate(first) for j, b in enumerate(second) if bits(a, b) <= 120]
    expected = [min(pair for pair in pairs if pair[2] == j) for j in {j for _, _, j in pairs}]
    assert len(expected) < len(pairs), "some have several"
    assert near_duplicates(first, second, bits=120) == [(i, j, differing) for differing, i, j in sorted(expected)]
    assert len(near_duplicates(first * 50, first * 3)) == 3 * len(first)
    assert near_duplicates(first, second)[:2] == [(3, 0, 0), (5, 5, 0)]
    assert near_duplicates([], second) == [] and near_duplicates(first, []) == []


def test_blank_pages_are_like_no_other(tmp_path: Path) -> None:
    nearly = Image.new("RGB", (50, 10), (250, 250, 250))
    nearly.putpixel((3, 3), (255, 255, 255))
    facts = look_at(nearly)
    assert facts.blank and facts.fingerprint is None and facts.ratio == 5 and (facts.width, facts.height) == (50, 10)
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="bad.png: not an image"):
        look_at(tmp_path / "bad.png")
