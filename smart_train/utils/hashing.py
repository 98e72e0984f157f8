"""Hashes that are the same on every machine."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

_BLOCK = 1 << 20


def stable_hash(content: bytes | mmap.mmap) -> int:
    """The first 64 bits of BLAKE2b as a signed integer: the same on every machine and rank, unlike `hash()`."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
