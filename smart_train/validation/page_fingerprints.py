"""What an image looks like, in numbers: size, blank or not, and a fingerprint that survives another rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PIL import Image
from scipy.fft import dctn

from smart_train.inputs.images import image_key, load_image

# 255 low frequencies of a 64 x 64 picture. The usual 64 bits do not tell pages of one manual apart; these do, see
# docs/decisions/near-duplicate-pages.md.
_SIDE, _FREQUENCIES = 64, 16
BITS = _FREQUENCIES**2 - 1
NEAR_BITS = 48  # fingerprints that differ in at most this many bits belong to one page
_BLANK = 16  # of 255: between the lightest and the darkest point
_BLOCK = 4096


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


def _signs(fingerprints: Sequence[bytes]) -> np.ndarray:
    packed = np.frombuffer(b"".join(fingerprints), dtype=np.uint8).reshape(len(fingerprints), -1)
    return np.unpackbits(packed, axis=1)[:, :BITS].astype(np.float32) * 2 - 1
