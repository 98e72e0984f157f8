"""Texts that stand for something else: what Python prints of a list, of an image in memory or of its bytes, which is in
tables that went through pandas; and the mark of an image."""

from __future__ import annotations

import re

_LIST = re.compile(r"""\[\s*(['"]).*\1\s*,?\s*\]""", re.DOTALL)
_KINDS = (
    (re.compile(r"<[\w.]+[^<>\n]*\bat 0x[0-9A-Fa-f]+>"), "an object in memory, which no file holds"),
    (re.compile(r"""\{\s*['"](?:bytes|path)['"]\s*:.*\}""", re.DOTALL), "an image with its bytes or path"),
    (re.compile(r"""\{\s*"choices"\s*:\s*\[.*\]\s*\}""", re.DOTALL), "several choices"),  # of Label Studio
    (re.compile(r"(?:tensor|array)\(\[.*\)", re.DOTALL), "an array"),
    (re.compile(r"\[\[[\[\]\s\d.,eE+-]+\]"), "an array"),
    (_LIST, "a list"),
    (re.compile(r"<img\b[^<>]*>(?:</img>)?", re.IGNORECASE), "an image of a web page"),
    (re.compile(r"<img>[^<>\n]+</img>.*", re.DOTALL), "an image in the marks of a chat"),  # of Qwen-VL
)
_BEGINNINGS = ("<", "{", "[", "tensor(", "array(")


def printed(text: str) -> str | None:
    """What a text is printed of, for a message; None of any other text."""
    bare = text.strip()
    if not bare.startswith(_BEGINNINGS):  # nearly every text
        return None
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(bare)), None)
