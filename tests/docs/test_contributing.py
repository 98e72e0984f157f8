"""What CONTRIBUTING.md and the table of docs/architecture.md name is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import smart_train

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
# What paths in prose are relative to.
PLACES = (ROOT, ROOT / "smart_train", ROOT / "docs")


def named_files(text: str) -> set[str]:
    """Everything between backticks that reads as a path: with a slash, or with the ending of a file."""
    quoted = re.findall(r"`([\w./-]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return {item for item in quoted if "/" in item or re.search(r"\.(py|md|toml|txt|sh)$", item)}


def is_there(name: str) -> bool:
    return any((place / name).exists() for place in PLACES)


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_where_things_are_added_names_files_that_exist() -> None:
    rows = section(ARCHITECTURE, "Where things are added")
    named = named_files(rows)
    assert {"data/sources.py", "cli/app.py", "models/families/", "tests/models/test_conformance.py"} <= named
    # The registry is called by its name alone, beside the folder that it lies in.
    assert sorted(name for name in named if not is_there(name)) == ["registry.py"]
    assert (ROOT / "smart_train" / "models" / "families" / "registry.py").is_file()
    assert not is_there("data/sorces.py")


def test_subjects_of_several_packages_name_files_that_exist() -> None:
    named = named_files(section(ARCHITECTURE, "One word in several packages"))
    assert {"training/checkpoint_search.py", "models/token_projection.py"} <= named
    # The name that three packages give to theirs.
    assert sorted(name for name in named if not is_there(name)) == ["page.py"]
    assert all(
        (ROOT / "smart_train" / package / "page.py").is_file() for package in ("evaluation", "explain", "validation")
    )


def test_the_guide_names_files_that_exist() -> None:
    named = named_files(GUIDE)
    assert {"tests/public_names.txt", "scripts/gpu_check.sh", "CHANGELOG.md"} <= named
    assert not [name for name in sorted(named) if not is_there(name) and name != "./launch.sh"]
    assert (ROOT / "launch.sh").is_file()
    assert "docs/architecture.md#where-things-are-added" in GUIDE


def test_scripts_and_test_folders_in_its_commands_exist() -> None:
    commands = "\n".join([*re.findall(r"```bash\n(.*?)```", GUIDE, flags=re.S), *re.findall(r"`([^`\n]+)`", GUIDE)])
    paths = set(re.findall(r"\b(?:tests|scripts)/[\w./]+", commands))
    assert {"tests/scoring", "tests/models", "scripts/sweep_processors.py"} <= paths
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_tests_lie_where_the_guide_says() -> None:
    tests = ROOT / "tests"
    holders = {path.parent.relative_to(tests).parts[0] for path in tests.glob("*/**/test_*.py")}
    mirrored = {path.name for parent in (ROOT, ROOT / "smart_train") for path in parent.iterdir() if path.is_dir()}
    assert holders - mirrored == {"cuda", "hub"} and {"recipe", "run", "cli"} <= holders
    modules = {path.stem for parent in (tests, ROOT / "smart_train") for path in parent.glob("*.py")}
    at_the_top = {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")}
    # Rules for the whole package: which package imports which, and how text files are read.
    assert at_the_top - modules == {"layers", "text_files"}


def test_the_picture_shows_the_layers() -> None:
    picture = GUIDE.split("<!-- begin layers -->\n```\n")[1].split("```\n<!-- end layers -->")[0]
    shown = [set(line[:39].split()) for line in picture.splitlines()]  # what a package is for begins there
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [re.split(r"[|:]", layer.strip(" ()")) for layer in contract["layers"]]
    assert shown == [{name.strip().removeprefix("smart_train.") for name in layer} for layer in layers]


def test_a_release_is_made_where_the_guide_says() -> None:
    release = section(GUIDE, "A release")
    assert "`__version__` in `smart_train/__init__.py`" in release
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    assert hatch["version"] == {"path": "smart_train/__init__.py"}
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", smart_train.__version__)
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()
