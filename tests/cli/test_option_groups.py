"""Options that a command takes as one mapping are options of their own on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from smart_train.cli.option_groups import OptionGroup, grouped

GROUP = OptionGroup(
    max_rows=Annotated[int | None, typer.Option(min=1, help="How many.")],
    fast=Annotated[bool, typer.Option("--fast", help="Quickly.")],
)


def call(*arguments: str) -> tuple[int, list[Any]]:
    seen: list[Any] = []

    @grouped
    def command(name: str, rows: Mapping[str, Any] = GROUP, size: int = 3) -> None:
        seen.extend([name, dict(rows), size])

    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments)).exit_code, seen


def test_values_reach_the_command_as_a_mapping() -> None:
    assert call("a") == (0, ["a", {"max_rows": None, "fast": False}, 3])
    assert call("a", "--max-rows", "2", "--fast", "--size", "4") == (0, ["a", {"max_rows": 2, "fast": True}, 4])


def test_their_rules_hold() -> None:
    assert call("a", "--max-rows", "0") == (2, [])
    assert call("a", "--rows", "x") == (2, [])
