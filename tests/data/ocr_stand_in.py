"""An OCR engine for tests, and scans that it can read: pictures of pages without a text layer.

The picture of a page has a square of one grey at its left top, which says which of the known pages it is. The engine
measures it and gives this page's lines, so that whatever draws, scales and keeps the pictures is the real code.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from smart_train.data.formats.ocr_engine import FoundLine, found_line

WIDTH, HEIGHT = 850, 1100  # of a page, 100 dots per inch
_STEP, _SQUARE = 8, 60  # between greys; pixels a side

Scanned = list[tuple[str, tuple[float, float, float, float]]]  # lines and their boxes, as shares of the page


def rows(lines: Sequence[str], *, left: float = 0.1, top: float = 0.1, height: float = 0.015) -> Scanned:
    """Lines one below the other, each as wide as its characters."""
    return [
        (line, (left, top + place * 1.5 * height, left + len(line) * 0.0068, top + place * 1.5 * height + height))
        for place, line in enumerate(lines)
    ]


class StandIn:
    """Reads the pages in `pages`; `read_count` counts them."""

    pages: list[Scanned]
    read_count: int

    @staticmethod
    def named() -> str:
        return "stand-in 1"

    def read(self, picture: np.ndarray) -> list[FoundLine]:
        type(self).read_count += 1
        height, width, _ = picture.shape
        inside = picture[round(height * 20 / HEIGHT), round(width * 20 / WIDTH)]
        number, found = round(float(inside.mean()) / _STEP), []
        for text, box in self.pages[number] if number < len(self.pages) else ():  # another page: nothing is on it
            left, top, right, bottom = (side * scale for side, scale in zip(box, (width, height) * 2, strict=True))
            found.append(found_line(text, [(left, top), (right, top), (right, bottom), (left, bottom)], []))
        return found


def engine(pages: Sequence[Scanned]) -> type[StandIn]:
    """An engine of its own, which knows these pages."""
    return type("Engine", (StandIn,), {"pages": list(pages), "read_count": 0})


def picture(number: int) -> Image.Image:
    """The picture of the page with this place in the engine's `pages`."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, _SQUARE, _SQUARE), fill=(number * _STEP,) * 3)
    top = HEIGHT - (number + 2) * _SQUARE  # so that pages look different, as they do
    draw.rectangle((0, top, WIDTH // 2, top + _SQUARE), fill="black")
    return image


def write_scan(path: Path, numbers: Sequence[int]) -> None:
    """A PDF file of pictures alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [picture(number) for number in numbers]
    never = time.gmtime(0)  # documents are split by their content, which is to be the same in every run
    first.save(path, save_all=True, append_images=others, resolution=100, creationDate=never, modDate=never)
