"""Build the local-binding data set: pages whose answer is a local fact, which code stands beside which mark.

Run:     python data/local-binding/build.py --output data/local-binding/built
Needs:   Pillow and NumPy; no network, no fonts (smart_train/inputs/mark_pages.py draws from bitmaps), one core.
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
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

sys.path[:0] = [str(Path(__file__).resolve().parents[place]) for place in (1, 2)]
# The paths above are set for these: data/ is not a package, and this file is run from anywhere.
from build_once import build_once  # noqa: E402

from smart_train.inputs.mark_pages import (  # noqa: E402
    BASE,
    CELLS,
    Binding,
    distractor,
    draw_binding,
    draw_page,
    matches,
    name_bindings,
    query_text,
)

FORMAT = 1  # raise it when the same parameters would give other pages or other files


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
