"""An explanation as one picture: the page under the heat of the whole query, then under that of each of its tokens."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from matplotlib.font_manager import findfont, get_font
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from smart_train.errors import DataError, printable
from smart_train.explain.explanation import Explanation
from smart_train.explain.heat import heated_page
from smart_train.report.html import MADE_BY
from smart_train.utils.atomic import replace_whole

_FONT = "DejaVu Sans"  # comes with matplotlib
_ACROSS = 5  # panels in a row
# Pixels: a page's longer side, between panels, for the lines above each, for the line above all, and of letters.
_SIDE, _GAP, _LINES, _HEAD, _LETTERS = 280, 14, 38, 48, (13, 18)
_TITLE = 32  # characters


def explanation_picture(explanation: Explanation) -> Image.Image:
    """RGB: a panel for the whole query and one for each kept token of it, of every image of the document, with its
    share of the score. Frames are the winning patches. Raises DataError for a document without images.

    Not a matplotlib figure, whose images are scaled once more: that takes ten times as long.
    """
    images = range(len(explanation.document.images))
    if not images:
        raise DataError("explain: a picture shows a page, and this document is text; write an HTML page instead")
    panels = [(token, image) for token in (None, *range(len(explanation.query_tokens))) for image in images]
    across, step = min(_ACROSS, len(panels)), (_SIDE + _GAP, _SIDE + _LINES + _GAP)
    size = (across * step[0] + _GAP, math.ceil(len(panels) / across) * step[1] + _HEAD)
    drawn = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(drawn)
    small, large = (ImageFont.truetype(findfont(_FONT), letters) for letters in _LETTERS)
    draw.text((_GAP, _GAP), f"score {explanation.score:.3f} = {explanation.shares_text}", fill="black", font=large)
    for place, (token, image) in enumerate(panels):
        left, top = _GAP + place % across * step[0], _HEAD + place // across * step[1]
        draw.text((left, top), panel_title(explanation, token), fill="black", font=small)
        drawn.paste(heated_page(explanation, image, token, _SIDE), (left, top + _LINES))
    return drawn


def save_picture(explanation: Explanation, path: Path) -> Path:
    """Writes the picture as PNG, whole or not at all."""
    about = PngInfo()
    about.add_text("Software", MADE_BY)
    picture = explanation_picture(explanation)
    return replace_whole(path, lambda temporary: picture.save(temporary, "PNG", pnginfo=about))


def panel_title(explanation: Explanation, token: int | None) -> str:
    """A token and what it adds to the score, in two lines; a square is a character that the font lacks."""
    if token is None:
        return "whole query"
    text = printable(f"{token + 1}  {explanation.query_tokens[token].label}")[:_TITLE].replace("\n", " ")
    label = "".join(letter if _in_font(letter) else "\u25a1" for letter in text)
    return f"{label}\n{explanation.shares[token]:+.4f}"


@cache
def _in_font(letter: str) -> bool:
    return get_font(findfont(_FONT)).get_char_index(ord(letter)) != 0
