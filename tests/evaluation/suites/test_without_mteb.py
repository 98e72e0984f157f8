"""mteb is optional: what asks for it names the extra, and all else works."""

from __future__ import annotations

import sys

import pytest

from smart_train.errors import MissingExtra
from smart_train.evaluation.suites import choose
from tests.command import call


def test_without_mteb_the_extra_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtra):
        choose(["vidore-v1"])
    assert call(monkeypatch, "benchmark", "m", "--suite", "vidore-v1", "--output", tmp_path / "out") == 2
    assert "pip install 'smart_train[mteb]' (Python 3.11 or newer)" in capsys.readouterr().err
