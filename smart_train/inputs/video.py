"""Videos as a few frames with their times, from a list of frames or from a file.

A list of frames needs nothing beyond Pillow. Files are decoded by PyAV (the `video` extra), the frames in between
dropped as they pass: an hour of video costs no more memory than the frames that are kept. A file's frames come upright:
turned as the file asks players to turn them, which phones' files do.
"""

from __future__ import annotations

import math
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image

from smart_train.errors import DataError, MissingExtra
from smart_train.inputs.fetching import URL_SCHEMES, describe_address, final_address
from smart_train.inputs.files import check_regular
from smart_train.inputs.images import describe_image, image_key, image_size, load_image, verify_image
from smart_train.utils.hashing import stable_hash

# What Qwen's own tools take a bare list of frames to be: two frames a second.
LIST_FRAMES_PER_SECOND = 2.0
TOTAL_SECONDS = 600.0  # for all frames of a video behind an address
ANSWER_SECONDS = 20.0  # that a server may take for the beginning of a video, and for every further piece
# Quarter turns counter-clockwise, as Pillow too counts.
_TURNS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Video:
    """Some frames of a video, in order.

    Attributes:
        frames: at least one RGB image, all of one size. seconds: when each of them is shown, rising, counted from the
            video's first frame.
    """

    frames: tuple[Image.Image, ...]
    seconds: tuple[float, ...]


def load_video(ref: Any, *, frames_per_second: float | None, max_frames: int) -> Video:
    """The video behind `ref`: at most `max_frames` frames, evenly spread from its first to its last.

    Args:
        ref: a path or http(s) URL of a video file, or a sequence of frames (whatever `load_image` reads).
        frames_per_second: how many frames of a file are kept, at least two where it has them; None keeps `max_frames`
            of any file. Frames of a list have been chosen already, and are thinned only beyond `max_frames`.

    Raises:
        DataError: names `ref` and why it cannot be read.
        MissingExtra: a file, and PyAV is not installed.
    """
    if isinstance(ref, (list, tuple)):
        return _of_frames(ref, max_frames)
    return _of_file(_address(ref), frames_per_second, max_frames)


def verify_video(ref: Any) -> None:
    """Raises what `load_video` may raise for a video, whichever of its frames are wanted: a file is decoded to its end,
    every image of a list read."""
    if not isinstance(ref, (list, tuple)):
        load_video(ref, frames_per_second=None, max_frames=2)
        return
    for frame in ref:
        verify_image(frame)
    _check_sizes(ref, [image_size(frame) for frame in ref])


def video_key(ref: Any) -> int:
    """A stable signed 64-bit hash of a video's content, to tell whether two references are the same video.

    As `image_key`: files hash their bytes, lists the `image_key` of their frames in order, URLs their address (nothing
    is fetched). So the same video as a file and as a list of frames has two keys.

    Raises: DataError when a file cannot be read.
    """
    if isinstance(ref, (list, tuple)):
        return stable_hash(repr([image_key(frame) for frame in ref]).encode())
    name = _address(ref)
    if name.startswith(URL_SCHEMES):
        return stable_hash(name.encode())
    check_regular(name, f"video {name}")
    try:
        # mapped, not read: videos are large
        with open(name, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return stable_hash(content)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise DataError(f"video {name}: cannot be read ({error})") from error


def _address(ref: Any) -> str:
    if not isinstance(ref, (str, os.PathLike)):
        raise DataError(f"video of type {type(ref).__name__}: expected a path, a URL or a list of frames")
    return os.fspath(ref)


def describe_video(ref: Any) -> str:
    """A short name of a video reference for messages."""
    return f"<{len(ref)} frames>" if isinstance(ref, (list, tuple)) else describe_image(ref)


def _of_frames(refs: Sequence[Any], max_frames: int) -> Video:
    kept = _spread(len(refs), max_frames)
    frames = tuple(load_image(refs[index]) for index in kept)
    _check_sizes(refs, [frame.size for frame in frames])
    return Video(frames, tuple(index / LIST_FRAMES_PER_SECOND for index in kept))


def _check_sizes(refs: Sequence[Any], found: Sequence[tuple[int, int]]) -> None:
    if not found:
        raise DataError("video: an empty list of frames")
    sizes = sorted(set(found))
    if len(sizes) > 1:
        raise DataError(f"video {describe_video(refs)}: its frames differ in size, {sizes[0]} and {sizes[1]}")


def _of_file(name: str, frames_per_second: float | None, max_frames: int) -> Video:
    if find_spec("av") is None:
        raise MissingExtra(
            f"video {name}: reading video files needs PyAV: pip install 'smart_train[video]', or give a list of frames"
        )
    import av

    remote = name.startswith(URL_SCHEMES)
    if remote:
        # FFmpeg fetches by itself, and would follow a redirect to any address.
        place, name = final_address(name, timeout=ANSWER_SECONDS), describe_address(name)
    else:
        check_regular(name, f"video {name}")
        place = name
    try:
        # Without a limit a server that says nothing would hold a loader's worker, and the run, for ever.
        with av.open(place, timeout=ANSWER_SECONDS if remote else None) as container:
            if not container.streams.video:
                raise DataError(f"video {name}: holds no video stream")
            start = _start(container)
            duration = _duration(container) or _last_second(container) - start
            count = max_frames if frames_per_second is None else round(duration * frames_per_second)
            count = min(max(count, 2), max_frames)
            wanted = np.linspace(start, start + duration, count).tolist()
            container.seek(0)
            taken = list(_frames_at(container, wanted, time.monotonic() + TOTAL_SECONDS if remote else math.inf))
    except DataError:
        raise
    except av.error.ExitError as error:
        raise DataError(f"video {name}: no answer within {ANSWER_SECONDS:g} seconds") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"video {name}: cannot be decoded ({error})") from error
    if not taken:
        raise DataError(f"video {name}: holds no frame")
    return Video(tuple(image for image, _ in taken), tuple(second - start for _, second in taken))


def _frames_at(container: Any, wanted: list[float], until: float) -> Iterator[tuple[Image.Image, float]]:
    """The frame shown at each of the `wanted` seconds, once where several fall on one, and the second it begins.

    `until`: of the monotonic clock; a server that drips reaches it, and the video is refused."""
    shown: Any = None
    position = 0
    for frame in container.decode(video=0):
        if time.monotonic() > until:
            raise TimeoutError(f"not complete after {TOTAL_SECONDS:g} seconds")
        taken = False
        while shown is not None and position < len(wanted) and wanted[position] < frame.time:
            position, taken = position + 1, True
        if taken:
            yield _picture(shown), float(shown.time)
        if position == len(wanted):
            return
        shown = frame
    if shown is not None and position < len(wanted):
        yield _picture(shown), float(shown.time)


def _picture(frame: Any) -> Image.Image:
    """RGB, upright. PyAV gives the turn in degrees counter-clockwise; players obey quarter turns."""
    image, turn = frame.to_image(), _TURNS.get(round(frame.rotation / 90) % 4)
    return image if turn is None else image.transpose(turn)


def _start(container: Any) -> float:
    """The second at which the first frame is shown: 0 in most containers, half a second or more in MPEG streams."""
    stream = container.streams.video[0]
    return 0.0 if stream.start_time is None or stream.time_base is None else float(stream.start_time * stream.time_base)


def _duration(container: Any) -> float:
    """Seconds from the first frame to the last, as the file says; 0 where it does not."""
    stream = container.streams.video[0]
    if stream.duration is None or stream.time_base is None or not stream.average_rate:
        return 0.0
    return max(float(stream.duration * stream.time_base - 1 / stream.average_rate), 0.0)


def _last_second(container: Any) -> float:
    """The time of the last frame, found by decoding all of them: some containers do not say how long they are."""
    return max((float(frame.time) for frame in container.decode(video=0)), default=0.0)


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of 0 .. count - 1, evenly, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
