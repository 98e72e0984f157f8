"""The sizes to which Qwen's readers bring pictures: whole visual tokens, near the picture's own size and aspect.

Processors compute them too, but not for every size as the readers do with which the models were trained and
published: a side under half a token becomes one token there, and a size that both bounds allow there.
"""

from __future__ import annotations

import math

Size = tuple[int, int]  # (width, height) in pixels


def fitted_size(size: Size, *, factor: int, min_pixels: float, max_pixels: float) -> Size:
    """The multiple of `factor` on each side that is nearest to `size`, reduced or enlarged to within the bounds on its
    area. Enlarged sides are rounded up and may exceed `max_pixels`, where the two bounds are close.

    Args:
        size: at least one pixel on each side.
        factor: pixels of a visual token's side.
    """
    width, height = (max(round(side / factor), 1) * factor for side in size)
    if width * height > max_pixels:
        # A quotient, as in the readers: times its inverse, a side that fits exactly may come out one token short.
        excess = math.sqrt(size[0] * size[1] / max_pixels)
        width, height = (max(math.floor(side / excess / factor), 1) * factor for side in size)
    elif width * height < min_pixels:
        scale = math.sqrt(min_pixels / (size[0] * size[1]))
        width, height = (math.ceil(side * scale / factor) * factor for side in size)
    return width, height
