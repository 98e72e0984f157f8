"""Files written as text: base64 by itself, and data URIs."""

from __future__ import annotations

import base64
import re

from smart_train.errors import DataError

_SHORTEST = 70  # characters; a shorter text is too short for an image, and may be a word
_NO_WORD = 200  # characters of base64 that no language writes in one word
_HEAD = 48  # characters of base64 that are looked at: 36 bytes, more than any signature below
_ALPHABET = r"-A-Za-z0-9+/_"  # with both letters of the URL-safe alphabet
_STARTS = re.compile(rf"[{_ALPHABET}]{{{_HEAD}}}")
_WHOLE = re.compile(rf"[{_ALPHABET}\s]+={{0,2}}\s*")
_DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<options>(?:;[\w.+-]+(?:=[^;,\s]*)?)*),", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"(?:\\x|0x)?(?:89504e470d0a1a0a|ffd8ff|47494638|25504446)[0-9a-f]{50,}", re.IGNORECASE)
_PRINTED = re.compile(r"""b["'].{0,40}\\x""")
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\x00\x00\x00\x0cjP  ", "image"),
    (b"\x00\x00\x01\x00", "image"),
    (b"\xff\x4f\xff\x51", "image"),
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a zip or office file"),
    (b"\x1aE\xdf\xa3", "a video"),
)
_BOXES = {b"avif": "image", b"avis": "image", b"heic": "image", b"heix": "image", b"mif1": "image", b"msf1": "image"}


def encoded_image(text: str) -> str | None:
    """The data URI of the image that all of `text` is in base64, or as a data URI; None of text that is neither.

    Raises:
        DataError: a file of another kind, or a data URI that cannot be an image. The message begins with the rule; the
            caller names the row.
    """
    uri = _DATA_URI.match(text)
    if uri is None:
        if len(text) <= _SHORTEST:
            return None
        if _HEXADECIMAL.match(text) or _PRINTED.match(text):
            raise DataError(f"{text[:20]!r}... are bytes, written as text; write them in base64, or name a file")
        if not _STARTS.match(text):
            return None
        kind = _kind(text)
        if not (kind or _is_no_word(text)) or not _WHOLE.fullmatch(text):
            return None
        return _checked(kind or "a file of an unknown kind", "base64 of", text)
    mime, payload = (uri["type"] or "").lower(), text[uri.end() :]
    if mime.startswith("image/"):
        return f"data:{text[5:]}"
    if not uri["options"].lower().endswith(";base64"):
        raise DataError(f"the data URI {text[:40]!r} is not an image in base64; write data:image/...;base64,...")
    return _checked(_kind(payload) or f"data of type {mime or 'unknown'}", "a data URI with", payload)


def _is_no_word(text: str) -> bool:
    """Whether a long run of letters is base64 for certain: sequences of proteins or genes are in one case, numbers in
    hexadecimal too."""
    head = text[:_NO_WORD]
    cases = any(map(str.islower, head)) and any(map(str.isupper, head))
    return len(text) > _NO_WORD and cases and any(map(str.isdigit, head))


def _checked(kind: str, form: str, payload: str) -> str:
    if kind != "image":
        raise DataError(f"{form} {kind}; only images are read so: save it as a file beside the rows, and name that")
    payload = "".join(payload.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return f"data:image;base64,{payload}{'=' * (-len(payload) % 4)}"


def _kind(payload: str) -> str | None:
    """What the first bytes of base64 say that it is; None where they say nothing."""
    letters = "".join(payload[: 2 * _HEAD].split())[:_HEAD].rstrip("=")
    try:
        head = base64.b64decode(letters[: len(letters) // 4 * 4].replace("-", "+").replace("_", "/"))
    except ValueError:
        return None
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        return "image" if head[8:12] == b"WEBP" else "a video"
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # two letters alone could be the start of a word
        return "image"
    return _BOXES.get(head[8:12], "a video") if head[4:8] == b"ftyp" else None
