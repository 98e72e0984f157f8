"""How a mistake is worded: dotted key, value, rule, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from smart_train.errors import closest, shown
from smart_train.recipe.renamed import INSTEAD_ELSEWHERE

LONGEST_LIST = 16
_SOURCE = "{{path: {}}}"
# What to write where text stands in the place of a section; and where the section, or its key, is missing.
_SECTION_OF_TEXT = {
    "model": "{{name_or_path: {}}}",
    "data": f"{{{{train: {_SOURCE}}}}}",
    **{f"data.{name}": _SOURCE for name in ("train", "evaluation", "test")},
}
_WHAT_IS_MISSING = {
    "model": "name the model to start from, as model: {name_or_path: FOLDER_OR_HUB_ID}",
    "model.name_or_path": "name a folder or Hub id",
    "data": "name the training rows, as data: {train: {path: FILE_OR_FOLDER}}",
    "data.train": "name the training rows, as train: {path: FILE_OR_FOLDER}",
}


def unknown_key(dotted: str, names: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """The line for a key that does not exist, with the name that was probably meant.

    Args:
        dotted: the whole key as written. names: those valid in its section. elsewhere: dotted names of other sections,
            offered when one ends in exactly this name.
    """
    if dotted in INSTEAD_ELSEWHERE:
        return f"{dotted}: unknown key; {INSTEAD_ELSEWHERE[dotted]}"
    names = sorted(names)
    name = dotted.rpartition(".")[2]
    near = nearest(name, names) or [other for other in elsewhere if other.rpartition(".")[2] == name]
    if near:
        hint = f"did you mean {_either(near)}?"
    elif len(names) <= LONGEST_LIST:
        hint = f"known: {', '.join(names)}"
    else:
        hint = f"it is not one of the {len(names)} known names"
    return f"{dotted}: unknown key, {hint}"


def missing_key(dotted: str) -> str:
    """The line for a key that a recipe needs and lacks."""
    return f"{dotted}: missing; {_WHAT_IS_MISSING.get(dotted, 'it has no default')}"


def section_rule(dotted: str, value: Any) -> str:
    """The rule that a section breaks which is not one."""
    example = _SECTION_OF_TEXT.get(dotted) if isinstance(value, str) and value else None
    shape = "" if example is None else f", as in {dotted.rpartition('.')[2]}: {example.format(value)}"
    return f"must be a section (keys and values){shape}"


def bad_value(dotted: str, value: Any, rule: str) -> str:
    """The line for a value that breaks a rule."""
    return f"{dotted}: {shown(value)}; {rule}"


def one_of(value: Any, choices: Iterable[str]) -> str:
    """The rule of a closed list of names; a long list is cut to what was probably meant."""
    choices = list(choices)
    near = nearest(str(value), choices)
    if near and len(choices) > LONGEST_LIST:
        return f"is not one of the {len(choices)} known names; did you mean {_either(near)}?"
    return f"must be one of {', '.join(choices)}" + (f"; did you mean {_either(near)}?" if near else "")


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that `name` may stand for: a near spelling, or up to three names that it is a part of."""
    names = sorted(names)
    containing = [other for other in names if len(name) > 1 and name in other]
    near = closest(name, names, likeness=0.75) or containing[:3]
    # Far in spelling, it may share a word at least: batch_sampler is not torch_compile.
    words = set(name.lower().split("_"))
    return near or closest(
        name, [other for other in names if len(names) <= LONGEST_LIST or words & set(other.split("_"))]
    )


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
