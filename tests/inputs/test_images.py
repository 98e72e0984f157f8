"""Images: every way to name an image gives the same upright RGB, and every broken one an error that names it."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import socket
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image, features

from smart_train.errors import DataError
from smart_train.inputs import fetching, images
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.inputs.folder_listing import files_below
from smart_train.utils.hashing import stable_hash


def png(color: tuple[int, ...] = (10, 20, 30), size: tuple[int, int] = (6, 4), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()


class Pictures(BaseHTTPRequestHandler):
    """/ok.png answers, /flaky.png answers the third time, /missing.png is 404, /down.png always 503."""

    calls: dict[str, int] = {}

    def do_GET(self) -> None:
        count = self.calls[self.path] = self.calls.get(self.path, 0) + 1
        ready = self.path == "/ok.png" or (self.path == "/flaky.png" and count == 3)
        self.send_response(200 if ready else 404 if self.path == "/missing.png" else 503)
        self.end_headers()
        if ready:
            self.wfile.write(png())

    def log_message(self, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv(fetching.PRIVATE_ADDRESSES, "1")
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)
    Pictures.calls = {}
    httpd = HTTPServer(("127.0.0.1", 0), Pictures)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_every_kind_of_reference_gives_the_same_image(tmp_path: Path, server: str) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(png())
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    for ref in (path, str(path), png(), uri, Image.open(path), f"{server}/ok.png", f"{server}/flaky.png"):
        image = images.load_image(ref)
        assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (6, 4), (10, 20, 30))
    assert Pictures.calls["/flaky.png"] == 3


@pytest.mark.parametrize(("path", "calls"), [("/missing.png", 1), ("/down.png", 3)])
def test_url_failures_are_retried_only_when_that_can_help(server: str, path: str, calls: int) -> None:
    with pytest.raises(DataError, match=f"{path}: not fetched after {calls} attempt"):
        images.load_image(server + path)
    assert Pictures.calls[path] == calls


def test_bad_references_are_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("not an image")
    cut = tmp_path / "cut.png"
    cut.write_bytes(png(size=(200, 200))[:-60])
    cases = [
        (tmp_path / "absent.png", "absent.png: no such file"),
        (text, "notes.png: not an image file"),
        (cut, "cut.png: cannot be decoded"),
        (b"nothing", "<7 bytes>: not an image file"),
        ("data:image/png;base64,@@@", "base64 does not decode"),
        ("data:image/png,abc", "must read data:image"),
        (12, "reference of type int"),
        (Image.new("F", (2, 2)), "floating-point pixels"),
    ]
    for ref, message in cases:
        with pytest.raises(DataError, match=message):
            images.load_image(ref)


def test_reading_an_image_leaves_the_interpreter_s_warnings_alone(recwarn: pytest.WarningsRecorder) -> None:
    """`warnings.catch_warnings` would make Python forget what it has shown: others' would come back at every step."""

    def warn() -> None:
        warnings.warn("once for this line", UserWarning, stacklevel=1)

    warnings.simplefilter("default")
    for _ in range(3):
        warn()
        images.load_image(Image.new("RGB", (4, 4)))
    assert len(recwarn) == 1


def test_huge_images_are_refused_before_they_are_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def bomb(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

    with pytest.raises(DataError, match="10000 x 10000 = 100000000 pixels; at most 89478485"):
        images.load_image(bomb(10_000))
    with pytest.raises(DataError, match="too many pixels"):
        images.load_image(bomb(60_000))
    with pytest.raises(DataError, match="at most 20 are accepted"):
        images.load_image(png(), max_pixels_limit=20)


def test_transparency_is_flattened_on_white() -> None:
    assert images.load_image(png((200, 0, 0, 0), mode="RGBA")).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((0, 0), 0)
    palette.info["transparency"] = 0
    image = images.load_image(palette)
    assert [image.getpixel((x, 0)) for x in range(2)] == [(255, 255, 255), (0, 0, 255)]


def test_sixteen_bit_grey_keeps_its_range() -> None:
    image = Image.new("I;16", (2, 1))
    image.putpixel((0, 0), 65535 // 2)
    image.putpixel((1, 0), 65535)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    loaded = images.load_image(buffer.getvalue())
    assert abs(loaded.getpixel((0, 0))[0] - 127) <= 1
    assert loaded.getpixel((1, 0)) == (255, 255, 255)


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (8, 4), "white")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn away
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert images.load_image(buffer.getvalue()).size == (4, 8)


def test_image_key_is_stable_signed_and_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    key = images.image_key(path)
    assert key == images.image_key(png()) == images.image_key(str(path))
    assert key != images.image_key(png((0, 0, 0)))
    assert -(2**63) <= key < 2**63
    assert stable_hash(b"abc") == 0xD8BB14D833D59559 - 2**64  # `printf abc | b2sum -l 64`
    pixels = Image.new("RGB", (2, 2), "red")
    assert images.image_key(pixels) == images.image_key(pixels.copy()) != images.image_key(Image.new("RGB", (2, 2)))
    assert images.image_key("https://example.org/a.png") != images.image_key("https://example.org/b.png")


def test_sizes_are_those_of_the_upright_image(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 10)).save(path, exif=exif)
    assert images.image_size(path) == images.load_image(path).size == (10, 30)
    assert images.image_size(png(size=(6, 4))) == images.image_size(Image.new("RGB", (6, 4))) == (6, 4)
    with pytest.raises(DataError, match="absent.png: no such file"):
        images.image_size("absent.png")


def test_a_strip_that_no_vision_tower_reads_is_refused() -> None:
    strip = Image.new("RGB", (804, 4))
    for read in (images.load_image, images.verify_image, images.image_size):
        with pytest.raises(DataError, match="804 x 4 pixels; the longer side may be at most 200 times the shorter"):
            read(strip)
        read(Image.new("RGB", (800, 4)))


def test_an_image_that_comes_twice_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for number, path in enumerate(paths):
        path.write_bytes(png((number, 0, 0)))
    decoded = []
    original = images.load_image
    monkeypatch.setattr(images, "load_image", lambda ref: decoded.append(ref) or original(ref))
    loaded = images.load_images([paths[0], paths[1], str(paths[0]), png((9, 0, 0)), paths[0]])
    assert decoded == [paths[0], paths[1], png((9, 0, 0))]
    assert [image.getpixel((0, 0))[0] for image in loaded] == [0, 1, 0, 9, 0]


def test_the_same_pixels_to_be_turned_otherwise_are_another_picture() -> None:
    image, turned = Image.new("RGB", (8, 4), "red"), Image.new("RGB", (8, 4), "red")
    turned.getexif()[0x0112] = 6
    assert images.load_image(turned).size == (4, 8)
    assert images.image_key(turned) != images.image_key(image) == images.image_key(Image.new("RGB", (8, 4), "red"))


def test_a_picture_reaches_only_the_plugins_for_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args: started.append(args))
    page = tmp_path / "page.png"
    Image.new("RGB", (8, 8), "red").save(page, "EPS")
    for reference in (page, page.read_bytes()):
        with pytest.raises(DataError, match="not an image file that can be decoded .read are PNG, JPEG, WEBP"):
            images.load_image(reference)
    assert not started
    endings = [ending for ending in IMAGE_EXTENSIONS if ending != ".avif" or features.check("avif")]
    assert {Image.registered_extensions().get(ending) for ending in endings} <= set(images.FORMATS)


@pytest.mark.parametrize("read", [images.load_image, images.verify_image, images.image_size, images.image_key])
def test_what_is_not_a_file_is_refused_before_it_is_opened(read, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name, what in (("pipe", "a pipe, a socket or a device"), ("device", "a pipe"), ("folder", "a folder")):
        with pytest.raises(DataError, match=f"{name}.png: is {what}"):
            read(tmp_path / f"{name}.png")


class Traps(BaseHTTPRequestHandler):
    """/drip sends a byte at a time and never ends; /inside redirects to another address, /file to a file."""

    def do_GET(self) -> None:
        if self.path.startswith("/drip"):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not self.server.ended.wait(0.02):
                    self.wfile.write(b"x")
            return
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/meta" if self.path == "/inside" else "file:///etc/passwd")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def traps() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Traps) as httpd:
        httpd.ended = threading.Event()
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{httpd.server_port}"
        httpd.ended.set()
        httpd.shutdown()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")


def test_a_server_that_drips_is_left_after_the_time_for_all_of_it(traps, direct, monkeypatch) -> None:
    monkeypatch.setenv(fetching.PRIVATE_ADDRESSES, "1")
    with pytest.raises(DataError, match="not fetched after 1 attempt .not complete after 0.3 seconds"):
        fetching.fetch(f"http://{traps}/drip.png", total=0.3)


def test_inner_addresses_are_asked_only_by_consent(traps, direct, monkeypatch) -> None:
    monkeypatch.delenv(fetching.PRIVATE_ADDRESSES, raising=False)
    port = traps.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254", "2130706433"):
        with pytest.raises(DataError, match="address of this machine or of a private network.*_PRIVATE_ADDRESSES=1"):
            fetching.fetch(f"http://{host}:{port}/ok.png", attempts=1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for host in ("2130706433", "0x7f000001"):  # numbers that a resolver reads: no word of whether a port is open
        with pytest.raises(DataError, match="is an address of this machine"):
            fetching.fetch(f"http://{host}:{port}/ok.png", attempts=1)


@pytest.mark.parametrize(("path", "why"), [("/inside", "169.254.169.254 is an address"), ("/file", "not http")])
def test_redirects_are_held_to_the_same_rule(path: str, why: str, traps, direct, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "_check_address", _only_metadata_refused(fetching._check_address))
    for fetched in (fetching.fetch, fetched_whole):
        with pytest.raises(DataError, match=f"{why}|not allowed"):
            fetched(f"http://{traps}{path}")


def fetched_whole(url: str) -> None:
    with fetching.fetched_file(url, timeout=20.0, total=20.0):
        pass


def _only_metadata_refused(check):
    return lambda address, host: check(address, host) if address.startswith("169.254") else None


def test_credentials_stay_out_of_messages(monkeypatch) -> None:
    monkeypatch.delenv(fetching.PRIVATE_ADDRESSES, raising=False)
    url = "http://ann:hush@127.0.0.1:9/a.png?page=3&X-Amz-Signature=abc&token=xyz"
    with pytest.raises(DataError) as caught:
        images.load_image(url)
    assert "http://127.0.0.1:9/a.png?page=3&X-Amz-Signature=...&token=..." in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("ann", "hush", "abc", "xyz"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_turned_tiff_is_that_of_what_is_loaded(tmp_path: Path, orientation: int) -> None:
    file = tmp_path / "turned.tif"
    Image.new("RGB", (40, 20)).save(file, tiffinfo={274: orientation})
    assert images.image_size(file) == images.load_image(file).size == ((20, 40) if orientation > 4 else (40, 20))


def test_a_picture_that_pillow_knows_and_cannot_read_is_named(tmp_path: Path) -> None:
    header = struct.pack("<4s7I44x2I4s5I5I", b"DDS ", 124, 0x1007, 8, 8, 0, 0, 0, 32, 4, b"ZZZZ", *[0] * 10)
    (tmp_path / "texture.dds").write_bytes(header + bytes(200))
    with pytest.raises(DataError, match="texture.dds: not an image file that can be decoded"):
        images.load_image(tmp_path / "texture.dds")


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.jp2", "a.avif", "a.pgm", "a.pbm"])
def test_pictures_of_many_types(tmp_path: Path, name: str) -> None:
    kind = {"jfif": "JPEG", "jpe": "JPEG", "jp2": "JPEG2000", "avif": "AVIF"}.get(name[2:], "PPM")
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF, which the oldest release that is supported always is")
    Image.new("1" if name.endswith("pbm") else "L", (30, 20), 1).save(tmp_path / name, kind)
    assert images.load_image(tmp_path / name).size == (30, 20) and files_below(tmp_path, IMAGE_EXTENSIONS)
