"""Pages that lie on their side or upside down in the picture: read the other way round, too, where the lines show it.

An engine's own model that says how a line lies was rejected: it judges each line alone, and turned upright ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from smart_train.data.formats.ocr_engine import FoundLine, OcrEngine

# Below this mean confidence a page is read upside down, too: upright print has 0.97 and more, print that is upside down
# 0.55 to 0.75, and what is hard to read either way only takes twice as long.
_SURE = 0.9
_NEARLY = 0.9
_TALL = 1.5  # times as high as wide is a line that lies on its side


def read_upright(engine: OcrEngine, picture: np.ndarray) -> tuple[list[FoundLine], int]:
    """The lines of a picture, uint8 [height, width, 3], turned so that they can be read best; and how far, in degrees
    counter-clockwise (0, 90, 180, 270). Corners and words are places in the turned picture."""
    as_it_is = engine.read(picture)
    if not _on_its_side(as_it_is):
        return _surer(engine, picture, as_it_is, 0)
    lines, turned = _surer(engine, picture, engine.read(np.rot90(picture)), 90)
    # Nearly as good is better: engines read single lines that stand upright, but cannot bring them in their order.
    if _read_well(lines) < _NEARLY * _read_well(as_it_is):
        return as_it_is, 0
    return lines, turned


def _surer(engine: OcrEngine, picture: np.ndarray, lines: list[FoundLine], turned: int) -> tuple[list[FoundLine], int]:
    """What was found in the picture turned so far, or upside down from there, where that is read better."""
    if _confidence(lines) >= _SURE:
        return lines, turned
    upside_down = engine.read(np.rot90(picture, turned // 90 + 2))
    return (upside_down, turned + 180) if _read_well(upside_down) > _read_well(lines) else (lines, turned)


def _on_its_side(lines: Sequence[FoundLine]) -> bool:
    """Whether lines that are tall are longer, all together, than those that are wide."""
    tall = wide = 0.0
    for line in lines:
        left, right, _, below = line.corners
        across, down = math.dist(left, right), math.dist(left, below)
        if down >= _TALL * across:
            tall += down
        else:
            wide += across
    return tall > wide


def _read_well(lines: Sequence[FoundLine]) -> float:
    """How many characters were read, as far as the engine is sure of them: of print that is upside down few are."""
    return sum(line.confidence * _characters(line) for line in lines)


def _confidence(lines: Sequence[FoundLine]) -> float:
    """The mean over characters, 0 to 1; 0 where nothing was read."""
    return _read_well(lines) / max(sum(map(_characters, lines)), 1)


def _characters(line: FoundLine) -> int:
    return sum(not character.isspace() for character in line.text)
