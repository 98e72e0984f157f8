"""Errors about a value, by the option that the user wrote, and not by the name that the value has in Python or in a
recipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from smart_train.errors import SmartTrainError, option_of

_COMMANDS = r"(?:(?:tune|probe|compare|mining|search): |mining )?"  # with which a message may begin
_VALUE = r"(?=:| is | ['\"\d-]| (?:nan|inf)\b)"  # what follows a name that a message is about
_ADVICE = r"\b(?:[Ll]ower|[Rr]aise|[Ll]eave) "
# What messages about a model tell users of Python and of recipes too, and the option alone.
_OF_READING = (
    (
        "set trust_remote_code (a recipe's model.trust_remote_code: true; --trust-remote-code on the command line)",
        "pass --trust-remote-code",
    ),
    ("base= of SmartModel.from_pretrained, --base on the command line", "--base"),
    ("set model.family (--family on the command line)", "pass --family"),
    ("model.family (--family on the command line)", "--family"),
)


@contextmanager
def rewritten(rewrite: Callable[[str], str]) -> Iterator[None]:
    """Within, the message of an error for users is what `rewrite` makes of it."""
    try:
        yield
    except SmartTrainError as error:
        error.args = (rewrite(str(error)), *error.args[1:])
        raise


def naming_options(*names: str) -> AbstractContextManager[None]:
    """Within, an error about one of `names`, such as "stored_as", says --stored-as."""
    return rewritten(partial(as_option, names=names))


def as_reading_options(message: str) -> str:
    """A message about how a model is read, with options alone in place of what sets the same elsewhere."""
    for said, option in _OF_READING:
        message = message.replace(said, option)
    return re.sub(alone(r"model\.(family)"), lambda key: option_of(key[1]), message)


def begun_with_option(message: str, starts: Mapping[str, str]) -> str:
    """`message`; where it begins with a key of `starts` and a colon, such as "documents pages", with its value instead,
    the option as it was typed."""
    for start, option in starts.items():
        if message.startswith(f"{start}:"):
            return option + message[len(start) :]
    return message


def as_option(message: str, names: Sequence[str]) -> str:
    """`message` with options in place of `names`, wherever it means one of them.

    A name of several words is an option anywhere: no sentence has it. One of a single word may be a word of a sentence:
    it is an option where the message begins with it and tells its value, in brackets of its own, and where the message
    says what to change ("lower negatives or first_rank", "leave candidates out")."""
    listed = "|".join(sorted(names, key=len, reverse=True))
    begins = re.match(rf"{_COMMANDS}({listed}){_VALUE}", message)
    if begins is not None:
        message = option_of(begins[1]) + message[begins.end() :]
    advice = rf"{_ADVICE}(?:{listed})(?:(?:, | or | and )(?:{listed}))*(?= out\b| \(|[,;:]|\.?$|\. )"
    message = re.sub(advice, lambda several: re.sub(rf"\b(?:{listed})\b", _flag, several[0]), message)
    message = re.sub(rf"(?<=\()(?:{listed})(?=\))", _flag, message)
    long = "|".join(name for name in names if "_" in name)
    return as_flags(message, long) if long else message


def as_flags(text: str, keys: str) -> str:
    """`text` with the option in place of each of `keys` (alternatives of a pattern); not where the key is a part of a
    path or of a longer name."""
    return re.sub(alone(f"(?:{keys})"), _flag, text)


def alone(pattern: str) -> str:
    """`pattern` where what it finds is not a part of a path or of a longer name. It may end a sentence."""
    return rf"(?<![\w./-]){pattern}(?![\w/-]|\.\w)"


def _flag(match: re.Match[str]) -> str:
    return option_of(match[0])
