"""The Python of docs/python.md and the scripts of examples/ run as they are written."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from smart_train import SmartModel

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

pytestmark = pytest.mark.usefixtures("without_peers")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a checkout to relative paths and takes what a script writes."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(checkout: Path) -> None:
    session: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S):
        exec(compile(block, PAGE.name, "exec"), session)
    assert session["trainer"].state.global_step == 6
    losses = [record["loss"] for record in session["trainer"].state.log_history if "loss" in record]
    assert losses[-1] < losses[0]
    assert session["comparison"].row("hybrid", "ndcg@3").after == session["after"].metrics["hybrid"]["ndcg@3"]
    assert list(session["figures"]) == ["loss", "learning_rate", "metrics", "before_after"]
    assert session["summary"].rows_written == len(session["mined"]) == 8
    assert all(len(set(example.document_ids)) == 2 for example in session["mined"])
    assert len(session["index"]) == 12 and session["hit"].rank == 3


def test_the_page_tells_every_stage() -> None:
    stages = re.findall(r"^## (.*)$", PAGE.read_text(), flags=re.M)
    assert stages == ["Rows", "Load", "Score", "Evaluate", "Train", "Mine hard negatives", "Export", "Search"]


@pytest.mark.slow
def test_the_training_example_does_what_it_promises(checkout: Path) -> None:
    before, after = imported(ROOT / "examples" / "train_from_python.py").main()
    assert after > before + 0.1
    SmartModel.from_pretrained(checkout / "runs" / "from_python" / "export")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_opens_with_command_hardware_and_result(path: Path) -> None:
    opening = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert f"python examples/{path.name}" in opening
    assert "Hardware:" in opening and "Expect:" in opening
