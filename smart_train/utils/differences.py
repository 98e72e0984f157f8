"""Settings that were saved beside unfinished work, against those that are asked for now.

Work is kept for hours or weeks, and the package that takes it up again may have more settings than the one that began
it. A setting that the saved ones lack therefore counts as its default. Comparing two digests instead would refuse
all work that is older than the newest setting, without a difference to show.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from smart_train.errors import shown


def changes(saved: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Key -> `OLD there, NEW here`, of every setting that differs.

    Args:
        saved: what the work began with, as `flat` makes it.
        given: what is asked for now, likewise, with its defaults.
        defaults: what a setting counts as that `saved` lacks; one that is not named here counts as null.

    A saved setting that is neither in `given` nor in `defaults` is one that this version does not know. It is named,
    unless it is null.
    """
    differing = {}
    for key in [*given, *(key for key in saved if key not in given)]:
        if saved.get(key, defaults.get(key)) == given.get(key):
            continue
        there = "not set"
        if key in saved:
            there = shown(saved[key])
        elif defaults.get(key) is not None:
            there = f"{shown(defaults[key])} by default"
        here = "unknown to this version"
        if key in given or key in defaults:
            here = f"{shown(given[key]) if key in given else 'not set'} here"
        differing[key] = f"{there} there, {here}"
    return differing


def lines(differing: Mapping[str, str]) -> list[str]:
    """What `changes` found, a line each."""
    return [f"{key}: {values}" for key, values in differing.items()]


def sections(differing: Mapping[str, str]) -> list[str]:
    """The first parts of the dotted keys that `changes` found, each once."""
    return list(dict.fromkeys(key.partition(".")[0] for key in differing))


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key -> value, mappings and lists of mappings opened."""
    opened: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(place): item for place, item in enumerate(value)}
        if isinstance(value, Mapping) and value:
            opened |= flat(value, f"{above}{name}.")
        else:
            opened[f"{above}{name}"] = value
    return opened


def for_digest(values: Mapping[str, Any], defaults: Mapping[str, Any], first: Collection[str]) -> dict[str, Any]:
    """The part of `values` that goes into a digest, chosen so that later versions compute the same digest: the settings
    of `first`, which the first version had, and those later ones that differ from their default."""
    return {key: value for key, value in values.items() if key in first or value != defaults[key]}
