"""Videos: which frames of a list or file are kept, when they are shown, and what cannot be read."""

import socket
import struct
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from smart_train.data.keys import content_key
from smart_train.errors import DataError
from smart_train.inputs import fetching, video
from smart_train.inputs.video import load_video, verify_video, video_key
from smart_train.types import ModelInput
from tests.videos import write_clip

RATE = 10


def rules(count):
    """Rules that keep `count` frames, evenly, of a file or a list."""

    def spread(total, *_):
        return np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist()

    return {"of_file": spread, "of_list": spread}


def shades(count, size=(64, 48)):
    return [Image.new("RGB", size, (index * 8, 0, 0)) for index in range(count)]


@pytest.fixture
def clip(tmp_path):
    """Two seconds, twenty frames, each brighter than the one before."""
    return lambda count=20: write_clip(tmp_path / "clip.mkv", shades(count), RATE)


def test_a_clock_that_begins_late_changes_nothing(tmp_path):
    """MPEG streams begin at half a second or more: counted from 0, the first frames wanted would all be one, and the
    last ones never be reached."""
    clips = [write_clip(tmp_path / f"{late}.mkv", shades(20), RATE, late=late) for late in (0, 27)]
    early, late = (load_video(clip, **rules(8)) for clip in clips)
    assert shown(late) == shown(early) and shown(late)[-1] == 19
    assert late.seconds == pytest.approx(early.seconds) and late.seconds[0] == pytest.approx(0)


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setattr(video, "ANSWER_SECONDS", 0.2)
    monkeypatch.setenv(fetching.PRIVATE_ADDRESSES, "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        with pytest.raises(DataError, match=r"a\.mp4: no answer within 0\.2 seconds"):
            load_video(address, **rules(4))


class Clips(BaseHTTPRequestHandler):
    """Serves one clip, and leads to another server whoever asks a second time."""

    clip, asked = b"", 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if self.asked > 1:
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2/private.mkv")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.clip)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """The address of a clip of 20 frames, and what serves it."""
    served = type("Served", (Clips,), {"clip": write_clip(tmp_path / "served.mkv", shades(20), RATE).read_bytes()})
    monkeypatch.setenv(fetching.PRIVATE_ADDRESSES, "1")
    with HTTPServer(("127.0.0.1", 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/clip.mkv", served
        server.shutdown()


def test_what_lies_behind_an_address_is_fetched_once_and_by_us(clips, tmp_path, monkeypatch):
    """FFmpeg would look up the name again, and follow a redirect that nobody has looked at."""
    address, served = clips
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert shown(load_video(address, **rules(8))) == shown(load_video(tmp_path / "served.mkv", **rules(8)))
    assert served.asked == 1 and not list((tmp_path / "temporary").iterdir())
    with pytest.raises(DataError, match=r"clip\.mkv: not fetched"):  # the second time it leads elsewhere
        load_video(address, **rules(8))


def test_a_video_behind_an_address_has_a_bound(clips, monkeypatch):
    monkeypatch.setattr(fetching, "FILE_BYTES_LIMIT", 100)
    with pytest.raises(DataError, match=r"clip\.mkv: not fetched \(more than 100 bytes\)"):
        load_video(clips[0], **rules(8))


def shown(loaded):
    return [int(np.asarray(frame)[0, 0, 0]) // 8 for frame in loaded.frames]


def test_a_list_gives_the_frames_that_its_rule_keeps_half_a_second_apart():
    frames = shades(5)
    whole = load_video(frames, **rules(8))
    assert shown(whole) == [0, 1, 2, 3, 4] and whole.seconds == (0.0, 0.5, 1.0, 1.5, 2.0)
    some = load_video(frames, **rules(3))
    assert shown(some) == [0, 2, 4] and some.seconds == (0.0, 0.5, 1.0)


def test_frames_of_a_list_may_be_files(tmp_path):
    for index, frame in enumerate(shades(2)):
        frame.save(tmp_path / f"{index}.png")
    loaded = load_video([tmp_path / "0.png", str(tmp_path / "1.png")], **rules(8))
    assert shown(loaded) == [0, 1]


def test_keys_follow_content_in_every_process(tmp_path):
    for index, frame in enumerate(shades(3)):
        frame.save(tmp_path / f"{index}.png")
    (tmp_path / "clip.mp4").write_bytes(b"whatever it holds")
    (tmp_path / "copy.mp4").write_bytes(b"whatever it holds")
    (tmp_path / "other.mp4").write_bytes(b"something else")
    key = video_key(shades(3))
    assert key == video_key(tuple(shades(3))) != video_key(shades(3)[::-1])
    assert video_key([str(tmp_path / f"{index}.png") for index in range(3)]) not in (key, video_key(shades(2)))
    assert (
        video_key(tmp_path / "clip.mp4") == video_key(str(tmp_path / "copy.mp4")) != video_key(tmp_path / "other.mp4")
    )
    assert video_key("https://example.org/a.mp4") != video_key("https://example.org/b.mp4")
    code = (
        "from PIL import Image; from smart_train.data.keys import content_key as key; "
        "from smart_train.types import ModelInput; "
        "print(key(ModelInput(video=[Image.new('RGB', (64, 48), (i * 8, 0, 0)) for i in range(3)])))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert int(elsewhere) == content_key(ModelInput(video=shades(3)))


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere.mp4", "no such file"), ("empty.mp4", "cannot be read"), (7, "video of type int")]
)
def test_files_without_a_key_are_named(tmp_path, name, message):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(DataError, match=message):
        video_key(tmp_path / name if isinstance(name, str) else name)


def test_a_file_gives_the_frames_that_its_rule_keeps(clip):
    given = []

    def of_file(total, rate):
        given.append((total, rate))
        return [0, 7, 19]

    loaded = load_video(clip(), of_file=of_file, of_list=len)
    assert given == [(20, RATE)] and (loaded.total, loaded.rate, loaded.listed) == (20, RATE, False)
    assert shown(loaded) == [0, 7, 19] and loaded.numbers == (0, 7, 19)
    assert loaded.seconds == pytest.approx((0.0, 0.7, 1.9))


def test_a_file_that_says_how_many_frames_it_has_is_believed(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in shades(6):
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert video._measure(container) == (6, RATE)


def test_a_file_that_says_more_frames_than_it_holds(clip, monkeypatch):
    monkeypatch.setattr(video, "_measure", lambda container: (30, RATE))
    loaded = load_video(clip(), **rules(4))
    assert shown(loaded) == [0, 6, 13, 19] and loaded.total == 20


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ([], "an empty list of frames"),
        (7, "video of type int: expected a path, a URL or a list of frames"),
        ([Image.new("RGB", (8, 8)), Image.new("RGB", (9, 8))], r"<2 frames>: its frames differ in size, \(8, 8\) and"),
        (["nowhere.png"], "image nowhere.png: no such file"),
        ("nowhere.mp4", "video nowhere.mp4: no such file"),
    ],
)
def test_what_is_no_video_is_named(ref, message):
    for read, options in ((load_video, rules(8)), (verify_video, {})):
        with pytest.raises(DataError, match=message):
            read(ref, **options)


def test_a_file_that_is_no_video_is_named(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "page.mp4").write_text("not a video")
    with pytest.raises(DataError, match=r"page.mp4: cannot be decoded \("):
        load_video(tmp_path / "page.mp4", **rules(8))


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_a_playlist_opens_no_other_file_or_address(tmp_path, clip, kind):
    """Whatever it is called: FFmpeg looks at the content, and follows what a playlist names."""
    pytest.importorskip("av")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        other = {"hls": f"http://127.0.0.1:{server.getsockname()[1]}/private.ts", "concat": clip()}[kind]
        texts = {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile '{other}'\n",
        }
        (tmp_path / "list.mp4").write_text(texts[kind])
        with pytest.raises(DataError, match=r"list.mp4: cannot be decoded \("):
            load_video(tmp_path / "list.mp4", **rules(8))
        with pytest.raises(BlockingIOError):
            server.accept()


def test_missing_decoder_names_the_extra(monkeypatch):
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs PyAV: pip install 'smart_train\[video\]', or give a list of frames"):
        load_video("clip.mp4", **rules(8))


@pytest.mark.parametrize(
    ("turn", "corner"),
    [(0, (4, 4)), (-90, (43, 4)), (90, (4, 59)), (180, (59, 43))],
    ids=["none", "right", "left", "over"],
)
def test_a_phones_video_is_seen_upright(tmp_path, turn, corner):
    """Phones store what the sensor saw, and how players are to turn it: in a red corner, clockwise is the right."""
    av = pytest.importorskip("av")
    frame = Image.new("RGB", (64, 48), "white")
    frame.paste("red", (0, 0, 8, 8))
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    turn_track(path, turn)
    for image in load_video(path, **rules(2)).frames:
        assert image.size == ((64, 48) if turn in (0, 180) else (48, 64))
        assert np.asarray(image)[corner[1], corner[0]].astype(int) @ (1, -1, -1) > 100


def turn_track(path, degrees):
    """Writes a turn, counter-clockwise, into the track header of an MP4 file; PyAV writes one from version 18 on."""
    cosine, sine = (round(wave(np.radians(degrees))) << 16 for wave in (np.cos, np.sin))
    content = bytearray(path.read_bytes())
    begin = content.index(b"tkhd") + 44  # the box's name, version and flags, five times and ids, two gaps
    content[begin : begin + 36] = struct.pack(">9i", cosine, -sine, 0, sine, cosine, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
