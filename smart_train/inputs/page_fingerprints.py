"""What an image looks like, in numbers: size, blank or not, and a fingerprint that survives another rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from smart_train.inputs.images import image_key, load_image

# 255 low frequencies of a 64 x 64 picture. The usual 64 bits do not tell pages of one manual apart; these do, see
# docs/decisions/near-duplicate-pages.md.
_SIDE, _FREQUENCIES = 64, 16
BITS = _FREQUENCIES**2 - 1
NEAR_BITS = 48  # fingerprints that differ in at most this many bits belong to one page
_BLANK = 16  # of 255: between the lightest and the darkest point
_BLOCK = 4096
# A fingerprint hardly notices one number that changed: 0 to 46 bits. Where a page is to be left out, pictures decide.
# No 3 x 3 points of a scan at another resolution differ by more than 26 of 255 grey levels on average. Where one digit
# of running text is another, some differ by at least 37 (docs/decisions/near-duplicate-pages.md).
TWIN_BITS = 30
_TWIN_SIDE, _LEAST_SIDE = 768, 256  # points of the longer side at which two pictures are compared; below, too few
_TWIN_GREYS, _SPOT = 30, 3
_AROUND, _PALEST = 33, 48  # points: four lines of print; greys: of print that can hardly be read
_TWIN_RATIO = 1.01  # of the two ratios of height and width


@dataclass(frozen=True)
class ImageFacts:
    """An image that was decoded.

    Attributes:
        key: its `image_key`. fingerprint: 32 bytes, BITS of them used; None for a blank image, which is like any other.
    """

    width: int
    height: int
    key: int
    fingerprint: bytes | None

    @property
    def blank(self) -> bool:
        return self.fingerprint is None

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def ratio(self) -> float:
        """The longer side over the shorter one."""
        return max(self.width, self.height) / min(self.width, self.height)


def look_at(reference: Any) -> ImageFacts:
    """Decodes an image and describes it.

    Raises:
        DataError: as `load_image`.
    """
    image = load_image(reference)
    grey = image.convert("L")
    darkest, lightest = cast(tuple[int, int], grey.getextrema())  # of its one channel
    print_ = None if lightest - darkest < _BLANK else fingerprint(grey)
    return ImageFacts(image.width, image.height, image_key(reference), print_)


def fingerprint(grey: Image.Image) -> bytes:
    """Which of an image's low frequencies are above their median: the perceptual hash of Zauner (2010), section 3.2.1,
    with 16 x 16 in the place of 8 x 8 frequencies. The mean brightness is left out."""
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float32)
    frequencies = dctn(small, norm="ortho")[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    return np.packbits(frequencies > np.median(frequencies)).tobytes()


def near_duplicates(
    first: Sequence[bytes], second: Sequence[bytes], bits: int = NEAR_BITS
) -> list[tuple[int, int, int]]:
    """(place in `first`, place in `second`, differing bits) of each of `second` that differs from one of `first` in at
    most `bits`, with the nearest one; nearest pairs first. Not all pairs: of 40,000 forms and 1,000 others that look
    like them there are 40 million.

    With bits as +1 and -1 the number of differing ones is (BITS - dot product) / 2, so one matrix product compares a
    block with a block.
    """
    fewest, nearest = np.full(len(second), BITS + 1), np.zeros(len(second), dtype=np.int64)
    for start in range(0, len(first), _BLOCK):
        rows = _signs(first[start : start + _BLOCK])
        for offset in range(0, len(second), _BLOCK):
            differing = (BITS - rows @ _signs(second[offset : offset + _BLOCK]).T) / 2
            least, block = differing.min(axis=0), slice(offset, offset + differing.shape[1])
            nearest[block] = np.where(least < fewest[block], start + differing.argmin(axis=0), nearest[block])
            fewest[block] = np.minimum(least, fewest[block])
    pairs = [(int(nearest[place]), int(place), int(fewest[place])) for place in np.flatnonzero(fewest <= bits)]
    return sorted(pairs, key=lambda pair: (pair[2], pair[0], pair[1]))


def nearest_earlier(
    fingerprints: Sequence[bytes], groups: Sequence[int], bits: int, most: int
) -> list[list[tuple[int, int]]]:
    """For each place (place before it, differing bits) of those that differ in at most `bits`, nearest first, at most
    `most` of them: of a thousand copies of a form each is near each other, and all pairs would fill the memory.

    Args:
        groups: places of the same group are not compared.
    """
    kept: list[list[tuple[int, int]]] = []
    numbers = np.asarray(groups)
    for start in range(0, len(fingerprints), _BLOCK):
        rows = _signs(fingerprints[start : start + _BLOCK])
        own = np.arange(start, start + len(rows))
        near: list[list[tuple[int, int]]] = [[] for _ in own]
        for offset in range(0, start + 1, _BLOCK):
            columns = np.arange(offset, min(offset + _BLOCK, len(fingerprints)))
            differing = (BITS - rows @ _signs(fingerprints[offset : offset + _BLOCK]).T) / 2
            differing[columns >= own[:, None]] = np.inf
            differing[numbers[columns] == numbers[own][:, None]] = np.inf
            few = min(most, len(columns))
            best = np.argpartition(differing, few - 1, axis=1)[:, :few]
            for row, places in enumerate(best):
                near[row] += [
                    (offset + int(at), int(differing[row, at])) for at in places if differing[row, at] <= bits
                ]
        kept += [sorted(found, key=lambda item: (item[1], item[0]))[:most] for found in near]
    return kept


def small_grey(reference: Any) -> np.ndarray:
    """A picture as `same_picture` compares it: grey levels [height, width], the longer side at most 768."""
    grey = load_image(reference).convert("L")
    scale = min(1.0, _TWIN_SIDE / max(grey.size))
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return np.asarray(grey.resize(size, Image.Resampling.BILINEAR))


def same_picture(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures are one at two resolutions: no spot of them differs. Another scan of the sheet, which lies a
    little askew, is not the same picture; nor is one form that was filled in twice.

    Args:
        one, other: as `small_grey` makes them.
    """
    if max(one.shape) > max(other.shape):
        one, other = other, one
    (height, width), (rows, columns) = one.shape, other.shape
    ratio = (height * columns) / (width * rows)
    if max(one.shape) < _LEAST_SIDE or max(ratio, 1 / ratio) > _TWIN_RATIO:
        return False
    first = one.astype(np.float32)
    second = np.asarray(Image.fromarray(other).resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    # In pale print less is a difference, also where something else on the page is dark.
    contrast = np.maximum(_contrast(first), _contrast(second)) / 255
    return bool((np.abs(uniform_filter(first - second, _SPOT)) <= _TWIN_GREYS * contrast).all())


def _contrast(grey: np.ndarray) -> np.ndarray:
    """How far the lightest and the darkest point around each point are apart; on empty paper, as far as in the palest
    print."""
    return np.maximum(maximum_filter(grey, _AROUND) - minimum_filter(grey, _AROUND), _PALEST)


def _signs(fingerprints: Sequence[bytes]) -> np.ndarray:
    packed = np.frombuffer(b"".join(fingerprints), dtype=np.uint8).reshape(len(fingerprints), -1)
    return np.unpackbits(packed, axis=1)[:, :BITS].astype(np.float32) * 2 - 1
