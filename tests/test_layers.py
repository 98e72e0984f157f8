"""Which package imports which. The rule itself is in pyproject.toml."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def test_imports_go_down_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_has_a_layer_and_there_are_ten() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    named = {part.strip(" ()") for layer in contract["layers"] for part in layer.replace(":", "|").split("|")}
    packages = {
        f"smart_train.{path.stem}"
        for path in (ROOT / "smart_train").iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or path.is_dir())
    }
    assert named == packages
    assert len(contract["layers"]) <= 10


def test_importing_the_package_or_its_command_line_loads_no_torch() -> None:
    check = (
        "import sys, smart_train, smart_train.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env={**os.environ, "PYTHONPATH": ""}, check=False)
    assert done.returncode == 0


def test_peft_is_imported_where_an_adapter_is_met() -> None:
    """It takes four seconds, most of them for bitsandbytes: `encode` and `search` of other models do without it."""
    own = ROOT / "smart_train" / "models" / "peft.py"
    heavy = {"peft", "smart_train.models.peft", "bitsandbytes"}
    found = []
    for package in ("scoring", "inputs", "models", "data", "retrieval", "evaluation", "cli"):
        for path in (ROOT / "smart_train" / package).rglob("*.py"):
            imports = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if path != own]
            for node in imports:  # of the module itself; those inside functions wait until they are called
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found += [f"{path.name}: {name}" for name in names if name in heavy or name.startswith("peft.")]
    assert not found


def test_public_names_are_importable() -> None:
    import smart_train

    for name in smart_train.__all__:
        assert getattr(smart_train, name) is not None
    assert set(smart_train.__all__) <= set(dir(smart_train))
    assert not hasattr(smart_train, "nothing_of_this_name")
