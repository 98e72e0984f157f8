"""Documentation that would otherwise drift: keys, commands and links lead somewhere, and the README's Python runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from PIL import Image
from pydantic import BaseModel

from smart_train import SmartModel
from smart_train.cli.app import app
from smart_train.recipe import Recipe
from tests.models.conftest import TINY

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_COMMANDS = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "recipes").rglob("*.yaml"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def keys(section: type[BaseModel]) -> Iterator[str]:
    for key, field in section.model_fields.items():
        kinds = [kind for kind in getattr(field.annotation, "__args__", (field.annotation,)) if isinstance(kind, type)]
        nested = [kind for kind in kinds if issubclass(kind, BaseModel)]
        yield key
        for kind in nested:
            yield from keys(kind)


def links(page: Path) -> list[str]:
    return re.findall(r"\]\((?!http)([^)#]+)", page.read_text())


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Command and options of every `smart-train COMMAND ...` in code: a line of a block, a comment of a recipe, or
    between backticks."""
    whole_lines = re.sub(r"\\\n[ #]*", "", text)
    for call in re.findall(r"(?:^[# ]*|`)smart-train ([a-z][^`\n]*)", whole_lines, flags=re.M):
        words = call.split("#")[0].split()
        yield words[0], [word for word in words[1:] if word.startswith("--")]


def test_recipe_page_names_every_key() -> None:
    page = (ROOT / "docs" / "recipe.md").read_text()
    missing = sorted({key for key in keys(Recipe) if not re.search(rf"\b{key}\b", page)})
    assert not missing


def test_readme_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.S)
    SmartModel.from_config(TINY, init_std=0.05).save_pretrained(tmp_path / "runs" / "quickstart" / "export")
    for page in ("page_1.png", "page_2.png"):
        Image.new("RGB", (160, 160), "white").save(tmp_path / page)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        assert (page.parent / target).exists(), target


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = {(page.parent / target).resolve() for target in links(page) if target.endswith(".md")}
        waiting.extend(targets - reached)
    assert not [name(page) for page in PAGES if page not in reached]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_commands_and_their_options_exist(page: Path) -> None:
    commands = typer.main.get_command(app).commands
    for command, options in calls(page.read_text()):
        assert command in commands, command
        known = {option for parameter in commands[command].params for option in parameter.opts}
        assert set(options) <= known, f"{command} {options}"


def test_the_readme_shows_how_each_stage_is_called() -> None:
    shown = {command for command, _ in calls((ROOT / "README.md").read_text())}
    assert {"make-pairs", "validate", "train", "mine", "export", "verify", "push", "search"} <= shown


def test_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    inside = (ROOT / "smart_train").iterdir()
    rooms = {path.stem for path in inside if not path.name.startswith("_") and (path.is_dir() or path.suffix == ".py")}
    assert not [room for room in sorted(rooms) if not re.search(rf"`{room}/?`", page)]
