"""What a run runs on, for its record and for reports of faults."""

from __future__ import annotations

from importlib import metadata

import smart_train

# The libraries that decide what comes out, by their names on PyPI.
LIBRARIES = ("smart_train", "torch", "transformers", "peft", "accelerate")


def versions() -> dict[str, str]:
    """The installed release of each of `LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}


def version(name: str) -> str:
    """The installed release of a package. This one's is its own word: a checkout on the path is not installed."""
    return smart_train.__version__ if name == "smart_train" else metadata.version(name)
