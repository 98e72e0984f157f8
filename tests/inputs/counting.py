"""How often files are decoded and hashed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import smart_train.inputs.images


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts, from now on, how often a file is opened to be "decoded" and read to be "hashed"."""
    found: Counter[str] = Counter()
    for name, told in (("_open", "decoded"), ("read_encoded", "hashed")):
        original = getattr(smart_train.inputs.images, name)

        def call(*args: Any, original: Any = original, told: str = told) -> Any:
            found[told] += 1
            return original(*args)

        monkeypatch.setattr(smart_train.inputs.images, name, call)
    return found
