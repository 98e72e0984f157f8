"""What a run runs on, for its record and for reports of faults."""

from __future__ import annotations

from importlib.metadata import version

# The libraries that decide what comes out.
_LIBRARIES = ("smart_train", "torch", "transformers", "peft", "accelerate")


def versions() -> dict[str, str]:
    """Installed release of this package and of each library that decides what comes out, by its name on PyPI."""
    return {name: version(name) for name in _LIBRARIES}
