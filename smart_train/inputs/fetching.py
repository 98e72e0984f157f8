"""Addresses: which text is one, and the bytes behind it."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request

from smart_train.errors import DataError
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS

URL_SCHEMES = ("http://", "https://")
URL_BYTES_LIMIT = 100 * 2**20


def names_image(text: str) -> bool:
    """Whether the whole of `text` is the address of an image rather than something to read."""
    return text.startswith("data:image/") or _names(text, IMAGE_EXTENSIONS)


def names_video(text: str) -> bool:
    """Whether the whole of `text` is the address of a video file."""
    return _names(text, VIDEO_EXTENSIONS)


def _names(text: str, extensions: tuple[str, ...]) -> bool:
    if text.startswith(URL_SCHEMES):
        path = urllib.parse.urlsplit(text).path
        return not any(character.isspace() for character in text) and path.lower().endswith(extensions)
    return text.lower().endswith(extensions) and os.path.isfile(text)


def describe_address(text: str) -> str:
    """A path, URL or data URI, short enough for a message."""
    return text if len(text) <= 300 and not text.startswith("data:") else text[:60] + "..."


def fetch(url: str, *, timeout: float = 20.0, attempts: int = 3, wait: float = 0.5) -> bytes:
    """The bytes behind an http(s) URL. Timeouts, refused connections, 429 and 5xx are tried again, waiting twice as
    long each time; other answers are final.

    Raises:
        DataError: with the URL, the number of attempts and the last reason.
    """
    tried = 0
    while True:
        tried += 1
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "smart-train"})
            with urllib.request.urlopen(request, timeout=timeout) as response:
                content = response.read(URL_BYTES_LIMIT + 1)
            break
        # URLError, HTTPError and timeouts are OSErrors; a malformed address is a ValueError or an HTTPException.
        except (OSError, ValueError, http.client.HTTPException) as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            final = isinstance(error, ValueError) or (status is not None and status != 429 and status < 500)
            if final or tried >= attempts:
                times = f"{tried} attempt{'s' if tried > 1 else ''}"
                raise DataError(f"image {describe_address(url)}: not fetched after {times} ({error})") from error
        time.sleep(wait * 2 ** (tried - 1))
    if len(content) > URL_BYTES_LIMIT:
        raise DataError(f"image {describe_address(url)}: more than {URL_BYTES_LIMIT} bytes")
    return content
