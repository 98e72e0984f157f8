"""What is printed is shown, not obeyed: rows and file names may hold anything."""

from __future__ import annotations

import sys

import pytest
from rich.table import Table

from smart_train.cli.output import plain_console, print_pairs
from smart_train.errors import DataError, printable
from smart_train.utils.console import bars
from tests.command import call

ROW = "a\x1b]0;owned\x07b\x1b[2J\x9b31m\x7f\u202ec"


def test_control_characters_are_written_out_and_text_stays() -> None:
    assert printable(ROW) == r"a\x1b]0;owned\x07b\x1b[2J\x9b31m\x7f\u202ec"
    assert printable("Ärger über 東京 🙂\tund\nweiter [1]") == "Ärger über 東京 🙂\tund\nweiter [1]"


def test_neither_lines_nor_tables_nor_errors_reach_the_terminal_raw(monkeypatch, capsys) -> None:
    table = Table("id", box=None)
    table.add_row(ROW)
    plain_console().print(ROW)
    plain_console().print(table)
    print_pairs([("model", ROW)])

    def fail(*args: object, **options: object) -> None:
        raise DataError(ROW)

    monkeypatch.setattr("smart_train.recipe.extras.needed_extras", fail)
    assert call(monkeypatch, "extras", "x.yaml") == 2
    shown = capsys.readouterr()
    assert (shown.out + shown.err).count(r"\x1b]0;owned") == 4, "rich itself drops a bell"
    assert not {"\x1b", "\x07", "\x9b", "\x7f", "\u202e"} & set(shown.out + shown.err)


def test_a_quiet_console_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from smart_train.utils.console import PlainConsole

    PlainConsole(quiet=True).print("x")
    assert capsys.readouterr().out == ""


def test_commands_draw_bars_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, wanted in ((True, None), (False, False)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        assert bars() is wanted
