"""Whether this process runs a command of the package, and not a program that the package is a part of: then nobody else
can hold, and write to, what it has loaded. Imports nothing, as the command line begins with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_runs_a_command = False


@contextlib.contextmanager
def running_a_command() -> Iterator[None]:
    """Within, `runs_a_command` is true."""
    global _runs_a_command
    before, _runs_a_command = _runs_a_command, True
    try:
        yield
    finally:
        _runs_a_command = before


def runs_a_command() -> bool:
    return _runs_a_command
