"""`smart-train` called in this process."""

from __future__ import annotations

import sys

import pytest

from smart_train.cli import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """`smart-train ARGUMENTS`; its exit status."""
    monkeypatch.setattr(sys, "argv", ["smart-train", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0
