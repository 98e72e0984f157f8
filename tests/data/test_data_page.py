"""Every example of docs/data.md is read as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from smart_train.data import check_examples, load_examples
from smart_train.recipe import parse_recipe
from smart_train.run.build_rows import source
from tests.pdf_files import make_pdf

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
SECTIONS = {
    section.split("\n", 1)[0]: section for section in re.split(r"^## ", PAGE, flags=re.M)[1:] if "```yaml" in section
}


@pytest.mark.parametrize("title", SECTIONS)
def test_examples_are_read(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pypdfium2")
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    (data / "pages").mkdir(parents=True)
    for number in (1, 2, 3):
        Image.new("RGB", (8, 8), (80 * number, 0, 0)).save(data / "pages" / f"{number}.png")
    make_pdf(data / "manual.pdf", [["Torque"], ["Belt"]], [])
    blocks = re.findall(r"^```(?:jsonl|csv|tsv) (\S+)\n(.*?)^```$", SECTIONS[title], flags=re.M | re.S)
    assert blocks
    for name, content in blocks:
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text(content)
    monkeypatch.chdir(data)
    (recipe,) = re.findall(r"^```yaml\n(.*?)^```$", SECTIONS[title], flags=re.M | re.S)
    for section in parse_recipe({"model": {"name_or_path": "any"}, "data": yaml.safe_load(recipe)}).data.training:
        rows = load_examples(source(section))
        _, report = check_examples(rows, negatives_per_query=section.negatives_per_query or 0)
        assert report.kept == len(rows) > 0 and not report.problems


def test_every_column_is_named() -> None:
    from smart_train.data.columns import KNOWN_NAMES

    for ours, names in KNOWN_NAMES.items():
        assert all(f"`{name}`" in PAGE for name in names), ours
