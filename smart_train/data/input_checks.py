"""What is wrong with single inputs, which rows and collections of documents share: media that the model does not read,
that do not decode, or that are too long for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from threading import Lock
from typing import Any

from smart_train.data.lengths import Fits, Side
from smart_train.data.references import READ_AS_TEXT, UNREADABLE
from smart_train.errors import DataError, MissingExtra, causes, listing
from smart_train.inputs.images import image_size, verify_image
from smart_train.inputs.video import verify_video
from smart_train.types import ModelInput
from smart_train.utils.cpu import usable_cores
from smart_train.utils.threads import in_threads


def check_documents(
    documents: Sequence[tuple[str, ModelInput]],
    *,
    decode: Callable[[Any], None] = verify_image,
    reads: Collection[str] | None = None,
    fits: Fits | None = None,
    workers: int | None = None,
) -> None:
    """Looks at documents that are searched and belong to no row, as `check_examples` does at those of rows. None is
    left out: a search over fewer would measure something else.

    Args:
        documents: id and document of each. decode, reads, fits, workers: as `check_examples`.

    Raises:
        DataError: names all that cannot be used. MissingExtra: as `check_examples`.
    """
    check = InputCheck(decode, reads, fits)

    def problem(place: int) -> str | None:
        name, item = documents[place]
        found = check.fault(item, what="document") or check.excess(item, "document", "document", what="document")
        return None if found is None else f"{name!r}: {found}"

    found = in_threads(problem, range(len(documents)), workers or min(usable_cores(), 16))
    problems = [problem for problem in found if problem is not None]
    if problems:
        raise DataError(
            f"{len(problems)} of {len(documents)} documents that no row names, but are searched, cannot be used:\n"
            + listing(causes(problems))
        )


class InputCheck:
    """Says what is wrong with an input. Safe to call from many threads.

    Args:
        decode, reads, fits: as `check_examples`.
    """

    def __init__(self, decode: Callable[[Any], None], reads: Collection[str] | None, fits: Fits | None) -> None:
        self.decode, self.reads, self.fits = decode, reads, fits
        self.files: dict[Any, str | None] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.lock, self.counting = Lock(), Lock()

    def fault(self, item: ModelInput, column: Callable[[str], str] = lambda kind: "", what: str = "row") -> str | None:
        """Which image or video of `item` the model does not read, or cannot be read.

        Args:
            column: ` (column NAME)` of an image, a video or a text, where it is known.
            what: what the user may remove.

        Raises: MissingExtra, where what reads it is not installed.
        """
        for kind, present in (("image", bool(item.images)), ("video", item.video is not None)):
            if present and self.reads is not None and kind not in self.reads:
                return (
                    f"holds {kind}{column(kind)}, but the model reads only {', '.join(self.reads)}; choose a model "
                    f"that reads {kind}, or remove the {what}{READ_AS_TEXT if kind == 'image' else ''}"
                )
        checks = [(self.decode, image, "image") for image in item.images]
        if item.video is not None:
            checks.append((verify_video, item.video, "video"))
        for decode, reference, kind in checks:
            problem = self._decoded(decode, reference)
            if problem:
                return f"{problem}{column(kind)}; {unreadable(what)}"
        return None

    def excess(
        self,
        item: ModelInput,
        role: Side,
        name: str,
        column: Callable[[str], str] = lambda kind: "",
        what: str = "row",
    ) -> str | None:
        """Why the model cannot take `item` for its length. `name`: what it is to the row. Else as `fault`."""
        if self.fits is None:
            return None
        kind = "video" if item.video is not None else "image" if item.images else "text"
        try:
            sizes = [self._size(image) for image in item.images]
            with self.counting:
                self.fits(item, role, sizes)
        except MissingExtra:  # no fault of the input
            raise
        except DataError as error:
            return f"{error}{column(kind)}; {unreadable(what)}"
        except ValueError as error:  # ModelError, and what image processors raise
            own = "" if item.instruction is None else f" (the {what}'s own instruction is part of it)"
            return f"the model cannot take the {name}{column(kind)}{own}: {error}"
        return None

    def _size(self, reference: Any) -> tuple[int, int]:
        """Width and height; of what is behind an address, which many rows may name, asked once."""
        if not isinstance(reference, str):
            return image_size(reference)
        with self.lock:
            known = self.sizes.get(reference)
        if known is None:
            known = image_size(reference)
            with self.lock:
                self.sizes[reference] = known
        return known

    def _decoded(self, decode: Callable[[Any], None], reference: Any) -> str | None:
        if not isinstance(reference, (str, os.PathLike)):
            return _decode(decode, reference)
        with self.lock:
            decoded_before = reference in self.files
        if not decoded_before:  # two threads may decode the same file at the same time, which costs only time
            problem = _decode(decode, reference)
            with self.lock:
                self.files[reference] = problem
        return self.files[reference]


def unreadable(what: str) -> str:
    """What to do about an image or a video that cannot be read."""
    return UNREADABLE.replace("row", what)


def _decode(decode: Callable[[Any], None], reference: Any) -> str | None:
    try:
        decode(reference)
    except MissingExtra:  # no fault of the input
        raise
    except DataError as error:
        return str(error)
    return None
