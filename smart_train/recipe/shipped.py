"""The recipes that come with the package: which there are, and copies of them to edit.

In a checkout they are the files of `recipes/`; a wheel carries the same files as `smart_train/shipped_recipes`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from smart_train.errors import RecipeError
from smart_train.recipe.reader import read_recipe, recipe_files
from smart_train.recipe.wording import one_of
from smart_train.utils.atomic import replace_whole

_PACKAGE = Path(__file__).parents[1]
# The first is what pyproject.toml puts into a wheel; the second is there in a checkout, and in an editable install.
_PLACES = (_PACKAGE / "shipped_recipes", _PACKAGE.parent / "recipes")
# Folders that only a checkout has: scripts that make data, and the tiny model.
_CHECKOUT_ONLY = "data/"


@dataclass(frozen=True)
class ShippedRecipe:
    """One recipe that comes with the package.

    Attributes:
        name: the file's name without `.yaml`.
        path: the file.
        summary: the first sentence of its opening comment.
        needs: paths below `data/` that the recipe names, its parents included; a wheel does not carry them.
    """

    name: str
    path: Path
    summary: str
    needs: tuple[str, ...]


def shipped_folder() -> Path:
    """The folder of the shipped recipes. Raises RecipeError where the package was installed without them."""
    for place in _PLACES:
        if place.is_dir():
            return place
    raise RecipeError(
        f"this installation of smart_train has no recipes (looked in {' and '.join(map(str, _PLACES))}); install its "
        "wheel, or work in a checkout"
    )


def shipped_recipes() -> list[ShippedRecipe]:
    """Every shipped recipe, sorted by name. Raises RecipeError where the package was installed without them."""
    return [_describe(path) for path in sorted(shipped_folder().glob("*.yaml"))]


def copy_recipe(name: str, folder: str | Path) -> list[Path]:
    """Copies a shipped recipe and the recipes that it extends into `folder`; returns the copies, the recipe first.

    A copy that is there already with the same content is left as it is. Nothing is written when any file differs.

    Args:
        name: as `shipped_recipes` gives it; `.yaml` at its end is allowed.
        folder: where to; it is created.

    Raises:
        RecipeError: an unknown name, or a file of that name with other content.
        WriteError: the folder cannot be written.
    """
    names = {path.stem: path for path in sorted(shipped_folder().glob("*.yaml"))}
    recipe = names.get(name.removesuffix(".yaml"))
    if recipe is None:
        raise RecipeError(f"no shipped recipe is called {name!r}; the name {one_of(name, names)}")
    copies = {Path(folder, source.name): source for source in recipe_files(recipe)}
    differing = [path for path, source in copies.items() if _holds_something_else(path, source)]
    if differing:
        raise RecipeError(
            f"nothing was copied: {', '.join(map(str, differing))} already exists with other content; choose "
            "another folder with --to, or move the file away"
        )
    for path, source in copies.items():
        if not path.exists():
            replace_whole(path, partial(shutil.copyfile, source))
    return list(copies)


def _holds_something_else(path: Path, source: Path) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != source.read_bytes())


def _describe(path: Path) -> ShippedRecipe:
    needs = sorted({text for text in _texts(read_recipe(path)) if text.startswith(_CHECKOUT_ONLY)})
    return ShippedRecipe(path.stem, path, _first_sentence(path.read_text(encoding="utf-8")), tuple(needs))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a mapping of mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _first_sentence(text: str) -> str:
    """The first sentence of the comment that opens a file."""
    lines = []
    for line in text.splitlines():
        content = line.removeprefix("#").strip()
        if not line.startswith("#") or not content:
            break
        lines.append(content)
    return " ".join(lines).split(". ")[0].rstrip(".")
