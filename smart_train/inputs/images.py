"""Images from wherever they are (file, URL, bytes, data URI, PIL) to upright 8-bit RGB.

Nothing here is lazy or cached: the data loader's workers call `load_image` once per image and step.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError, features

from smart_train.errors import DataError
from smart_train.inputs.fetching import URL_SCHEMES, describe_address, fetch
from smart_train.inputs.folder_listing import check_regular
from smart_train.inputs.known_files import recall
from smart_train.utils.hashing import stable_hash
from smart_train.utils.wrong_contents import BEGINNING, no_picture

# Pillow's own bound for "this may be a decompression bomb"; a page at 600 dpi on A3 has 70 million pixels.
MAX_PIXELS_LIMIT = 89_478_485
# What Pillow may try, whatever a file is called. Its other plugins start programs (Ghostscript for EPS) or are rarely
# used code that anybody's file would reach.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000") + (
    ("AVIF",) if features.check("avif") else ()  # Pillow has it since 11.2, where it was built with it
)
MAX_ASPECT = 200  # the vision towers' own bound: beyond it no number of patches keeps an image's shape
# What Pillow's plugins raise for damaged files; each reads its format by code of its own. NotImplementedError is raised
# for a variant of a format that a plugin knows and cannot read.
_DECODING_ERRORS = (
    (OSError, ValueError, SyntaxError, EOFError, MemoryError, NotImplementedError)
    + (struct.error, LookupError, ArithmeticError, TypeError, AttributeError)
)  # fmt: skip
_ORIENTATION = 0x0112  # the EXIF tag; of its values the last four swap width and height
_SIDEWAYS = (5, 6, 7, 8)
_SIDES_APART = 2**32
_TIFF_SIDES = (256, 257)
_SUBFILE, _REDUCED = 254, 1  # the TIFF tag that says what a frame is, and its bit for a smaller copy of another


def load_image(ref: Any, *, max_pixels_limit: int = MAX_PIXELS_LIMIT) -> Image.Image:
    """The image behind `ref`, decoded, upright (EXIF orientation applied), on white where transparent, 8-bit RGB.

    Args:
        ref: path, http(s) URL, encoded bytes, `data:` URI in base64, or PIL image. A str that is no URL is a path.
        max_pixels_limit: larger images are refused before they are decoded. Pillow refuses twice its own limit
            (`PIL.Image.MAX_IMAGE_PIXELS`) in any case.

    Raises:
        DataError: names `ref` and why it cannot be read.
    """
    with _named_errors(ref):
        image = _open(ref, max_pixels_limit)
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))


def load_images(refs: Sequence[Any]) -> list[Image.Image]:
    """`load_image` of each, in order; a path or address that comes twice is read and decoded once. Raises DataError."""
    loaded: dict[str, Image.Image] = {}
    images = []
    for ref in refs:
        if not isinstance(ref, (str, os.PathLike)):
            images.append(load_image(ref))
            continue
        name = os.fspath(ref)
        if name not in loaded:
            loaded[name] = load_image(ref)
        images.append(loaded[name])
    return images


def verify_image(ref: Any, *, max_pixels_limit: int = MAX_PIXELS_LIMIT) -> None:
    """Raises DataError for an image that `load_image` cannot read, at less cost: JPEG files are read to their end but
    decoded at an eighth of their size, and no pixel is converted. What is known to decode is not decoded again
    (`known_files.remembering`)."""

    def decoded() -> int:
        with _named_errors(ref):
            image = _open(ref, max_pixels_limit)
            recall(ref, "size", lambda: _upright_size(image))  # asked for soon: how long a row is follows from it
            if image is not ref:  # a draft would shrink the caller's own image
                image.draft("RGB", (1, 1))
            image.load()
        return 1

    if max_pixels_limit == MAX_PIXELS_LIMIT:
        recall(ref, "image", decoded)
    else:
        decoded()


def image_size(ref: Any) -> tuple[int, int]:
    """Width and height of an image as `load_image` gives it (EXIF orientation applied); only its header is read, and
    that of a known file not again (`known_files.remembering`).

    Raises:
        DataError: names `ref` and why it cannot be read.
    """

    def read() -> int:
        with _named_errors(ref):
            return _upright_size(_open(ref, MAX_PIXELS_LIMIT))

    return divmod(recall(ref, "size", read), _SIDES_APART)


def _upright_size(image: Image.Image) -> int:
    """Width and height of an opened image, EXIF orientation applied, as the one number that is remembered."""
    width, height = image.size
    if image.format == "TIFF":  # Pillow turns these itself: the size is turned before or after, by version
        width, height = (image.tag_v2[tag] for tag in _TIFF_SIDES)  # type: ignore[attr-defined]
    if image.getexif().get(_ORIENTATION, 1) in _SIDEWAYS:
        width, height = height, width
    return width * _SIDES_APART + height


def tiff_pages(file: str | os.PathLike[str] | io.BytesIO) -> list[int]:
    """The frames of a TIFF file that are pages; smaller copies of a page, kept beside it, are not. Empty for a file
    that is not TIFF or cannot be opened, which says why when it is decoded."""
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            frames = range(getattr(image, "n_frames", 1)) if image.format == "TIFF" else range(0)
            return [frame for frame in frames if not _is_smaller_copy(image, frame)]
    except _DECODING_ERRORS:
        return []


def _is_smaller_copy(image: Image.Image, frame: int) -> bool:
    image.seek(frame)
    return bool(image.tag_v2.get(_SUBFILE, 0) & _REDUCED)  # type: ignore[attr-defined]


def image_key(ref: Any) -> int:
    """A stable signed 64-bit hash of an image's content, to tell whether two references are the same page.

    Files, bytes and data URIs hash their encoded bytes, PIL images their pixels, URLs their address (nothing is
    fetched). So the same picture as a file and as a PIL image has two keys.
    """
    if isinstance(ref, Image.Image):
        turn = ref.getexif().get(_ORIENTATION, 1)  # the same pixels, turned otherwise, are another picture
        return stable_hash(f"{ref.mode} {ref.size}{'' if turn == 1 else f' {turn}'}".encode() + ref.tobytes())
    if isinstance(ref, str) and ref.startswith(URL_SCHEMES):
        return stable_hash(ref.encode())
    return recall(ref, "key", lambda: stable_hash(read_encoded(ref)))


def describe_image(ref: Any) -> str:
    """A short name of an image reference for messages."""
    if isinstance(ref, Image.Image):
        return f"<PIL image {ref.width} x {ref.height}, mode {ref.mode}>"
    if isinstance(ref, bytes):
        return f"<{len(ref)} bytes>"
    return describe_address(str(ref))


def read_encoded(ref: Any) -> bytes:
    """The encoded bytes behind a path, URL, data URI or bytes. Raises DataError."""
    if isinstance(ref, bytes):
        return ref
    if isinstance(ref, str) and ref.startswith(URL_SCHEMES):
        return fetch(ref)
    if isinstance(ref, str) and ref.startswith("data:"):
        header, comma, payload = ref.partition(",")
        if not comma or not header.endswith(";base64"):
            raise DataError(f"image {describe_image(ref)}: a data URI must read data:image/...;base64,...")
        try:
            return base64.b64decode(payload, validate=True)
        except binascii.Error as error:
            raise DataError(f"image {describe_image(ref)}: its base64 does not decode ({error})") from error
    if not isinstance(ref, (str, os.PathLike)):
        raise DataError(f"image reference of type {type(ref).__name__}: expected path, URL, bytes or PIL image")
    check_regular(ref, f"image {describe_image(ref)}")
    try:
        return Path(ref).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"image {describe_image(ref)}: cannot be read ({error})") from error


@contextlib.contextmanager
def _named_errors(ref: Any) -> Iterator[None]:
    """Turns everything that Pillow may raise for a bad image into a DataError that names it."""
    try:
        yield
    except DataError:
        raise
    # The second where somebody turned warnings into errors.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"image {describe_image(ref)}: too many pixels ({error})") from error
    except UnidentifiedImageError as error:
        known = no_picture(_beginning(ref))
        raise DataError(
            f"image {describe_image(ref)}: not an image file that can be decoded (read are {', '.join(FORMATS)})"
            + (f"; it is {known}" if known else "")
        ) from error
    # Pillow's decoders report broken and unknown files as any of these, SyntaxError included.
    except _DECODING_ERRORS as error:
        raise DataError(f"image {describe_image(ref)}: cannot be decoded ({error})") from error


def _beginning(ref: Any) -> bytes:
    """The first bytes of what `ref` names or holds; none of an address, which is not fetched again."""
    if isinstance(ref, str) and ref.startswith(URL_SCHEMES):
        return b""
    with contextlib.suppress(DataError, OSError, ValueError):
        if isinstance(ref, os.PathLike) or (isinstance(ref, str) and not ref.startswith("data:")):
            with open(ref, "rb") as file:
                return file.read(BEGINNING)
        return read_encoded(ref)[:BEGINNING]
    return b""


def _open(ref: Any, max_pixels_limit: int) -> Image.Image:
    """The image of `ref`, header read and size checked. A path is opened by Pillow itself, which reads no more than it
    needs."""
    # Pillow's warning of large images is left standing: `warnings.catch_warnings` is not safe in threads, which check
    # rows, and makes the interpreter forget which warnings it has shown already, so that others come back every step.
    pages: list[int] = []
    if isinstance(ref, Image.Image):
        image = ref
    elif isinstance(ref, os.PathLike) or (isinstance(ref, str) and not ref.startswith((*URL_SCHEMES, "data:"))):
        check_regular(ref, f"image {describe_image(ref)}")
        image = Image.open(ref, formats=FORMATS)
        pages = tiff_pages(ref) if image.format == "TIFF" else []
    else:
        encoded = read_encoded(ref)
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        pages = tiff_pages(io.BytesIO(encoded)) if image.format == "TIFF" else []
    if len(pages) > 1:
        raise DataError(
            f"image {describe_image(ref)}: holds {len(pages)} pages, and one document is one page; name a folder of "
            "TIFF files, whose pages are read each, or save every page as a picture of its own"
        )
    pixels = image.width * image.height
    if pixels > max_pixels_limit:
        raise DataError(
            f"image {describe_image(ref)}: {image.width} x {image.height} = {pixels} pixels; "
            f"at most {max_pixels_limit} are accepted"
        )
    if max(image.size) > MAX_ASPECT * min(image.size):
        raise DataError(
            f"image {describe_image(ref)}: {image.width} x {image.height} pixels; the longer side may be at most "
            f"{MAX_ASPECT} times the shorter; cut it into pieces"
        )
    if image.mode == "F":
        raise DataError(
            f"image {describe_image(ref)}: floating-point pixels, whose range is unknown; save it with 8 bits"
        )
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips everything above 255 to white
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
