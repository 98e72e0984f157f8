"""What a recipe needs installed, asked before anything is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from transformers.trainer_optimizer import _BITSANDBYTES_OPTIMIZERS
from transformers.training_args import OptimizerNames

from smart_train.data.row_files import EXTENSIONS
from smart_train.errors import RecipeError
from smart_train.recipe.extras import TEXT_ROWS, needed_extras, needs_bitsandbytes
from tests.command import call

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
SHIPPED = {
    "own_pages": [],
    "quickstart": [],
    "quickstart_paper": [],
    "quickstart_mined": [],
    "qwen3_vl_2b_instruct_hybrid": [],
    "qwen3_vl_embedding_2b_lora": [],
    "qwen3_vl_embedding_2b_projection": [],
    "qwen3_vl_embedding_8b_lora": [],
    "qwen3_vl_embedding_8b_projection": [],
    "qwen3_vl_embedding_8b_qlora": ["quantization"],
    "real_pages": ["pdf"],
    "smart_lamra_qwen3_vl_2b": [],
    "text_minilm": [],
}
Recipe = Callable[..., list[str]]


@pytest.fixture
def extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The extras of a recipe of these sections, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def ask(*overrides: str, **sections: object) -> list[str]:
        values = {"model": {"name_or_path": "m"}, "data": {"train": {"path": "rows.jsonl"}}, **sections}
        Path("recipe.yaml").write_text(json.dumps(values))
        return needed_extras("recipe.yaml", overrides)

    return ask


def write(path: str, text: str = "") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def test_every_shipped_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert {path.stem: needed_extras(path) for path in sorted(Path("recipes").glob("*.yaml"))} == SHIPPED


def test_every_extra_is_one_of_the_package(extras: Recipe) -> None:
    write("rows.jsonl", '{"query": "q", "positive": "a.pdf#page=1", "negative_0": "b.mp4"}')
    found = extras(distributed={"strategy": "zero1"}, model={"name_or_path": "m", "quantization": "4bit"})
    assert found == ["deepspeed", "pdf", "quantization", "video"]
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(found) <= set(known)


@pytest.mark.parametrize("strategy", ["auto", "none", "ddp", "zero1", "zero2", "zero3", "fsdp2"])
def test_zero_strategies_need_deepspeed(extras: Recipe, strategy: str) -> None:
    assert extras(f"distributed.strategy={strategy}") == (["deepspeed"] if strategy.startswith("zero") else [])


@pytest.mark.parametrize("part", ["train", "evaluation", "test"])
def test_reading_all_pages_by_ocr_needs_ocr(extras: Recipe, part: str) -> None:
    assert extras(f"data.{part}.ocr=all", f"data.{part}.path=rows.jsonl") == ["ocr"]
    assert extras(f"data.{part}.ocr=auto", f"data.{part}.path=rows.jsonl") == [], "auto does without"


def test_what_a_parent_says_counts_unless_it_is_overruled(extras: Recipe) -> None:
    write("parents/base.yaml", "distributed: {strategy: zero3}\nmodel: {quantization: 8bit}\n")
    write("child.yaml", "extends: parents/base.yaml\n")
    assert needed_extras("child.yaml") == ["deepspeed", "quantization"]
    assert needed_extras("child.yaml", ["distributed.strategy=ddp", "model.quantization=null"]) == []


@pytest.mark.parametrize("file", sorted((ROOT / "recipes" / "accelerate").glob("*.yaml")), ids=lambda file: file.stem)
def test_an_accelerate_file_may_ask_for_deepspeed(extras: Recipe, file: Path) -> None:
    asked = extras(distributed={"accelerate_config": str(file)})
    assert asked == (["deepspeed"] if file.stem.startswith("zero") else [])


def test_an_accelerate_file_in_json_or_that_cannot_be_read(extras: Recipe) -> None:
    write("ours.json", json.dumps({"distributed_type": "DEEPSPEED", "num_processes": 2}))
    write("broken.yaml", "distributed_type: [")
    write("list.yaml", "[1]")
    answers = {
        file: extras(f"distributed.accelerate_config={file}") for file in ("ours.json", "broken.yaml", "list.yaml")
    }
    assert answers == {"ours.json": ["deepspeed"], "broken.yaml": [], "list.yaml": []}
    assert extras("distributed.accelerate_config=gone.yaml") == []


def test_optimisers_of_bitsandbytes_are_those_of_the_trainer() -> None:
    assert {name for name in OptimizerNames if needs_bitsandbytes(name.value)} == set(_BITSANDBYTES_OPTIMIZERS)
    assert not needs_bitsandbytes(None)


def test_an_8_bit_optimiser_needs_quantization(extras: Recipe) -> None:
    assert (
        extras(training={"optim": "paged_adamw_8bit"}) == extras(training={"optim": "adamw_8bit"}) == ["quantization"]
    )
    assert extras(training={"optim": "adamw_torch"}) == []


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("rows.jsonl", '{"query": "q", "positive": "manuals/a.PDF#page=12"}', ["pdf"]),
        ("rows.jsonl", '{"query": "q", "positive": "a.pdf?zoom=9&page=2&x=1 "}', ["pdf"]),
        ("rows.jsonl", '{"query": "see a.pdf#page=2 and b.mp4 for more", "positive": "a.png"}', []),
        ("rows.jsonl", '{"query": "q", "positive": "page-1.png", "document_id": "a.pdf#page=1"}', []),
        ("rows.jsonl", '{"query": "q", "positive": {"image": "a.pdf#page=1", "text": "t"}}', ["pdf"]),
        ("rows.jsonl", '{"query": "q", "positive": "a.png"}\n{"query": "q", "positive": "b.webm"}', ["video"]),
        ("rows.jsonl", '{"query": "q", "positive": "https://host/b.mp4?size=1"}', ["video"]),
        ("rows.jsonl", '{"query": "q", "positive": {"video": ["1.png", "2.png"]}}', ["video"]),
        ("rows.csv", "query,positive\nq,a.pdf#page=1\nq,b.mkv", ["pdf", "video"]),
        ("rows.tsv", "query\tpositive\tnegative_0\nq\ta.pdf#page=1\tb.png\n", ["pdf"]),
        ("rows.json", '[{"query": "q",\n  "positive": "a.mov"\n}]', ["video"]),
        ("rows.csv", 'query,positive\nq,"{""video"": [""1.png""]}"\n', ["video"]),
    ],
)
def test_rows_in_text_that_name_pages_of_pdf_files_or_videos(
    extras: Recipe, file: str, text: str, found: list[str]
) -> None:
    write(file, text)
    assert extras(data={"train": {"path": file}}) == found
    write(f"folder/{file}", text)
    several = [{"path": "other.jsonl"}, {"path": "folder"}]
    assert extras(data={"train": several}) == found


@pytest.mark.parametrize("place", ["evaluation.path", "test.path", "evaluation.corpus", "train.documents"])
def test_every_place_of_documents_is_looked_at(extras: Recipe, place: str) -> None:
    write("pages/below/manual.pdf")
    write("pages/.hidden/clip.jsonl", '{"positive": "a.mp4"}')
    section, key = place.split(".")
    data = {"train": {"path": "rows.jsonl"}}
    data[section] = {"path": "rows.jsonl", **data.get(section, {}), key: "pages"}
    assert extras(data=data) == ["pdf"]


def test_every_format_of_text_is_searched() -> None:
    assert set(TEXT_ROWS) == set(EXTENSIONS) - {".parquet", ".arrow", ".feather", ".tar"}


def test_a_script_says_what_it_needs_itself(extras: Recipe) -> None:
    data = {"train": {"path": "made/rows.jsonl"}, "prepare": {"script": "make.py", "output": "made"}}
    assert extras(data=data) == []
    block = "#!/usr/bin/env python\n# /// script\n# dependencies = [{}]\n# ///\nimport this\n"
    write("make.py", block.format('"requests", "smart_train[pdf, video]>=0.1"'))
    assert extras(data=data) == ["pdf", "video"]
    write("make.py", block.format('"smart_train"') + "# smart_train[pdf]\n")
    assert extras(data=data) == []


@pytest.mark.parametrize(
    "section",
    [
        {"model": 3},
        {"data": {"train": 5}},
        {"data": []},
        {"training": []},
        {"distributed": "zero2"},
        {"training": None},
    ],
    ids=str,
)
def test_mistakes_in_sections_are_left_to_the_command_that_runs_the_recipe(extras: Recipe, section: dict) -> None:
    assert extras(**section) == []


def test_a_recipe_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecipeError, match="no such recipe file"):
        needed_extras(tmp_path / "gone.yaml")
    assert call(monkeypatch, "extras", tmp_path / "gone.yaml") == 2
    assert capsys.readouterr().err == f"smart-train: {tmp_path / 'gone.yaml'}: no such recipe file\n"


def test_the_command_prints_what_pip_takes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = ROOT / "recipes" / "qwen3_vl_embedding_8b_qlora.yaml"
    assert call(monkeypatch, "extras", recipe, "distributed.strategy=zero2") == 0
    assert capsys.readouterr().out == "deepspeed,quantization\n"
    assert call(monkeypatch, "extras", recipe, "model.quantization=null", "training.optim=null") == 0
    assert capsys.readouterr().out == "\n"


def installed_with(*names: str) -> set[str]:
    """The modules of these distributions and of all that they require."""
    found, waiting = set(), list(names)
    while waiting:
        name = re.split(r"[^\w.-]", waiting.pop())[0].lower().replace("_", "-")
        if name not in found:
            found.add(name)
            with contextlib.suppress(metadata.PackageNotFoundError):  # one for another Python or another system
                waiting += [need for need in metadata.requires(name) or () if "extra ==" not in need]
    homes = metadata.packages_distributions().items()
    return {module for module, owners in homes if found & {owner.lower().replace("_", "-") for owner in owners}}


def test_only_what_launch_sh_has_installed_by_then_is_imported() -> None:
    install = re.search(r"pip_install (typer .*) >&2", (ROOT / "launch.sh").read_text())[1]
    missing = metadata.packages_distributions().keys() - installed_with(*install.split()) - {"smart_train"}
    assert {"torch", "transformers", "numpy", "PIL"} <= missing and "yaml" not in missing
    check = f"""
import atexit, sys

class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Bare())
atexit.register(lambda: print("torch" in sys.modules, "transformers" in sys.modules))
from smart_train.cli import main

sys.argv = ["smart-train", "extras", {str(ROOT / "recipes" / "real_pages.yaml")!r}]
main()
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["pdf", "False False"], done.stderr
