"""Which known name a mistyped one is taken for, said alike wherever a name is unknown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smart_train.data import columns
from smart_train.errors import DataError, ScoreError, SmartTrainError, causes, closest, did_you_mean, first_line
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


def test_lines_that_differ_in_what_varies_are_one_cause() -> None:
    few = [f"a.jsonl, row {n}: empty" for n in range(3)]
    assert causes(few) == few and causes([]) == []
    many = [f"a.jsonl, row {n}: image p/{n}.png: no such file (column 'x{n}')" for n in range(5)]
    other = "a.jsonl, row 9: empty"
    assert causes([many[0], other, *many[1:]]) == [f"{many[0]} (and 4 more like it: rows 1, 2, 3, 4)", other]
    assert causes([f"file {n}: cut" for n in range(5)]) == ["file 0: cut (and 4 more like it)"]
