"""Text of others in a model card, escaped: file names, licences, what the card of a base says."""

from __future__ import annotations

import html
import re

_MARKS = re.compile(r"[\\`*\[\]|]")


def plain(text: object) -> str:
    """`text` as one line of Markdown that shows exactly these words: no HTML, no link, no image, no new table cell."""
    return _MARKS.sub(r"\\\g<0>", html.escape(" ".join(str(text).split()), quote=False))


def link(text: str, address: str) -> str:
    """`text` as a link to `address`, or alone where that is not an http(s) address or a path."""
    scheme = re.match(r"[\w+.-]+:", address)
    if (scheme and scheme[0].lower() not in ("http:", "https:")) or re.search(r"[\s<>()\"]", address):
        return plain(text)
    return f"[{plain(text)}]({address})"
