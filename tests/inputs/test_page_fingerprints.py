"""Fingerprints of pages: the same page rendered again is near, another page of the same layout is not."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from smart_train.errors import DataError
from smart_train.inputs.page_fingerprints import (
    BITS,
    NEAR_BITS,
    TWIN_BITS,
    look_at,
    near_duplicates,
    nearest_earlier,
    same_picture,
    small_grey,
)


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
    monkeypatch.setattr("smart_train.inputs.page_fingerprints._BLOCK", 3)
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


def test_the_nearest_before_a_place_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    prints = [rng.bytes(32) for _ in range(9)]
    prints += [bytes([*prints[n][:-1], prints[n][-1] ^ 2]) for n in (2, 2, 7)]
    groups = [0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 9, 9]
    monkeypatch.setattr("smart_train.inputs.page_fingerprints._BLOCK", 4)
    for bound, most in ((48, 8), (255, 3)):
        expected = [
            sorted(
                (bits(prints[before], prints[place]), before)
                for before in range(place)
                if groups[before] != groups[place] and bits(prints[before], prints[place]) <= bound
            )[:most]
            for place in range(len(prints))
        ]
        found = nearest_earlier(prints, groups, bound, most)
        assert [[differing for _, differing in places] for places in found] == [
            [differing for differing, _ in places] for places in expected
        ]
        assert all(differing == bits(prints[place], prints[before])
                   for place, places in enumerate(found) for before, differing in places)  # fmt: skip
    near = nearest_earlier(prints, groups, 48, 8)
    assert near[9] == [] and near[10] == [(9, 0), (2, 1)] and near[11] == [(7, 1)], "9 is of the group of 2"
    assert nearest_earlier([], [], 48, 8) == []


def test_one_picture_at_two_resolutions_is_the_same_and_with_another_word_is_not() -> None:
    encoded = io.BytesIO()
    sheet = page("a", scale=4)
    sheet.save(encoded, "JPEG", quality=75)
    large, small = small_grey(encoded.getvalue()), small_grey(sheet.resize((640, 896), Image.Resampling.BICUBIC))
    assert max(large.shape) == 768 and same_picture(large, small) and same_picture(small, large)
    other = page("a", scale=4)
    ImageDraw.Draw(other).rectangle((80, 848, 130, 868), fill=255)
    facts = [look_at(image) for image in (page("a", scale=4), other)]
    assert bits(*(each.fingerprint for each in facts)) <= TWIN_BITS, "which its fingerprint does not notice"
    assert not same_picture(small_grey(other), small)
    assert not same_picture(small_grey(page("b", scale=4)), large)
    wide = page("a", scale=4).resize((1300, 1680))
    assert not same_picture(small_grey(wide), large), "of another shape"
    tiny = page("a").resize((60, 84))
    assert not same_picture(small_grey(tiny), small_grey(tiny)), "too small to tell"


def test_on_pale_pages_less_is_a_difference() -> None:
    pale = page("a", scale=2).point(lambda value: 200 + value * 55 // 255)
    other = page("a", scale=2)
    ImageDraw.Draw(other).rectangle((40, 424, 60, 434), fill=255)
    assert not same_picture(small_grey(pale), small_grey(other.point(lambda value: 200 + value * 55 // 255)))


def test_pale_print_beside_a_dark_picture_is_looked_at_as_closely() -> None:
    pale = page("a", scale=2).point(lambda value: 200 + value * 55 // 255)
    other = pale.copy()
    ImageDraw.Draw(other).rectangle((40, 424, 60, 434), fill=255)
    for sheet in (pale, other):
        ImageDraw.Draw(sheet).rectangle((420, 20, 580, 100), fill=0)
    smaller = pale.resize((450, 630), Image.Resampling.LANCZOS)
    assert same_picture(small_grey(pale), small_grey(smaller))
    assert not same_picture(small_grey(pale), small_grey(other))
    assert not same_picture(small_grey(smaller), small_grey(other))
