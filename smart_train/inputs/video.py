"""Videos as a few frames with their times, from a list of frames or from a file.

A list of frames needs nothing beyond Pillow. Files are decoded by PyAV (the `video` extra), the frames in between
dropped as they pass: an hour of video costs no more memory than the frames that are kept. A file's frames come upright:
turned as the file asks players to turn them, which phones' files do. Frames are known by their number, and their times
follow from the file's mean rate, as in the readers that the published models were trained with.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from PIL import Image

from smart_train.errors import DataError, MissingExtra
from smart_train.inputs.fetching import URL_SCHEMES, describe_address, fetched_file
from smart_train.inputs.folder_listing import check_regular
from smart_train.inputs.images import describe_image, image_key, image_size, load_image, verify_image
from smart_train.inputs.known_files import recall
from smart_train.utils.hashing import stable_hash

# What Qwen's own tools take a bare list of frames to be: two frames a second.
LIST_FRAMES_PER_SECOND = 2.0
TOTAL_SECONDS = 600.0  # for a whole video behind an address
ANSWER_SECONDS = 20.0  # that a server may take for the beginning of a video, and for every further piece
# A playlist names other files and addresses, which FFmpeg would open unasked. So only containers that hold their frames
# are read, whatever a file is called, and only from files: what lies behind an address is fetched before.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,m4v"
# Quarter turns counter-clockwise, as Pillow too counts.
_TURNS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


# Numbers of the frames to keep, rising, from 0: of a file by its count of frames and its frames a second, of a list by
# its length.
FileRule = Callable[[int, float], Sequence[int]]
ListRule = Callable[[int], Sequence[int]]
_Chooser = Callable[[Any, FileRule], "Video | None"]


@dataclass(frozen=True)
class Video:
    """Some frames of a video, in order.

    Attributes:
        frames: at least one RGB image, all of one size.
        numbers: of each frame, counted from 0 in the whole video; of a list, in what is kept of it.
        rate: frames a second of the whole video.
        total: how many frames the whole video has.
        listed: whether it was a list of frames.
    """

    frames: tuple[Image.Image, ...]
    numbers: tuple[int, ...]
    rate: float
    total: int
    listed: bool = False

    @property
    def seconds(self) -> tuple[float, ...]:
        """When each frame is shown, counted from the video's first frame."""
        return tuple(number / self.rate for number in self.numbers)


def load_video(ref: Any, *, of_file: FileRule, of_list: ListRule) -> Video:
    """The video behind `ref`, as the frames that the rules keep.

    Args:
        ref: a path or http(s) URL of a video file, or a sequence of frames (whatever `load_image` reads).
        of_file: which frames of a file are kept; it is given at least one frame.
        of_list: which frames of a list are kept. Its times are those of the kept frames, two a second: how far apart
            the frames of a list were taken is unknown.

    Raises:
        DataError: names `ref` and why it cannot be read.
        MissingExtra: a file, and PyAV is not installed.
    """
    if isinstance(ref, (list, tuple)):
        return _of_frames(ref, of_list)
    return _of_file(_address(ref), of_file)


def verify_video(ref: Any) -> None:
    """Raises what `load_video` may raise for a video, whichever of its frames are wanted: a file is decoded to its end,
    every image of a list read."""
    if not isinstance(ref, (list, tuple)):

        def decoded() -> int:
            load_video(ref, of_file=lambda total, _: sorted({0, total - 1}), of_list=range)
            return 1

        recall(ref, "video", decoded)
        return
    for frame in ref:
        verify_image(frame)
    _check_sizes(ref, [image_size(frame) for frame in ref])


def outline(ref: Any, *, of_file: FileRule, of_list: ListRule) -> Video | None:
    """The video behind `ref` with empty frames, which are one image, in the place of its own: their count, size and
    times, from what the file says of itself. None for an address: nothing is fetched for it.

    Raises: as `load_video`.
    """
    if isinstance(ref, (list, tuple)):
        kept = len(of_list(len(ref)))
        blank = Image.new("RGB", image_size(ref[0]))
        return Video((blank,) * kept, tuple(range(kept)), LIST_FRAMES_PER_SECOND, kept, listed=True)
    if _address(ref).startswith(URL_SCHEMES):
        return None
    return _of_file(_address(ref), of_file, _outline)


def _outline(container: Any, of_file: FileRule) -> Video | None:
    """As `_choose`, without decoding. A frame that is turned has as many pixels."""
    total, rate = _measure(container)
    if not total:
        return None
    numbers, stream = tuple(of_file(total, rate)), container.streams.video[0]
    return Video((Image.new("RGB", (stream.width, stream.height)),) * len(numbers), numbers, rate, total)


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
    return recall(name, "key", lambda: _file_key(name))


def _file_key(name: str) -> int:
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


def _of_frames(refs: Sequence[Any], of_list: ListRule) -> Video:
    frames = tuple(load_image(refs[index]) for index in of_list(len(refs))) if refs else ()
    _check_sizes(refs, [frame.size for frame in frames])
    return Video(frames, tuple(range(len(frames))), LIST_FRAMES_PER_SECOND, len(frames), listed=True)


def _check_sizes(refs: Sequence[Any], frame_sizes: Sequence[tuple[int, int]]) -> None:
    if not frame_sizes:
        raise DataError("video: an empty list of frames")
    sizes = sorted(set(frame_sizes))
    if len(sizes) > 1:
        raise DataError(f"video {describe_video(refs)}: its frames differ in size, {sizes[0]} and {sizes[1]}")


def _of_file(name: str, of_file: FileRule, choose: _Chooser | None = None) -> Video:
    if find_spec("av") is None:
        raise MissingExtra(
            f"video {name}: reading video files needs PyAV: pip install 'smart_train[video]', or give a list of frames"
        )

    if name.startswith(URL_SCHEMES):
        with fetched_file(name, timeout=ANSWER_SECONDS, total=TOTAL_SECONDS) as file:
            return _opened(file, describe_address(name), choose or _choose, of_file)
    check_regular(name, f"video {name}")
    return _opened(name, name, choose or _choose, of_file)


def _opened(file: str, name: str, choose: _Chooser, of_file: FileRule) -> Video:
    """What `choose` takes of the video in `file`, which messages call `name`."""
    import av

    try:
        # What a file names is not opened, see `_CONTAINERS`.
        with av.open(file, options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise DataError(f"video {name}: holds no video stream")
            video = choose(container, of_file)
    except DataError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"video {name}: cannot be decoded ({str(error).replace(file, name)})") from error
    if video is None:
        raise DataError(f"video {name}: holds no frame")
    return video


def _choose(container: Any, of_file: FileRule) -> Video | None:
    """The frames that the rule keeps; None where there is none."""
    total, rate = _measure(container)
    while total:
        numbers = tuple(of_file(total, rate))
        frames, seen = _decode(container, numbers)
        if len(frames) == len(numbers):
            return Video(frames, numbers, rate, total)
        total = seen  # the file says more frames than it holds
    return None


def _measure(container: Any) -> tuple[int, float]:
    """How many frames a file has, and its mean rate of frames a second, without decoding any."""
    stream = container.streams.video[0]
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    if stream.frames and rate:
        return stream.frames, rate
    # Some containers do not say how many they hold.
    times = []
    for packet in container.demux(stream):
        if packet.size:
            times.append(packet.pts)
    shown = sorted(time for time in times if time is not None)
    span = float((shown[-1] - shown[0]) * stream.time_base) if len(shown) > 1 and stream.time_base else 0.0
    # Without a rate or times a single picture is left, whose time is 0 at any rate.
    return len(times), rate or ((len(shown) - 1) / span if span else 1.0)


def _decode(container: Any, numbers: Sequence[int]) -> tuple[tuple[Image.Image, ...], int]:
    """The frames of these rising numbers, as far as there are such, and how many were seen in all."""
    container.seek(0)
    frames: list[Image.Image] = []
    seen = 0
    for seen, frame in enumerate(container.decode(video=0), start=1):
        if seen - 1 == numbers[len(frames)]:
            frames.append(_picture(frame))
            if len(frames) == len(numbers):
                break
    return tuple(frames), seen


def _picture(frame: Any) -> Image.Image:
    """RGB, upright. PyAV gives the turn in degrees counter-clockwise; players obey quarter turns."""
    image, turn = frame.to_image(), _TURNS.get(round(frame.rotation / 90) % 4)
    return image if turn is None else image.transpose(turn)
