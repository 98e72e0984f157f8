"""What disks do to files: single bits that flip, zeros where content was, ends that are missing."""

from __future__ import annotations

import os
from pathlib import Path


def flip(path: Path, bit: int) -> None:
    """Turns one bit of a file over, counted from its start (negative: from its end)."""
    content = bytearray(path.read_bytes())
    place = bit % (8 * len(content))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def zero(path: Path) -> None:
    """As a file system leaves a file whose name it wrote before a power cut, and not its content."""
    path.write_bytes(bytes(path.stat().st_size))


def cut(path: Path, size: int = 100) -> None:
    """Takes `size` bytes off a file's end."""
    os.truncate(path, max(0, path.stat().st_size - size))
