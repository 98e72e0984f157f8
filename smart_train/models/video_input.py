"""A video as what Qwen's processors take: frames of one size, and when they were shown."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from transformers.video_utils import VideoMetadata

from smart_train.inputs.video import Video

# Bounds of Qwen3-VL-Embedding's published script: 10 x 768 tokens' worth of pixels a video, 768 a pair of frames.
VIDEO_TOKENS = 10 * 768
PAIR_TOKENS = 768
_CLOCK = 1000  # frames are counted in milliseconds: the processors know times as frame numbers at a rate


class VideoInput(NamedTuple):
    """uint8 frames [T, H, W, 3], H and W multiples of a visual token's side, and their times."""

    frames: np.ndarray
    metadata: VideoMetadata


def prepare_video(video: Video, *, patch: int, max_tokens: int) -> VideoInput:
    """Frames resized, their aspect kept, so that the video has at most `max_tokens` visual tokens, and a pair of frames
    at most `PAIR_TOKENS`.

    Args:
        patch: pixels of a visual token's side; two frames share a token.
    """
    pairs = (len(video.frames) + 1) // 2
    tokens = max(min(PAIR_TOKENS, max_tokens // pairs), 4)
    columns, rows = _grid(*video.frames[0].size, patch, tokens)
    width, height = columns * patch, rows * patch
    frames = np.stack([np.asarray(frame.resize((width, height), Image.Resampling.BICUBIC)) for frame in video.frames])
    return VideoInput(frames, _metadata(video, height, width))


def _grid(width: int, height: int, patch: int, most: int) -> tuple[int, int]:
    """Columns and rows of visual tokens nearest to the picture's own size and aspect, 4 to `most` in all."""
    columns, rows = max(round(width / patch), 1), max(round(height / patch), 1)
    if columns * rows > most:
        scale = math.sqrt(most / (width * height))
        columns, rows = max(int(width * scale), 1), max(int(height * scale), 1)
    elif columns * rows < 4:
        scale = math.sqrt(4 / (width * height))
        columns, rows = max(math.ceil(width * scale), 1), max(math.ceil(height * scale), 1)
    # One side may have been held at a single token, or both rounded up.
    return min(columns, max(most // rows, 1)), min(rows, max(most // columns, 1))


def processor_arguments(videos: list[VideoInput]) -> dict[str, Any]:
    """Keyword arguments of a processor's call for videos whose frames are chosen and resized already."""
    if not videos:
        return {}
    settings = {"do_resize": False, "do_sample_frames": False, "video_metadata": [video.metadata for video in videos]}
    return {"videos": [video.frames for video in videos], "videos_kwargs": settings}


def _metadata(video: Video, height: int, width: int) -> VideoMetadata:
    seconds = video.seconds
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1) if len(seconds) > 1 else 1.0
    return VideoMetadata(
        # So many that the processors' "frames kept per second" is one over the mean step between kept frames.
        total_num_frames=max(round(len(seconds) * step * _CLOCK), 1),
        fps=_CLOCK,
        duration=seconds[-1] + step,
        frames_indices=[round(second * _CLOCK) for second in seconds],
        height=height,
        width=width,
    )
