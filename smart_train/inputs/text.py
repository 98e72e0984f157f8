"""Text that can be read by a tokenizer and written to a file."""

from __future__ import annotations

import re

from smart_train.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_characters(text: str, where: str) -> None:
    """Raises DataError for half of a surrogate pair: what is left of an emoji whose escape in JSON was cut in two. No
    tokenizer reads it, and no file can hold it.

    Args:
        where: what the message begins with.
    """
    match = _SURROGATE.search(text)
    if match is not None:
        before = text[max(0, match.start() - 20) : match.start()]
        raise DataError(
            f"{where}: character {match.start()} is {ascii(match[0])}, half of a character that is written in two "
            f"parts (after {ascii(before)}); write the whole character, or remove it"
        )
