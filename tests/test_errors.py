"""Which known name a mistyped one is taken for, said alike wherever a name is unknown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smart_train.data import columns
from smart_train.errors import DataError, ScoreError, SmartTrainError, closest, did_you_mean, first_line
from smart_train.inputs.model_input import as_model_input
from smart_train.scoring import ScoringConfig


def test_the_name_spelt_most_alike_or_none() -> None:
    assert did_you_mean("imgae", ("text", "image", "images")) == ", did you mean image?"
    assert did_you_mean("imgae", {"image": 1}) == did_you_mean("imgae", iter(["image"])) == ", did you mean image?"
    assert did_you_mean("page", ("query", "instruction")) == did_you_mean("page", ()) == ""
    # four of the six letters of each agree: a likeness of two thirds
    assert closest("abcdxy", ["abcdzz"]) == ["abcdzz"] and closest("abcdxy", ["abcdzz"], likeness=0.75) == []


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: as_model_input({"imgae": "a.png"}), DataError, "'imgae': unknown, did you mean image?; known: text"),
        (lambda: ScoringConfig.from_dict({"layr": 1}), ScoreError, "scoring.layr: unknown key, did you mean layer?"),
        (lambda: ScoringConfig.from_dict({"x": 1}), ScoreError, "scoring.x: unknown key, known keys: pooled_weight, "),
        (lambda: columns.check_column_map("rows", {"qeury": "a"}), DataError, "qeury: unknown, did you mean query?; "),
    ],
)
def test_it_is_said_alike(act: Callable[[], object], kind: type[SmartTrainError], message: str) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert message in str(caught.value)


def test_one_line_of_another_librarys_error() -> None:
    assert first_line(OSError("\n  no such file \nand much more")) == "no such file"
    assert first_line(RuntimeError()) == first_line(RuntimeError(" \n")) == "RuntimeError"
