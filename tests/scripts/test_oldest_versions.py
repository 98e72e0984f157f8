"""`scripts/oldest_versions.py`: every requirement has a lower bound, and the list is made of these bounds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "oldest_versions.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("oldest_versions", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_of_the_package_has_a_lower_bound(script) -> None:
    pinned = script.oldest((script.ROOT / "pyproject.toml").read_text())
    names = {line.split("==")[0] for line in pinned}
    assert {"torch", "transformers", "peft", "pypdfium2"} <= names
    assert all(line.split("==")[1][0].isdigit() for line in pinned)


def test_bounds_of_the_package_and_of_extras(script) -> None:
    text = """
[project]
dependencies = ["one>=1.2", "two[more]>=3.4,<5"]
[project.optional-dependencies]
pages = ["three>=5"]
other = ["four>=6"]
"""
    assert script.oldest(text, ("pages",)) == ["one==1.2", "two[more]==3.4", "three==5"]
    with pytest.raises(ValueError, match="no extra page; it has pages, other"):
        script.oldest(text, ("page",))
    with pytest.raises(ValueError, match="one: has no lower bound"):
        script.oldest(text.replace("one>=1.2", "one"), ())
