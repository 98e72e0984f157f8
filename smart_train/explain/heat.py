"""Heat over a page: values of boxes as a colour with transparency, to be laid over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from smart_train.explain.explanation import Explanation
from smart_train.explain.tokens import Box
from smart_train.inputs.images import load_image

HEAT = (213, 94, 0)  # vermillion, and the winners' blue: apart for colour-blind readers, too (Okabe and Ito, 2008)
WINNER = (0, 114, 178)
LEVELS = 9  # of a word's colour; level 0 has none
_STRONGEST_WORD = 63  # percent of HEAT behind it: the word stays readable
_OPAQUE = 200  # of 255, at the strongest place: the page stays readable below it
_RASTER = 480  # pixels of each side, where boxes are not an even grid
_ON_GRID = 1e-3  # of a box's side
_EXACT = 1e-6  # of a pixel: what arithmetic may add to an edge


def strengths(values: Sequence[float]) -> list[float]:
    """Values as 0 (the lowest of them) to 1 (the highest); all 0 where they do not differ."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]


def css_heat(level: int) -> str:
    """The colour behind a word of `level`, from 0 to `LEVELS`."""
    red, green, blue = HEAT
    return f"rgb({red} {green} {blue} / {_STRONGEST_WORD * level // LEVELS}%)"


def css_winner() -> str:
    """The colour of a frame around what wins."""
    return "#{:02x}{:02x}{:02x}".format(*WINNER)


def heat_layer(boxes: Sequence[Box], strength: Sequence[float]) -> Image.Image:
    """RGBA, to be stretched over an image without smoothing: the stronger a box, the less of the image shows through.
    An even grid has one pixel for each box."""
    edges = np.array(boxes)
    columns, rows = len(np.unique(edges[:, 0])), len(np.unique(edges[:, 1]))
    cells = edges * [columns, rows, columns, rows]
    # Words on one line are as many as their left edges, and still not a grid.
    if columns * rows == len(boxes) and np.allclose(cells, np.rint(cells), rtol=0, atol=_ON_GRID):
        pixels = np.rint(cells)
    else:
        columns = rows = _RASTER
        near, far = np.floor(edges[:, :2] * _RASTER + _EXACT), np.ceil(edges[:, 2:] * _RASTER - _EXACT)
        pixels = np.concatenate([near, far], axis=1)  # so that the smallest box, as of a comma, is seen
    alpha = np.zeros((rows, columns), dtype=np.uint8)
    for (left, top, right, bottom), value in zip(pixels.astype(int), strength, strict=True):
        part = alpha[top:bottom, left:right]
        np.maximum(part, round(_OPAQUE * value), out=part)  # where boxes overlap, the strongest
    layer = np.empty((*alpha.shape, 4), dtype=np.uint8)
    layer[..., :3], layer[..., 3] = HEAT, alpha
    return Image.fromarray(layer)


def image_places(explanation: Explanation, image: int) -> list[int]:
    """Places among the document's kept tokens of those that lie on one of its images."""
    return [place for place, token in enumerate(explanation.document_tokens) if token.image == image]


def image_strengths(explanation: Explanation, token: int | None) -> dict[int, float]:
    """Place of each kept token on any image of the document -> its strength, on one scale for all of its images."""
    heat = explanation.heat(token).tolist()
    places = [place for place, seen in enumerate(explanation.document_tokens) if seen.image is not None]
    return dict(zip(places, strengths([heat[place] for place in places]), strict=True))


def layer_of(explanation: Explanation, image: int, strength: dict[int, float]) -> Image.Image | None:
    """The heat over one image, by `image_strengths`; None where none of its tokens is kept."""
    places = image_places(explanation, image)
    boxes = [box for place in places if (box := explanation.document_tokens[place].box) is not None]
    return heat_layer(boxes, [strength[place] for place in places]) if boxes else None


def small_page(reference: Any, side: int) -> Image.Image:
    """A copy of an image, RGB, with at most `side` pixels a side. Raises DataError where it cannot be read."""
    image = load_image(reference)
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side))
    return image


def heated_page(explanation: Explanation, image: int, token: int | None, side: int) -> Image.Image:
    """One image of the document with its heat for one token of the query (None: for the whole query) and a frame
    around what wins, RGB, its longer side `side` pixels."""
    page = small_page(explanation.document.images[image], side)
    scale = side / max(page.size)
    page = page.resize((max(round(page.width * scale), 1), max(round(page.height * scale), 1)))
    layer = layer_of(explanation, image, image_strengths(explanation, token))
    if layer is not None:
        stretched = layer.resize(page.size, Image.Resampling.NEAREST)
        page = Image.alpha_composite(page.convert("RGBA"), stretched).convert("RGB")
    draw = ImageDraw.Draw(page)
    for place in explanation.won() if token is None else [explanation.winners[token]]:
        box, of = explanation.document_tokens[place].box, explanation.document_tokens[place].image
        if box is not None and of == image:
            left, top, right, bottom = box
            corners = (left * page.width, top * page.height, right * page.width - 1, bottom * page.height - 1)
            draw.rectangle([round(corner) for corner in corners], outline=WINNER, width=max(side // 160, 1))
    return page
