"""Names of the backbone's modules as other classes around the same backbone have them.

An adapter trained on the generation class, by today's or by older transformers, names every module otherwise than the
base class does. The names decide, all of them together: a renaming counts only when every name lands on a module.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from torch import nn

from smart_train.models.family import Family

Layout = tuple[tuple[str, str], ...]  # (prefix in the backbone, prefix elsewhere) of every part


def layouts(backbone: nn.Module, family: Family) -> list[Layout]:
    """The backbone's own naming, that inside today's generation class, and that inside an older one."""
    namings: list[Layout] = [(("", ""),), (("", f"{backbone.base_model_prefix}."),)]
    return [*namings, family.checkpoint_layout] if family.checkpoint_layout else namings


def own_names(names: Iterable[str], backbone: nn.Module, family: Family) -> dict[str, str] | None:
    """Each of `names` -> the backbone's name of that module; None where no known naming fits them all."""
    names = list(names)
    modules = {name for name, _ in backbone.named_modules()}
    for layout in layouts(backbone, family):
        in_backbone = {name: renamed(name, layout) for name in names}
        if modules.issuperset(in_backbone.values()):
            return cast(dict[str, str], in_backbone)  # None is not the name of a module
    return None


def renamed(name: str, layout: Layout) -> str | None:
    """`name`, under a layout's foreign prefix, under the backbone's own; None when it is under none of them."""
    for prefix, foreign in layout:
        if name.startswith(foreign):
            return prefix + name.removeprefix(foreign)
    return None
