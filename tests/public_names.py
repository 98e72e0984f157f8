"""What users and their files rely on, one line each. `python -m tests.public_names` prints it, for public_names.txt.

Annotations are left out: a signature's names, order and defaults are what a call depends on.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import typer

import smart_train
from smart_train.cli.app import app
from smart_train.models.smart_config import SmartConfig
from smart_train.recipe import Recipe, parse_recipe
from smart_train.run.folder import RunFolder, Spread
from smart_train.scoring import ScoringConfig

# Functions, and classes with their methods, that README.md and docs/ tell users to call.
SIGNED = {
    "smart_train": ("Embeddings", "ScoringConfig", "SmartModel", "maxsim", "smart_scores"),
    "smart_train.data": (
        "PairCollator",
        "SourceConfig",
        "check_examples",
        "load_documents",
        "load_examples",
        "load_held_out",
    ),
    "smart_train.evaluation": (
        "EvaluationSet",
        "RetrievalEvaluator",
        "TuningGrid",
        "TuningResult",
        "compare",
        "report_table",
        "run_figures",
        "side_by_side",
        "tune",
        "verdict",
    ),
    "smart_train.explain": ("explain", "explanation_picture", "explanation_report", "write_explanation"),
    "smart_train.export": ("export_adapter", "export_model", "plan_push", "push_folder", "verify_folder"),
    "smart_train.losses": ("ContrastiveObjective",),
    "smart_train.models": ("TokenProjection", "get_family"),
    "smart_train.models.peft": ("add_lora",),
    "smart_train.pairs": ("PairSettings", "make_pairs"),
    "smart_train.recipe": ("load_recipe", "parse_recipe"),
    "smart_train.report": ("Paragraph", "Report", "Section", "write_report"),
    "smart_train.retrieval": (
        "DocumentIndex",
        "MiningConfig",
        "encode_folder",
        "mine_negatives",
        "search",
        "search_folder",
        "update_index",
    ),
    "smart_train.run": ("train",),
    "smart_train.scoring": ("PackedDocuments",),
    "smart_train.serving": ("VLLMClient", "read_plaid", "write_plaid", "write_qdrant"),
    "smart_train.training": ("GradientCaching", "SmartTrainer", "TrainingModule"),
    "smart_train.types": ("Example", "ModelInput"),
}
# Exports on disk and on the Hub name the classes of this module in their modules.json.
_EMBEDDER = "smart_train.serving.embedder"


def lines() -> Iterator[str]:
    """Every public name, in a fixed order."""
    packages = [f"smart_train.{found.name}" for found in iter_modules(smart_train.__path__) if found.ispkg]
    for package in ["smart_train", *sorted(packages)]:
        yield from (f"name {package}.{name}" for name in sorted(getattr(import_module(package), "__all__", ())))
    # Read and not imported: it needs an optional library.
    embedder = ast.parse(Path(smart_train.__file__).with_name("serving").joinpath("embedder.py").read_text())
    classes = [node.name for node in embedder.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    yield from (f"name {_EMBEDDER}.{name}" for name in sorted(classes))
    for module, names in sorted(SIGNED.items()):
        for name in names:
            yield from _signatures(f"{module}.{name}", getattr(import_module(module), name))
    yield from (f"command {name}" for name in sorted(typer.main.get_command(app).commands))
    yield from _formats()


def _signatures(name: str, value: Any) -> Iterator[str]:
    """The call itself; of a class also its public methods, properties and fields."""
    yield f"call {name}{_shown(value)}"
    if not inspect.isclass(value):
        return
    if is_dataclass(value):
        yield from (f"field {name}.{field.name}" for field in fields(value) if not field.name.startswith("_"))
    # Whatever class of this package defines it: a user sees no difference.
    members = {
        name: member for base in reversed(value.__mro__) if _is_ours(base) for name, member in vars(base).items()
    }
    for attribute, member in sorted(members.items()):
        if attribute.startswith("_") or _is_a_librarys(value, attribute):
            continue
        if isinstance(member, property):
            yield f"property {name}.{attribute}"
        elif inspect.isfunction(getattr(value, attribute, None)) or isinstance(member, classmethod | staticmethod):
            yield f"call {name}.{attribute}{_shown(getattr(value, attribute))}"


def _is_a_librarys(value: type, attribute: str) -> bool:
    """Whether a class of another library defines it too: PyTorch or the Trainer then call it, not users."""
    return any(hasattr(base, attribute) for base in value.__mro__ if not _is_ours(base))


def _is_ours(value: type) -> bool:
    return value.__module__.startswith("smart_train")


def _shown(value: Any) -> str:
    signature = inspect.signature(value)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    shown = str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return re.sub(r"<function (\w+) at 0x\w+>", r"\1", shown)  # a default that is a function: its name, not its place


def _formats() -> Iterator[str]:
    """The keys of the files by which models and runs are known later."""
    with tempfile.TemporaryDirectory() as folder:
        SmartConfig(scoring=ScoringConfig()).write(Path(folder))
        yield from (f"smart_config.json {key}" for key in _keys(Path(folder, "smart_config.json")))
        RunFolder.open(Path(folder, "run"), _recipe(folder), "rows", Spread(1, 4, "none"), overwrite=False)
        yield from (f"run.json {key}" for key in _keys(Path(folder, "run", "run.json")))


def _keys(path: Path) -> list[str]:
    """Top-level keys and those one level below, but for versions: which libraries are named there is no format."""
    values = json.loads(path.read_text())
    below = [f"{key}.{name}" for key, value in values.items() if isinstance(value, dict) for name in value]
    return sorted([*values, *(key for key in below if not key.startswith("versions."))])


def _recipe(folder: str) -> Recipe:
    values = {"path": "rows"}
    return parse_recipe(
        {
            "model": {"name_or_path": "base"},
            "data": {"train": values, "evaluation": values},
            "training": {"output_dir": folder},
        }
    )


if __name__ == "__main__":
    print("\n".join(lines()))
