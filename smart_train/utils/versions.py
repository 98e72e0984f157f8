"""What a run runs on, for its record and for reports of faults."""

from __future__ import annotations

from collections.abc import Collection
from importlib import metadata

import smart_train

# The libraries that decide what comes out.
LIBRARIES = ("smart_train", "torch", "transformers", "peft", "accelerate")


def versions(names: Collection[str] = LIBRARIES) -> dict[str, str]:
    """The installed release of each of these packages, by its name on PyPI."""
    return {name: version(name) for name in names}


def version(name: str) -> str:
    """The installed release of a package. This one's is its own word: a checkout on the path is not installed."""
    return smart_train.__version__ if name == "smart_train" else metadata.version(name)
