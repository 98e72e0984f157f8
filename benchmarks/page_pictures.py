"""Texts as pictures of printed pages that went through a scanner: for benchmarks of OCR where the true words are known.

Every choice (print, slant, noise) is drawn by the page's name and a seed, so the same page is the same picture.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

DPI = 144
WIDTH, HEIGHT = 595, 839  # A6, the size of a pocket manual
HEAD = "Linux Programmer's Manual"  # on every page alike: it says nothing about the page
HEADING = "DESCRIPTION"
_MARGIN = 64  # pixels, on all sides
_BODY = 21  # pixels: 10.5 pt
_LEADING = 1.35  # heights of print from line to line
_FAMILIES = (
    ("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
    ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
)
_SMALLER = {"DejaVuSerif.ttf": 0.87, "DejaVuSans.ttf": 0.87}  # their letters are larger at the same size


@dataclass(frozen=True)
class Scan:
    """How well pages were scanned: each page draws its own values from these ranges.

    Args:
        slant: degrees to either side at most.
        blur: of the lens, in pixels.
        noise: of a pixel, standard deviation in grey levels.
        shade: grey levels that a corner may be darker by.
        quality: of the JPEG that the scanner writes.
        pixels: shares of the page's sides that the scanner resolves: 0.5 is 72 dpi, enlarged again.
    """

    slant: float
    blur: tuple[float, float]
    noise: tuple[float, float]
    shade: float
    quality: tuple[int, int]
    pixels: tuple[float, float]


SCANS = {
    "office scan": Scan(1.5, (0.3, 0.9), (4, 14), 30, (55, 85), (1, 1)),
    "poor scan": Scan(3, (0.6, 1.1), (14, 30), 80, (25, 50), (0.55, 0.75)),
}


def printed(text: str, number: int) -> str:
    """What stands on the page that `draw_page` draws: running head, heading, text, page number."""
    return f"{HEAD}\n{HEADING}\n{text}\n{number}"


def draw_page(text: str, number: int, name: str, scan: Scan, seed: int = 0) -> Image.Image:
    """A scanned page, RGB [839, 595]: `text` in justified lines below a running head and a heading, its page number at
    the foot.

    Raises:
        ValueError: the text does not fit on one page.
    """
    draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return _scanned(_printed(text, number, draw), scan, draw)


def _printed(text: str, number: int, draw: np.random.Generator) -> Image.Image:
    plain, bold = _FAMILIES[draw.integers(len(_FAMILIES))]
    size = round(_BODY * _SMALLER.get(plain, 1.0) * draw.uniform(0.92, 1.08))
    body, strong, small = _font(plain, size), _font(bold, round(size * 1.15)), _font(plain, round(size * 0.8))
    page = Image.new("L", (WIDTH, HEIGHT), 255)
    pen = ImageDraw.Draw(page)
    pen.text((_MARGIN, _MARGIN // 2), HEAD, fill=0, font=small)
    pen.text((WIDTH / 2, HEIGHT - _MARGIN // 2), str(number), fill=0, font=small, anchor="mb")
    top = float(_MARGIN + size)
    pen.text((_MARGIN, top), HEADING, fill=0, font=strong)
    top += 2 * size
    lines = _lines(text.split(), body)
    for place, words in enumerate(lines):
        if top + size > HEIGHT - _MARGIN:
            raise ValueError(f"page {number}: {len(lines)} lines do not fit on a page")
        spare = WIDTH - 2 * _MARGIN - sum(body.getlength(word) for word in words)
        blank = body.getlength(" ") if place == len(lines) - 1 else spare / max(len(words) - 1, 1)
        left = float(_MARGIN)
        for word in words:
            pen.text((left, top), word, fill=0, font=body)
            left += body.getlength(word) + blank
        top += size * _LEADING
    return page


def _lines(words: Sequence[str], font: ImageFont.FreeTypeFont) -> list[list[str]]:
    """Words in lines that fit between the margins; a word that is longer alone stands in a line of its own."""
    lines: list[list[str]] = []
    for word in words:
        if lines and font.getlength(" ".join([*lines[-1], word])) <= WIDTH - 2 * _MARGIN:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _scanned(page: Image.Image, scan: Scan, draw: np.random.Generator) -> Image.Image:
    page = page.rotate(draw.uniform(-scan.slant, scan.slant), resample=Image.Resampling.BICUBIC, fillcolor=255)
    page = page.filter(ImageFilter.GaussianBlur(draw.uniform(*scan.blur)))
    seen = draw.uniform(*scan.pixels)
    page = page.resize((round(WIDTH * seen), round(HEIGHT * seen)), Image.Resampling.BOX)
    ink = draw.uniform(20, 80)  # print is not black
    values = ink + np.asarray(page, dtype=np.float32) * (245 - ink) / 255
    across, down = np.linspace(0, 1, page.width), np.linspace(0, 1, page.height)[:, None]
    values -= scan.shade * draw.uniform() * (across * draw.uniform() + down * draw.uniform())
    values += draw.normal(0, draw.uniform(*scan.noise), values.shape)
    grey = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    kept = io.BytesIO()
    grey.save(kept, "JPEG", quality=int(draw.integers(*scan.quality)))
    return Image.open(kept).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
