"""A video as what Qwen's processors take: frames of one size, and when they were shown.

Which frames of a video are read, and at which size, is what `qwen_vl_utils` does for a model whose visual token covers
`patch` pixels a side; the models were trained and published with it. Two frames share a token.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers.video_utils import VideoMetadata

from smart_train.inputs.video import Video
from smart_train.models.image_sizes import Size, fitted_size

# Visual tokens: least and most of a pair of frames, and most of a video.
PAIR_TOKENS = (128, 768)
LIST_TOKENS = 10 * 768  # the total that Qwen3-VL-Embedding's script gives with a list of frames
FILE_TOKENS = 115_200  # the reader's own, which that script leaves in force for a file
# A frame of a list is first read as an image, of tokens twice as wide as the model's.
_LIST_FRAME_TOKENS = (4, 16384)
_LEAST_FRAMES = 4  # of a file, where it has so many


class FrameSizes(NamedTuple):
    """The sizes that every frame takes on the way to the model.

    Attributes:
        first: by Pillow's resizing; None where there is one step.
        last: by torch's; None where there is one step.
    """

    first: Size | None
    last: Size | None


class VideoInput(NamedTuple):
    """uint8 frames [T, H, W, 3], T even, H and W multiples of a visual token's side, and their times."""

    frames: np.ndarray
    metadata: VideoMetadata


def spread(total: int, count: int) -> list[int]:
    """`count` of 0 .. total - 1, evenly, the first and the last among them where there are two."""
    # In single precision and rounded half to even, as the readers do: another library's may differ by one frame.
    return torch.linspace(0, total - 1, count).round().long().tolist()


def frames_at_rate(total: int, rate: float, *, per_second: float, most: int) -> list[int]:
    """Numbers of the frames kept of a file: an even count, at least 4 and at most `most` where it has so many.

    Args:
        total: frames of the file.
        rate: frames a second of the file.
        per_second: how many frames of a second are kept.
    """
    return even_frames(total, min(max(total / rate * per_second, _LEAST_FRAMES), most))


def even_frames(total: int, count: float) -> list[int]:
    """Numbers of an even count of frames of a file of `total` frames: `count`, or all that it has. A file of one frame
    is read as that frame, where the readers refuse it."""
    return spread(total, max(int(min(count, total)) // 2 * 2, 1))


def reader_sizes(video: Video, patch: int) -> FrameSizes:
    """The sizes of `video`'s frames.

    Args:
        patch: pixels of a visual token's side.
    """
    size, first = video.frames[0].size, None
    if video.listed:
        wide = 2 * patch
        least, most = (tokens * wide**2 for tokens in _LIST_FRAME_TOKENS)
        size = first = fitted_size(size, factor=wide, min_pixels=least, max_pixels=most)
    pairs = _pairs(video)
    area = patch**2
    least = PAIR_TOKENS[0] * area
    total = (LIST_TOKENS if video.listed else FILE_TOKENS) * area
    of_pair = max(min(PAIR_TOKENS[1] * area, total / pairs), int(least * 1.05))
    return FrameSizes(first, fitted_size(size, factor=patch, min_pixels=least, max_pixels=of_pair))


def within(sizes: FrameSizes, video: Video, patch: int, max_length: int) -> FrameSizes:
    """`sizes`, or smaller ones where the video would leave no room for its prompt in `max_length` tokens: three
    quarters of these are then the video's. The published script refuses such a video."""
    width, height = sizes.last or sizes.first or video.frames[0].size
    pairs = _pairs(video)
    # As much as a list may have by `LIST_TOKENS` in the published 8,192.
    if width * height // patch**2 * pairs <= max_length * 15 // 16:
        return sizes
    most = max(max_length * 3 // 4 // pairs, 1)
    smaller = fitted_size((width, height), factor=patch, min_pixels=0, max_pixels=most * patch**2)
    columns, rows = (side // patch for side in smaller)
    # One side may have been held at a single token.
    columns, rows = min(columns, max(most // rows, 1)), min(rows, max(most // columns, 1))
    return FrameSizes(sizes.first, (columns * patch, rows * patch))


def prepare_video(video: Video, sizes: FrameSizes) -> VideoInput:
    """The frames at their last size. Where their count is odd, the last one is there twice, with the next number."""
    frames = [*video.frames, *video.frames[-1:]][: 2 * _pairs(video)]
    resized = np.stack([_resized(frame, sizes) for frame in frames])
    return VideoInput(resized, video_metadata(video, height=resized.shape[1], width=resized.shape[2]))


def video_metadata(video: Video, *, height: int, width: int) -> VideoMetadata:
    """What a processor is told of `video`, whose frames are brought to this size, and to an even count."""
    numbers = [*video.numbers, video.numbers[-1] + 1][: 2 * _pairs(video)]
    total = max(video.total, len(numbers))
    return VideoMetadata(
        total_num_frames=total,
        fps=video.rate,
        duration=total / video.rate,
        frames_indices=numbers,
        height=height,
        width=width,
    )


def processor_arguments(videos: list[VideoInput]) -> dict[str, Any]:
    """Keyword arguments of a processor's call for videos whose frames are chosen and resized already."""
    if not videos:
        return {}
    settings = {"do_resize": False, "do_sample_frames": False, "video_metadata": [video.metadata for video in videos]}
    return {"videos": [video.frames for video in videos], "videos_kwargs": settings}


def _pairs(video: Video) -> int:
    return (len(video.frames) + 1) // 2


def _resized(frame: Image.Image, sizes: FrameSizes) -> np.ndarray:
    """uint8 [H, W, 3]."""
    if sizes.first is not None:
        frame = frame.resize(sizes.first, Image.Resampling.BICUBIC)
    pixels = np.asarray(frame)
    if sizes.last is None:
        return pixels
    # Pillow rounds between its two passes: its pixels differ from the reader's by up to a twelfth of the scale.
    planes = torch.tensor(pixels).permute(2, 0, 1).unsqueeze(0).float()
    width, height = sizes.last
    planes = torch.nn.functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
    return planes[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
