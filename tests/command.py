"""`smart-train` called in this process."""

from __future__ import annotations

import sys
from typing import NamedTuple

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


class Ended(NamedTuple):
    """status: of the exit. out, err: what was printed."""

    status: int
    out: str
    err: str


def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """`smart-train ARGUMENTS` on a terminal that is wide enough for whole messages."""
    monkeypatch.setenv("COLUMNS", "200")
    status = call(monkeypatch, *arguments)
    return Ended(status, *capsys.readouterr())
