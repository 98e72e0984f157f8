"""What a start reads of the pages: each is decoded and hashed once, by the first run over it."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import smart_train.inputs.images
import smart_train.run.stages
from smart_train.recipe import Recipe
from smart_train.run import train
from tests.inputs.counting import counted_reads
from tests.runs import HELD_OUT_ROWS, TRAIN_ROWS, tiny_recipe, write_data

pytestmark = pytest.mark.usefixtures("no_plots")

PAGES = 2 * TRAIN_ROWS + HELD_OUT_ROWS
SHORT: dict[str, Any] = {
    "training": {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no"},
    "evaluation": {"before": False, "after": False},
    "export": {"enabled": False},
}


class Begins(Exception):
    """Training would begin here."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    return counted_reads(monkeypatch)


def old_data(folder: Path) -> Path:
    """Pages that nobody has changed for a minute."""
    folder.mkdir()
    for path in write_data(folder).glob("*.png"):
        changed = path.stat().st_mtime_ns - 60 * 10**9
        os.utime(path, ns=(changed, changed))
    return folder


def test_a_second_start_reads_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Counter[str], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    data = old_data(tmp_path / "data")

    def recipe(name: str) -> Recipe:
        return tiny_recipe(data, tmp_path / name, **SHORT)

    def to_the_start(*_: Any, **__: Any) -> Any:
        raise Begins

    with monkeypatch.context() as cut:
        cut.setattr(smart_train.run.stages, "_base_model", to_the_start)
        for expected in ({"decoded": PAGES, "hashed": PAGES}, {}):
            counted.clear()
            with pytest.raises(Begins):
                train(recipe("cut off"))
            assert counted == expected
    train(recipe("run"))
    counted.clear()
    train(recipe("run"))
    assert "is already finished" in capsys.readouterr().out and counted == {}
    shutil.rmtree(tmp_path / "cache")
    train(recipe("run"))
    assert counted == {"hashed": PAGES}, "a finished run is told from others by its rows' ids, and decodes nothing"
