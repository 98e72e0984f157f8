"""Numbers of things in messages."""

from __future__ import annotations


def counted(number: int, one: str, several: str | None = None) -> str:
    """`1 row`, `1000 rows`.

    Args:
        several: the word for any other number than 1; None: `one` with an s.
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"
