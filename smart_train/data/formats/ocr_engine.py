"""The library that reads print in pictures, and what any such engine gives.

rapidocr, because it is the one whose models are in its wheel: nothing is fetched while it runs. Tesseract was left out,
because it is a program that pip does not install.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import regex

from smart_train.errors import MissingExtra

# Which pages are read: those without a legible text layer, if the extra `ocr` is installed; all, and no text layer;
# none.
OcrMode = Literal["auto", "all", "off"]
INSTALL = "pip install 'smart_train[ocr]'"
TO_READ = "to have them read by OCR"
READS = "Latin, Greek, Chinese and Japanese"  # what rapidocr's own model knows; measured in docs/own-documents.md
Corners = tuple[tuple[float, float], ...]  # of a line: left top, right top, right bottom, left bottom; pixels
PixelBox = tuple[float, float, float, float]  # left, top, right, bottom; pixels

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc"
_WORD = regex.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+", regex.V1)
_MODELS = {"Det": "*_det_*.onnx", "Rec": "*_rec_*.onnx"}


@dataclass(frozen=True)
class FoundLine:
    """A line of print as an engine finds it, in pixels from the picture's left top.

    Attributes:
        words: those of `text` in its order, a Chinese or Japanese character each alone, and where each lies.
        confidence: 0 to 1, how sure the engine is of what it read.
    """

    text: str
    corners: Corners
    words: tuple[tuple[str, PixelBox], ...]
    confidence: float = 1.0


class OcrEngine(Protocol):
    """Finds print in a picture. One object is used by one thread; making it loads its models."""

    @staticmethod
    def named() -> str:
        """Its name with its version, which cached results are kept by.

        Raises:
            MissingExtra: it is not installed.
        """

    def read(self, picture: np.ndarray) -> list[FoundLine]:
        """The lines in a picture, uint8 [height, width, 3] RGB, in any order; empty where nothing is printed."""


def ocr_is_installed() -> bool:
    """Whether the libraries of the extra `ocr` are there; nothing is loaded."""
    return all(find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


def chosen_engine(mode: OcrMode) -> type[OcrEngine] | None:
    """What reads by OCR under `mode`; None where nothing does: "off", or "auto" and rapidocr is not installed.

    Raises:
        MissingExtra: "all", and rapidocr is not installed.
    """
    if mode == "off" or (mode == "auto" and not ocr_is_installed()):
        return None
    RapidEngine.named()
    return RapidEngine


class RapidEngine:
    """rapidocr with the models of its wheel, on the CPU, one thread: pages are read side by side instead.

    Raises:
        MissingExtra: rapidocr or onnxruntime is not installed, or the installed rapidocr holds other models.
    """

    def __init__(self) -> None:
        self.named()
        import rapidocr

        params: dict[str, Any] = {
            "Global.log_level": "error",
            "Global.return_word_box": True,
            # The model that says which lines are upside down turns upright ones: two long lines a page became garbage.
            # `ocr_turned.py` turns pages.
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        # Named by their files: rapidocr fetches a model that it is left to look for and whose digest it does not like.
        folder = Path(rapidocr.__file__).parent / "models"
        for stage, pattern in _MODELS.items():
            files = sorted(folder.glob(pattern))
            if len(files) != 1:
                raise MissingExtra(
                    f"rapidocr {version('rapidocr')}: {folder} holds {len(files)} files {pattern}; it must hold 1: "
                    f"pip install --force-reinstall 'smart_train[ocr]'"
                )
            params[f"{stage}.model_path"] = str(files[0])
        self._rapid = rapidocr.RapidOCR(params=params)

    @staticmethod
    def named() -> str:
        try:
            name = f"rapidocr {version('rapidocr')}"
        except PackageNotFoundError:
            name = ""
        if not name or not ocr_is_installed():
            raise MissingExtra(f"pages without a text layer need rapidocr and onnxruntime: {INSTALL}")
        return name

    def read(self, picture: np.ndarray) -> list[FoundLine]:
        output = self._rapid(np.ascontiguousarray(picture[:, :, ::-1]))  # BGR, as OpenCV has it
        if not output.txts:
            return []
        # It leaves out the pieces of a line that it cannot place, and then they are no longer line by line.
        pieces: Sequence[Any] = (
            output.word_results if len(output.word_results) == len(output.txts) else [()] * len(output)
        )
        return [
            found_line(text, corners.tolist(), [(piece[0], _around(piece[2])) for piece in of_line], float(score))
            for text, corners, of_line, score in zip(output.txts, output.boxes, pieces, output.scores, strict=True)
        ]


def found_line(
    text: str, corners: Sequence[Sequence[float]], pieces: Sequence[tuple[str, PixelBox]], confidence: float = 1.0
) -> FoundLine:
    """A line with its words placed by the pieces that an engine gives, words or characters in the order of the text.
    Where the pieces are not the text, each word gets the part of the line that its characters are of it."""
    around = _around(corners)
    joined = "".join(piece for piece, _ in pieces)
    if joined == "".join(text.split()):
        starts, boxes = np.cumsum([0, *(len(piece) for piece, _ in pieces)]), [box for _, box in pieces]
    else:
        left, top, right, bottom = around
        step = (right - left) / max(len(text), 1)
        places = [place for place, character in enumerate(text) if not character.isspace()]
        starts = np.arange(len(places) + 1)
        boxes = [(left + step * place, top, left + step * (place + 1), bottom) for place in places]
    words, start = [], 0
    for word in _WORD.findall(text):
        first = int(np.searchsorted(starts, start, side="right")) - 1
        start += len(word)
        last = int(np.searchsorted(starts, start, side="left"))
        words.append((word, _union(boxes[first:last])))
    return FoundLine(text, tuple((float(x), float(y)) for x, y in corners), tuple(words), confidence)


def _around(corners: Sequence[Sequence[float]]) -> PixelBox:
    across, down = [float(x) for x, _ in corners], [float(y) for _, y in corners]
    return min(across), min(down), max(across), max(down)


def _union(boxes: Sequence[PixelBox]) -> PixelBox:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
