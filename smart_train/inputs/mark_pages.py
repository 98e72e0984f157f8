"""Pages of marks with a code beside each, on which all that tells two pages apart is what stands beside what.

Drawn from the bitmaps below: no font, the same pixels on every machine. data/local-binding is made of such pages, and
`smart-train probe` tests models with them. Needs Pillow and NumPy alone.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

import numpy as np

CELLS = 5
CELL = 32
BASE = CELLS * CELL
NAMED = 3

Pixel = tuple[float, float]  # offset from the centre of the mark, in pixels


def _ring(at: Pixel) -> bool:
    return 16 <= at[0] ** 2 + at[1] ** 2 <= 49


# A mark is a colour and a shape, both telling, within 14 x 14 px.
MARKS: dict[str, tuple[tuple[int, int, int], Callable[[Pixel], bool]]] = {
    "red circle": ((220, 20, 30), lambda at: at[0] ** 2 + at[1] ** 2 <= 49),
    "green square": ((20, 150, 60), lambda at: True),
    "blue triangle": ((30, 70, 220), lambda at: abs(at[0]) <= (at[1] + 7) / 2),
    "orange diamond": ((245, 140, 10), lambda at: abs(at[0]) + abs(at[1]) <= 7),
    "purple cross": ((140, 40, 170), lambda at: min(abs(at[0]), abs(at[1])) <= 2),
    "black ring": ((20, 20, 20), _ring),
}
# Twelve codes that differ in many pixels, 5 x 7 each, drawn three times as large.
GLYPHS: dict[str, str] = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "X": "10001 10001 01010 00100 01010 10001 10001",
    "2": "11110 00001 00001 01110 10000 10000 11111",
    "4": "10010 10010 10010 11111 00010 00010 00010",
    "7": "11111 00001 00010 00100 00100 01000 01000",
}

Binding = dict[str, str]  # mark -> code, in the order of MARKS


@functools.cache
def cell_mask(mark: str, code: str) -> tuple[np.ndarray, np.ndarray]:
    """Boolean [32, 32] masks of a mark (left half of its cell) and of its code (right half)."""
    shape = MARKS[mark][1]
    mark_mask = np.zeros((CELL, CELL), dtype=bool)
    for row in range(14):
        for column in range(14):
            mark_mask[9 + row, 1 + column] = shape((column - 6.5, row - 6.5))
    glyph = np.array([[bit == "1" for bit in line] for line in GLYPHS[code].split()])
    code_mask = np.zeros((CELL, CELL), dtype=bool)
    code_mask[5:26, 16:31] = glyph.repeat(3, axis=0).repeat(3, axis=1)
    return mark_mask, code_mask


def draw_page(binding: Binding, cells: list[int], size: int) -> np.ndarray:
    """uint8 [size, size, 3]: each mark with its code in one of the 25 cells, on white."""
    page = np.full((BASE, BASE, 3), 255, dtype=np.uint8)
    for (mark, code), cell in zip(binding.items(), cells, strict=True):
        top, left = (cell // CELLS) * CELL, (cell % CELLS) * CELL
        view = page[top : top + CELL, left : left + CELL]
        mark_mask, code_mask = cell_mask(mark, code)
        view[mark_mask] = MARKS[mark][0]
        view[code_mask] = (0, 0, 0)
    scale = size // BASE
    return page.repeat(scale, axis=0).repeat(scale, axis=1)


def matches(named: Binding, binding: Binding) -> bool:
    return all(binding[mark] == code for mark, code in named.items())


def draw_binding(rng: random.Random) -> Binding:
    return dict(zip(MARKS, rng.sample(list(GLYPHS), len(MARKS)), strict=True))


def distractor(binding: Binding, rng: random.Random) -> Binding:
    """The same marks and codes with every code beside another mark."""
    codes = list(binding.values())
    while True:
        other = dict(zip(MARKS, rng.sample(codes, len(codes)), strict=True))
        if all(other[mark] != code for mark, code in binding.items()):
            return other


def name_bindings(binding: Binding, count: int, rng: random.Random) -> list[Binding]:
    """`count` different choices of three of the page's bindings, each in random order."""
    chosen: dict[frozenset[str], Binding] = {}
    while len(chosen) < count:
        marks = rng.sample(list(MARKS), NAMED)
        chosen.setdefault(frozenset(marks), {mark: binding[mark] for mark in marks})
    return list(chosen.values())


def query_text(named: Binding) -> str:
    return ", ".join(f"{mark} beside {code}" for mark, code in named.items())
