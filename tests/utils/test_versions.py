"""What a run says that it ran on."""

from __future__ import annotations

from importlib import metadata

import pytest

import smart_train
from smart_train.utils.versions import versions


def test_a_checkout_that_is_not_installed_knows_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "smart_train":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert versions() == {
        "smart_train": smart_train.__version__,
        **{name: real(name) for name in ("torch", "transformers", "peft", "accelerate")},
    }
