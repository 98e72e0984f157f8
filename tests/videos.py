"""Writes video files for tests; those that need one are skipped where PyAV is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image


def write_clip(path: Path, frames: Sequence[Image.Image], rate: int, *, late: int = 0) -> Path:
    """A video without loss, `rate` of the frames a second; its clock begins `late` frames after 0."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "bgr0"
        for place, frame in enumerate(frames):
            made = av.VideoFrame.from_image(frame)
            made.pts = late + place
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    return path
