"""Options that several commands share, which each of them takes as one mapping.

typer reads a command's options from its signature. Without a group, each command would list all of them twice: in its
signature, and where it passes them on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, get_args


class OptionGroup(Mapping[str, Any]):
    """Name of a parameter -> its annotation for typer. It is the default value of the one parameter that holds the
    whole group: a command that is called from Python without it works as if no option was given.

    Args:
        options: options without a value are None, flags False.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __getitem__(self, name: str) -> Any:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as typer calls it: a parameter whose default is an `OptionGroup` becomes the options of the group, and
    `command` gets name -> value of all of them."""
    signature = inspect.signature(command, eval_str=True)
    groups = {
        name: item.default for name, item in signature.parameters.items() if isinstance(item.default, OptionGroup)
    }
    parameters: list[inspect.Parameter] = []
    for name, item in signature.parameters.items():
        if name not in groups:
            parameters.append(item)
            continue
        for option, annotation in groups[name].items():
            unset = False if get_args(annotation)[0] is bool else None
            parameters.append(inspect.Parameter(option, item.kind, default=unset, annotation=annotation))

    @wraps(command)
    def call(**options: Any) -> None:
        values = {name: {option: options.pop(option) for option in group} for name, group in groups.items()}
        command(**options, **values)

    vars(call)["__signature__"] = signature.replace(parameters=parameters)
    call.__annotations__ = {item.name: item.annotation for item in parameters}
    return call
