"""Errors about a value, by the option that the user wrote, and not by the name that the value has in Python or in a
recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from smart_train.errors import SmartTrainError

_COMMANDS = r"(?:(?:tune|probe|compare|mining): |mining )?"  # with which a message may begin


@contextmanager
def naming_options(*names: str) -> Iterator[None]:
    """Within, an error about one of `names`, such as "stored_as", says --stored-as."""
    try:
        yield
    except SmartTrainError as error:
        error.args = (as_option(str(error), names), *error.args[1:])
        raise


def as_option(message: str, names: Sequence[str]) -> str:
    """`message`, which is about one of `names` where it begins with it. Names of several words are options anywhere: no
    sentence has them."""
    begins = re.match(rf"{_COMMANDS}({'|'.join(names)})(?=[ :])", message)
    if begins is not None:
        message = _option(begins[1]) + message[begins.end() :]
    several = [name for name in names if "_" in name]
    if not several:
        return message
    return re.sub(rf"(?<![\w./-])({'|'.join(several)})\b", lambda named: _option(named[1]), message)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
