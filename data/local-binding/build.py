"""Build the local-binding data set: pages whose answer is a local fact, which code stands beside which mark.

Run:     python data/local-binding/build.py --output data/local-binding/built
Needs:   Pillow and NumPy; no network, no fonts (glyphs are drawn from the bitmaps below), one core.
Expect:  4,000 train and 200 held-out pages of 160 x 160 px, 6 MB, about 5 s; the same pages on every machine.

Every page shows the same six marks in six of its 5 x 5 cells, a code beside each; a query names three of the six
bindings. All pages have the same marks and mostly the same codes, so knowing what is on a page does not tell pages
apart: only what stands beside what does. A vector for the whole page has to keep six bindings at once; the token of a
cell (one 32 x 32 px merged patch of a Qwen-VL) has to keep one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
# The path above is set for this one: data/ is not a package, and this file is run from anywhere.
from build_once import build_once  # noqa: E402

FORMAT = 1  # raise it when the same parameters would give other pages or other files
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


@dataclass(frozen=True)
class Parameters:
    train_pages: int = 4000
    held_out_pages: int = 200
    queries_per_page: int = 1
    negatives: int = 0
    seed: int = 0
    size: int = BASE
    format: int = FORMAT

    def problems(self) -> Iterator[str]:
        if self.train_pages < 1:
            yield f"--train-pages {self.train_pages}: must be at least 1"
        if self.held_out_pages < 1:
            yield f"--held-out-pages {self.held_out_pages}: must be at least 1"
        if self.train_pages + self.held_out_pages > 100_000:
            yield f"--train-pages + --held-out-pages {self.train_pages + self.held_out_pages}: at most 100000"
        if not 1 <= self.queries_per_page <= 20:
            yield f"--queries-per-page {self.queries_per_page}: must be 1 to 20 (20 ways to name 3 of 6 bindings)"
        if not 0 <= self.negatives <= 8:
            yield f"--negatives {self.negatives}: must be 0 to 8"
        if self.size < BASE or self.size % BASE:
            yield f"--size {self.size}: must be a multiple of {BASE}"


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


CELL_MASKS = {(mark, code): cell_mask(mark, code) for mark in MARKS for code in GLYPHS}


def draw_page(binding: Binding, cells: list[int], size: int) -> np.ndarray:
    """uint8 [size, size, 3]: each mark with its code in one of the 25 cells, on white."""
    page = np.full((BASE, BASE, 3), 255, dtype=np.uint8)
    for (mark, code), cell in zip(binding.items(), cells, strict=True):
        top, left = (cell // CELLS) * CELL, (cell % CELLS) * CELL
        view = page[top : top + CELL, left : left + CELL]
        mark_mask, code_mask = CELL_MASKS[mark, code]
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


def draw_held_out(parameters: Parameters, rng: random.Random) -> list[tuple[Binding, list[Binding]]]:
    """Pages with their queries, such that every query has exactly one page that answers it."""
    kept: list[tuple[Binding, list[Binding]]] = []
    for _ in range(1000 * parameters.held_out_pages):
        if len(kept) == parameters.held_out_pages:
            return kept
        binding = draw_binding(rng)
        queries = name_bindings(binding, parameters.queries_per_page, rng)
        ambiguous = any(
            matches(query, other) or any(matches(theirs, binding) for theirs in others)
            for other, others in kept
            for query in queries
        )
        if not ambiguous:
            kept.append((binding, queries))
    sys.exit(
        f"--held-out-pages {parameters.held_out_pages}: only {len(kept)} pages found whose queries no other page "
        "answers; ask for fewer pages or fewer --queries-per-page"
    )


def draw_train(parameters: Parameters, taken: set[str], rng: random.Random) -> list[tuple[Binding, list[Binding]]]:
    """Pages with their queries; no page, whatever its layout, has the bindings of one in `taken`."""
    kept = []
    while len(kept) < parameters.train_pages:
        binding = draw_binding(rng)
        if page_id(binding) not in taken:
            taken.add(page_id(binding))
            kept.append((binding, name_bindings(binding, parameters.queries_per_page, rng)))
    return kept


def codes_alone(held_out: list[tuple[Binding, list[Binding]]]) -> float:
    """Expected nDCG@5 of a reader that knows which codes are on a page but not what they stand beside: a query's answer
    is somewhere among the pages that show its three codes, in random order."""
    gains = []
    for _, queries in held_out:
        for query in queries:
            shown = sum(set(query.values()) <= set(other.values()) for other, _ in held_out)
            gains.append(sum(1 / math.log2(rank + 1) for rank in range(1, min(5, shown) + 1)) / shown)
    return sum(gains) / len(gains)


def page_id(binding: Binding) -> str:
    """The codes in the order of the marks: what a page says, whatever its layout."""
    return "".join(binding.values())


def query_text(named: Binding) -> str:
    return ", ".join(f"{mark} beside {code}" for mark, code in named.items())


class SplitWriter:
    """Writes one split's rows and pages under `folder` and hashes what they say (not the PNG encoding, which differs
    between versions of zlib)."""

    def __init__(self, folder: Path, split: str, parameters: Parameters) -> None:
        self.folder, self.split, self.parameters = folder, split, parameters
        self.rng = random.Random(f"{parameters.seed} {split} layout")
        self.hash = hashlib.blake2b(digest_size=16)
        self.pages = 0
        (folder / "images" / split).mkdir(parents=True)

    def page(self, binding: Binding, name: str) -> str:
        image = draw_page(binding, self.rng.sample(range(CELLS**2), len(binding)), self.parameters.size)
        relative = f"images/{self.split}/{name}.png"
        Image.fromarray(image).save(self.folder / relative)
        self.hash.update(image.tobytes())
        self.pages += 1
        return relative

    def write(self, pages: list[tuple[Binding, list[Binding]]], negatives: int, held_out: set[str]) -> dict[str, Any]:
        rows = []
        for number, (binding, queries) in enumerate(pages):
            document = f"{self.split}-{number:05d}"
            columns = {"positive": self.page(binding, document), "document_id": document}
            for index in range(negatives):
                other = distractor(binding, self.rng)
                while page_id(other) in held_out:
                    other = distractor(binding, self.rng)
                columns[f"negative_{index}"] = self.page(other, f"{document}-negative-{index}")
            for index, named in enumerate(queries):
                rows.append({"query": query_text(named), "query_id": f"{document}-{index}", **columns})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / f"{self.split}.jsonl").write_text(text, encoding="utf-8")
        self.hash.update(text.encode())
        return {"rows": len(rows), "pages": self.pages, "content_hash": self.hash.hexdigest()}


def write_data_set(folder: Path, parameters: Parameters) -> dict[str, Any]:
    """Fills the empty `folder`; returns {split: {"rows", "pages", "content_hash", ...}}."""
    held_out = draw_held_out(parameters, random.Random(f"{parameters.seed} held-out"))
    held_out_ids = {page_id(binding) for binding, _ in held_out}
    train = draw_train(parameters, set(held_out_ids), random.Random(f"{parameters.seed} train"))
    assert held_out_ids.isdisjoint(page_id(binding) for binding, _ in train), "a page is in both splits"
    facts = SplitWriter(folder, "held_out", parameters).write(held_out, 0, held_out_ids)
    return {
        "train": SplitWriter(folder, "train", parameters).write(train, parameters.negatives, held_out_ids),
        "held_out": {**facts, "ndcg@5_of_codes_alone": codes_alone(held_out)},
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Build the local-binding data set.")
    default = Parameters()
    parser.add_argument("--output", type=Path, required=True, help="folder to make; see manifest.json in it")
    for name, meaning in {
        "train_pages": "train pages",
        "held_out_pages": "held-out pages",
        "queries_per_page": "queries of each page, naming different bindings",
        "negatives": "explicit negatives of each train row: its marks and codes, paired differently",
        "seed": "seed; another one gives other pages",
        "size": f"side of a page in pixels, a multiple of {BASE}",
    }.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=getattr(default, name), help=f"{meaning} (%(default)s)")
    given = vars(parser.parse_args(arguments))
    output = given.pop("output")
    parameters = Parameters(**given)
    if problems := list(parameters.problems()):
        parser.error("; ".join(problems))
    build_once(output, "local-binding", asdict(parameters), lambda folder: write_data_set(folder, parameters))


if __name__ == "__main__":
    main()
