"""What a recipe may say about where rows come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smart_train.data.columns import check_column_map
from smart_train.data.formats.ocr_engine import OcrMode
from smart_train.errors import DataError

NO_OCR = (
    "but pages are read as images, of which no text is needed; leave ocr out, or read pages as text (pages_as: text; "
    "--pages-as text)"
)


@dataclass(frozen=True)
class SourceConfig:
    """One source of rows.

    Args:
        path: a file or folder of one of the formats of docs/data.md, or the id of a data set on the Hugging Face Hub.
        split: which split, where the source has several. A Hub data set needs it.
        subset: which configuration, where a Hub data set or a copy of one has several.
        columns: our column name -> the source's, for names that are not found by themselves (see `columns.py`).
            `negatives` may name one column or a list of columns. "positional": by their order, as in
            sentence-transformers: query, positive, negatives.
        image_root: folder that relative image paths start from; default: the folder of the file. No path may leave it.
        max_samples: use so many rows, the first ones unless `sample_seed` is given.
        sample_seed: `max_samples` rows are drawn at random, by this number alone: the same rows wherever the source is
            the same. They keep the order of the source.
        instruction: the queries' instruction, where a row has none of its own.
        documents: file or folder of the documents that rows name by id; text in `positive` and the negatives is then
            an id.
        streaming: fetch no more of a Hub data set than the first `max_samples` rows; with `sample_seed`, than a few
            times as many, from all over the data set, of which `max_samples` are drawn.
        dpi: resolution at which pages of PDF files are rendered; None: 144.
        pages_as: whether a page of a PDF file is its image or its text. None: what the model reads, where a model is
            known; else its image.
        ocr: of pages as text, which are read by OCR: "auto", those without a legible text layer and pictures, if the
            extra `ocr` is installed; "all", every page, and text layers are not read; "off", none. None: "auto".
    """

    path: str | Path
    split: str | None = None
    subset: str | None = None
    columns: Mapping[str, str | Sequence[str]] | str | None = None
    image_root: str | Path | None = None
    max_samples: int | None = None
    sample_seed: int | None = None
    instruction: str | None = None
    documents: str | Path | None = None
    streaming: bool = False
    dpi: int | None = None
    pages_as: Literal["image", "text"] | None = None
    ocr: OcrMode | None = None

    def __post_init__(self) -> None:
        if not str(self.path):
            raise DataError("data source: path is empty; name a file, a folder or a data set on the Hub")
        if self.max_samples is not None and self.max_samples < 1:
            raise DataError(f"data source {self.path}: max_samples is {self.max_samples}; it must be at least 1")
        if self.sample_seed is not None and self.max_samples is None:
            raise DataError(
                f"data source {self.path}: sample_seed needs max_samples, the number of rows to draw, as in "
                "max_samples: 1000"
            )
        if self.dpi is not None and self.dpi < 1:
            raise DataError(f"data source {self.path}: dpi is {self.dpi}; it must be at least 1")
        if self.pages_as not in (None, "image", "text"):
            raise DataError(f"data source {self.path}: pages_as is {self.pages_as!r}; it must be image or text")
        if self.pages_as == "text" and self.dpi is not None:
            raise DataError(
                f"data source {self.path}: dpi is {self.dpi}, but pages_as is text, and no page is drawn for its text; "
                "leave dpi out"
            )
        if self.ocr not in (None, "auto", "all", "off"):
            raise DataError(f"data source {self.path}: ocr is {self.ocr!r}; it must be auto, all or off")
        if self.pages_as == "image" and self.ocr is not None:
            raise DataError(f"data source {self.path}: ocr is {self.ocr!r}, {NO_OCR}")
        if self.streaming and self.max_samples is None:
            raise DataError(
                f"data source {self.path}: streaming needs max_samples: every row is checked before training starts, "
                "so their number must be known"
            )
        check_column_map(str(self.path), self.columns or {})

    @property
    def first_rows(self) -> int | None:
        """After how many rows a reader may stop; None: it must read all, if only to draw some of them."""
        return self.max_samples if self.sample_seed is None else None
