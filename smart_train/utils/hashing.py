"""Hashes that are the same on every machine."""

from __future__ import annotations

import hashlib
import mmap


def stable_hash(content: bytes | mmap.mmap) -> int:
    """The first 64 bits of BLAKE2b as a signed integer: the same on every machine and rank, unlike `hash()`."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)
