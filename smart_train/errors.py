"""Errors that a user can fix. Anything else that surfaces is our bug.

Every message names the thing, its value and the rule it breaks, so that the traceback above it is never needed.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

_LONGEST_VALUE = 60
_ALIKE = 3  # lines of one cause that are told one by one
_VARYING = re.compile(r"""'[^']*'|"[^"]*"|<[^>]*>|\S*[/\\.]\S*\w|\d+""")
_ROW = re.compile(r"\brow (\d+)")
# What a terminal obeys instead of showing it: control characters but for tab and line feed, and the marks that turn the
# direction of what follows.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class SmartTrainError(ValueError):
    """Base of every user-facing error; the command line prints its message alone, without a traceback.

    Attributes:
        from_main: raised by another rank too, mostly the main one, which tells it; this one need not tell it again.
        told_by: that rank.
    """

    from_main = False
    told_by = 0


class RecipeError(SmartTrainError):
    """A recipe does not describe a run that can be made. Lists every mistake found, one per line."""


class DataError(SmartTrainError):
    """A data file or row cannot be used. Carries the file, the row and the rule in its message."""


class Notice(UserWarning):
    """What a user should know of work that goes on, such as how long it will take. The command line prints its message
    alone."""


class LeftOut(UserWarning):
    """Pages or files that are not read, and why. The command line prints its message alone."""


class MissingExtra(DataError):
    """Data that can be read only with an optional library that is not installed. No row is at fault, none is skipped
    for it; the message says what to install."""


class Unreachable(DataError):
    """Data on the Hub, which cannot be reached now. It may be in order all the same."""


class ModelError(SmartTrainError):
    """A model folder, adapter or input does not fit what was asked of it."""


class NonFiniteError(ModelError):
    """A model gives NaN or infinite vectors."""


class ScoreError(SmartTrainError):
    """Embeddings that cannot be scored against each other (widths, dtypes, masks, NaN)."""


class ExportError(SmartTrainError):
    """An export that would not score like the model it came from, or a folder that cannot be exported."""


class RunError(SmartTrainError):
    """A run folder that cannot be started, resumed or read."""


class DivergedError(RunError):
    """Training has lost its numbers, or its gradient. It is a matter of this run: another seed may come to its end.

    Attributes:
        everywhere: every rank raises it, at the same place.
    """

    everywhere = True


class WriteError(SmartTrainError):
    """A file or folder cannot be written: the disk is full or failing, or the place is read-only. What was there before
    is untouched."""


class BusyError(SmartTrainError):
    """Another process writes where this one was to write. Names it, and since when."""


class EndpointError(SmartTrainError):
    """A service that was asked over the network refused, failed, or answered what cannot be used."""


class Interrupted(RunError):
    """A run was asked to stop from outside and did, with everything saved: the same command goes on from there.

    Attributes:
        status: what a shell reports of a process that the signal ended: 143 for SIGTERM, 130 for SIGINT.
    """

    def __init__(self, message: str, *, status: int = 143) -> None:
        super().__init__(message)
        self.status = status


def listing(problems: Sequence[str], shown: int = 20) -> str:
    """The first `shown` problems, one an indented line, and how many more there are."""
    more = [f"  ... and {len(problems) - shown} more"] if len(problems) > shown else []
    return "\n".join([*(f"  {problem}" for problem in problems[:shown]), *more])


def shown(value: Any) -> str:
    """A value as the user wrote it, shortened."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)  # true, not True
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def causes(problems: Sequence[str]) -> list[str]:
    """`problems` with one line for those that differ only in rows, numbers, paths and quoted values: the first of them,
    how many more there are, and the rows of the first ten. Up to three of a kind stay as they are."""
    alike: dict[str, list[str]] = {}
    for problem in problems:
        alike.setdefault(_VARYING.sub("~", problem), []).append(problem)
    shown = []
    for lines in alike.values():
        if len(lines) <= _ALIKE:
            shown += lines
            continue
        rows = [match[1] for line in lines[1:11] if (match := _ROW.search(line))]
        where = f": rows {', '.join(rows)}{', ...' if len(lines) > 11 else ''}" if rows else ""
        shown.append(f"{lines[0]} (and {len(lines) - 1} more like it{where})")
    return shown


def option_of(key: str) -> str:
    """The option of the command line that sets `key` of a recipe, or a value of that name: `--max-samples`."""
    return f"--{key.replace('_', '-')}"


def printable(text: str) -> str:
    """`text` with every character that a terminal would obey written out, as `\\x1b`."""
    return _OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """The first line of what another library's error says that is not blank; its class where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def closest(name: str, known: Iterable[str], likeness: float = 0.6) -> list[str]:
    """The known name spelt most like `name`, as a list of one; of none where no name is that much alike (0 to 1)."""
    return difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean X?` for the known name spelt most like `name`; empty where none is like it."""
    return "".join(f", did you mean {near}?" for near in closest(name, known))
