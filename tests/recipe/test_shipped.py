"""`smart-train recipes`: what ships is listed and copied, and a built wheel carries it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from smart_train.errors import RecipeError
from smart_train.recipe import load_recipe, shipped
from tests.command import call

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]


def test_every_recipe_is_listed_with_what_it_is_for(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "recipes") == 0
    lines = {words[0]: " ".join(words[1:]) for line in capsys.readouterr().out.splitlines() if (words := line.split())}
    assert {path.stem for path in RECIPES} <= set(lines)
    assert lines["qwen3_vl_embedding_8b_lora"] == "SMART by LoRA on Qwen3-VL-Embedding-8B"
    assert lines["quickstart"].startswith(
        "The whole workflow on a CPU: data, training, held-out evaluation, merged export"
    )


def test_recipes_that_need_files_of_the_checkout_say_so(monkeypatch, capsys) -> None:
    call(monkeypatch, "recipes")
    marked = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.endswith(" [needs a checkout]")}
    assert marked == {"quickstart", "quickstart_mined", "quickstart_paper", "real_pages", "text_minilm"}
    needs = {recipe.name: recipe.needs for recipe in shipped.shipped_recipes()}
    assert needs["text_minilm"] == (
        "data/manpages/build.py",
        "data/manpages/built",
        "data/manpages/built/held_out.jsonl",
        "data/manpages/built/model",
        "data/manpages/built/train.jsonl",
    )
    assert "data/tiny-qwen3-vl" in needs["real_pages"], "the parent's paths count"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_copy_is_the_same_recipe(path: Path, tmp_path: Path) -> None:
    copies = shipped.copy_recipe(path.stem, tmp_path / "new")
    assert copies[0] == tmp_path / "new" / path.name
    assert sorted(copies) == sorted((tmp_path / "new").iterdir())
    assert load_recipe(copies[0]) == load_recipe(path)
    assert all(copy.read_bytes() == (path.parent / copy.name).read_bytes() for copy in copies)


def test_the_command_copies_and_says_what_to_run_next(monkeypatch, capsys, tmp_path: Path) -> None:
    assert call(monkeypatch, "recipes", "qwen3_vl_embedding_8b_qlora.yaml", "--to", tmp_path) == 0
    names = ("qwen3_vl_embedding_8b_qlora", "qwen3_vl_embedding_8b_lora", "qwen3_vl_embedding_2b_lora")
    copies = [str(tmp_path / f"{name}.yaml") for name in names]
    assert capsys.readouterr().out.splitlines() == [*copies, f"Next: smart-train validate {copies[0]}"]


def test_a_file_with_other_content_is_never_overwritten(tmp_path: Path) -> None:
    (parent := tmp_path / "qwen3_vl_embedding_2b_lora.yaml").write_text("mine: true\n")
    with pytest.raises(RecipeError, match="nothing was copied: .*2b_lora.yaml already exists with other content"):
        shipped.copy_recipe("own_pages", tmp_path)
    assert parent.read_text() == "mine: true\n"
    assert list(tmp_path.iterdir()) == [parent], "not half of a recipe"
    parent.unlink()
    parent.mkdir()
    with pytest.raises(RecipeError, match="already exists with other content"):
        shipped.copy_recipe("own_pages", tmp_path)


def test_a_parent_that_an_earlier_copy_left_is_kept(tmp_path: Path) -> None:
    (first,) = shipped.copy_recipe("qwen3_vl_embedding_2b_lora", tmp_path)
    stamp = first.stat().st_mtime_ns
    assert first in shipped.copy_recipe("qwen3_vl_embedding_8b_lora", tmp_path)
    assert first.stat().st_mtime_ns == stamp


def test_mistakes_are_one_line(monkeypatch, capsys, tmp_path: Path) -> None:
    assert call(monkeypatch, "recipes", "8b_qlora") == 2
    message = capsys.readouterr().err
    assert message.startswith(
        "smart-train: no shipped recipe is called '8b_qlora'; the name must be one of own_pages, "
    )
    assert message.endswith("; did you mean qwen3_vl_embedding_8b_qlora?\n")
    (tmp_path / "file").touch()
    assert call(monkeypatch, "recipes", "quickstart", "--to", tmp_path / "file") == 2
    assert "file/quickstart.yaml: cannot be written (File exists)" in capsys.readouterr().err
    monkeypatch.setattr(shipped, "_PLACES", (tmp_path / "absent", tmp_path / "gone"))
    assert call(monkeypatch, "recipes") == 2
    message = capsys.readouterr().err
    assert "this installation of smart_train has no recipes" in message and str(tmp_path / "gone") in message


def test_the_wheel_is_configured_to_carry_them() -> None:
    assert HATCH["wheel"]["force-include"] == {"recipes": "smart_train/shipped_recipes"}
    assert shipped._PLACES[0] == ROOT / "smart_train" / "shipped_recipes"
    assert "/recipes" in HATCH["sdist"]["include"], "a wheel is also built from an sdist"


def test_wheel_and_sdist_carry_the_files_that_the_package_reads(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend is not installed; pip install hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path), "-t"]
    for target in ("wheel", "sdist"):
        done = subprocess.run([*command, target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    package = {f"smart_train/{path.relative_to(ROOT / 'smart_train')}" for path in _sources()}
    recipes = {f"smart_train/shipped_recipes/{path.name}" for path in RECIPES}
    with zipfile.ZipFile(wheel) as built:
        names = set(built.namelist())
        built.extractall(tmp_path / "installed")
    assert package | recipes <= names
    assert {"smart_train/py.typed", "smart_train/pairs/prompts/write_queries.md"} <= names
    assert not [name for name in names if name.endswith(".pyc") or name.startswith(("tests/", "recipes/"))]
    with tarfile.open(sdist) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    assert {f"recipes/{path.name}" for path in RECIPES} | {"pyproject.toml", "launch.sh", "CONTRIBUTING.md"} <= inside
    # What was unpacked finds its own recipes, not those of this checkout.
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    listed = subprocess.run(
        [sys.executable, "-m", "smart_train", "recipes"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path / "installed" / "smart_train" / "shipped_recipes") in listed.stdout
    assert "quickstart_mined" in listed.stdout


def _sources() -> list[Path]:
    """Every file of the package but compiled ones."""
    files = [path for path in (ROOT / "smart_train").rglob("*") if path.is_file()]
    return [path for path in files if "__pycache__" not in path.parts]
