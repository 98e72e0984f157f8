"""Documentation that would otherwise drift: the recipe page names every key, and the README's Python runs."""

import re
from pathlib import Path

import pytest
from PIL import Image
from pydantic import BaseModel

from smart_train import SmartModel
from smart_train.recipe import Recipe
from tests.models.conftest import TINY

ROOT = Path(__file__).parents[1]


def keys(section: type[BaseModel]):
    for name, field in section.model_fields.items():
        kinds = [kind for kind in getattr(field.annotation, "__args__", (field.annotation,)) if isinstance(kind, type)]
        nested = [kind for kind in kinds if issubclass(kind, BaseModel)]
        yield name
        for kind in nested:
            yield from keys(kind)


def test_recipe_page_names_every_key():
    page = (ROOT / "docs" / "recipe.md").read_text()
    missing = sorted({key for key in keys(Recipe) if not re.search(rf"\b{key}\b", page)})
    assert not missing


def test_readme_python_example_runs(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.S)
    SmartModel.from_config(TINY, init_std=0.05).save_pretrained(tmp_path / "runs" / "quickstart" / "export")
    for name in ("page_1.png", "page_2.png"):
        Image.new("RGB", (160, 160), "white").save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "docs" / page).read_text()):
        assert (ROOT / "docs" / target).exists(), target
