"""Words of pages that have no text layer: read by OCR once, kept on disk, several pages at the same time."""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from smart_train.data.formats.ocr_engine import FoundLine, OcrEngine, RapidEngine
from smart_train.data.formats.ocr_layout import OcrLine, OcrPage, OcrWord, laid_out
from smart_train.data.formats.ocr_turned import read_upright
from smart_train.data.formats.pdf import page_cache
from smart_train.inputs.folder_listing import check_regular
from smart_train.inputs.images import image_key, load_image, read_encoded
from smart_train.inputs.known_files import is_file
from smart_train.utils.atomic import write_text

__all__ = ["OcrLine", "OcrPage", "OcrWord", "Picture", "read_by_ocr"]

Picture = str | Path | bytes | Image.Image  # as `load_image` takes one

SECONDS_PER_PAGE = 8  # of one core, for a page of running text at 144 dpi; measured in docs/own-documents.md
_MOST_WORKERS = 16  # each takes about 0.7 GB
_FORMAT = 2  # of what is kept; raise it when the same engine would give other lines


def read_by_ocr(
    pictures: Sequence[Picture],
    *,
    engine: type[OcrEngine] = RapidEngine,
    workers: int | None = None,
    cache_dir: str | Path | None = None,
    say: Callable[[str], None] | None = None,
    show_progress_bar: bool | None = None,
) -> list[OcrPage]:
    """The words of pictures of pages, with their places, in reading order; one page for each picture.

    What was read is kept by the content of the picture and the engine, each page at once: work that was cut off goes on
    where it was.

    Args:
        pictures: drawn at about 144 dpi: smaller print is not found. Each is asked for when it is read, so that they
            need not all be in memory.
        workers: pages at the same time; default: one for each core this process may use, at most 16. Threads, not
            processes: nine tenths of the time is inside ONNX Runtime, which lets other threads work, and a process
            would load torch first.
        cache_dir: where results are kept; default: `read-by-ocr` beside the page cache.
        say: gets one sentence that estimates the time, before the first page is read. Not called when all is known.
        show_progress_bar: None shows it on a terminal only.

    Raises:
        MissingExtra: the engine is not installed.
        DataError: a picture cannot be read.
    """
    name = engine.named()
    cache = Path(cache_dir) if cache_dir is not None else page_cache().parent / "read-by-ocr"
    files = [cache / f"{_digest(picture, name)}.json" for picture in pictures]
    todo = {file: place for place, file in enumerate(files) if _kept(file) is None}
    if todo:
        workers = workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
        if say is not None:
            say(estimate(len(todo), len(pictures) - len(todo), min(workers, len(todo)), name))
        _read_all(todo, pictures, engine, min(workers, len(todo)), show_progress_bar)
    pages = []
    for file in files:
        page = _kept(file)
        assert page is not None, "it was written a moment ago"
        pages.append(page)
    return pages


def estimate(todo: int, read_before: int, workers: int, name: str) -> str:
    """What reading `todo` pages will take, as a sentence."""
    minutes = math.ceil(todo * SECONDS_PER_PAGE / workers / 60)
    before = f" ({read_before} were read before)" if read_before else ""
    return (
        f"reading {todo} pages by OCR with {name}{before}: roughly {minutes} min on {workers} cores, "
        f"at {SECONDS_PER_PAGE} s a page"
    )


def _digest(picture: Picture, name: str) -> str:
    if isinstance(picture, Image.Image):
        content = str(image_key(picture)).encode()
    else:
        if not isinstance(picture, bytes) and is_file(picture):
            check_regular(picture, str(picture))
        content = read_encoded(picture)
    digest = hashlib.sha256(content)
    digest.update(f"\0{name}\0{_FORMAT}".encode())
    return digest.hexdigest()[:40]


def _read_all(
    todo: dict[Path, int],
    pictures: Sequence[Picture],
    engine: type[OcrEngine],
    workers: int,
    show_progress_bar: bool | None,
) -> None:
    """Reads the pictures at the places in `todo`, and keeps each result in its file."""
    of_thread = threading.local()

    def work(item: tuple[Path, int]) -> None:
        file, place = item
        if not hasattr(of_thread, "engine"):
            of_thread.engine = engine()
        picture = np.asarray(load_image(pictures[place]))
        lines, turned = read_upright(of_thread.engine, picture)
        height, width = picture.shape[:2] if turned % 180 == 0 else picture.shape[1::-1]
        _keep(file, lines, width, height, turned)

    hidden = None if show_progress_bar is None else not show_progress_bar
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, item) for item in todo.items()]
        try:
            for future in tqdm(futures, desc="reading by OCR", leave=False, disable=hidden):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # one page more for each thread, not all of them
            raise


def _keep(file: Path, lines: Sequence[FoundLine], width: int, height: int, turned: int) -> None:
    rows = [[line.text, line.corners, line.words, line.confidence] for line in lines]
    values = {"width": width, "height": height, "turned": turned, "lines": rows}
    write_text(file, json.dumps(values, ensure_ascii=False))


def _kept(file: Path) -> OcrPage | None:
    """The page that a file of the cache holds; None where it is not there or broken, and the page is read again."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        lines = [
            FoundLine(text, tuple(map(tuple, corners)), tuple((word, tuple(box)) for word, box in words), confidence)
            for text, corners, words, confidence in values["lines"]
        ]
        return laid_out(lines, values["width"], values["height"], values["turned"])
    except (FileNotFoundError, NotADirectoryError, KeyError, TypeError, ValueError):
        return None
