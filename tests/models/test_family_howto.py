"""docs/families.md: its toy family works as it stands there, and its table names every family."""

import re
from pathlib import Path

import pytest

from smart_train.models import FAMILIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "families.md").read_text()


@pytest.fixture
def toy(monkeypatch):
    family, _ = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    names = {}
    exec(compile(family, "docs/families.md", "exec"), names)
    monkeypatch.setitem(FAMILIES, "toy", names["Toy"])
    return names


def test_the_toy_family_is_short():
    family, _ = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(family.splitlines()) < 60


def test_the_toy_family_shows_what_it_must(toy, pages, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, checks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    exec(compile(checks, "docs/families.md", "exec"), {**toy, "page": pages[0]})


def test_the_table_names_every_family():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(FAMILIES)


def test_every_cell_of_the_table_of_released_models_has_a_source():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    sources = set(re.findall(r"^(\d+)\. ", page, flags=re.M))
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if re.match(r"\| [\w-]+/", line)]
    assert len(rows) >= 12
    cited = set()
    embedders = [row for row in rows if len(row) == 8]  # teachers, and what is not read, have no family
    assert len({row[0] for row in embedders}) == len(embedders)
    for row in embedders:
        assert re.search(r"`(\w+)`", row.pop(2))[1] in FAMILIES
    for name, *facts in rows:
        for cell in facts:
            numbers = re.findall(r"\d+", " ".join(re.findall(r"\[([\d, ]+)\]", cell)))
            assert numbers or cell.strip() in ("not known", "not seen"), (name, cell)
            cited.update(numbers)
    assert cited <= sources and sources - cited == {"35"}, "cited below the table alone"
