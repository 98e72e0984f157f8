"""The script that draws the pages of `data/local-binding`, as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parents[1] / "data" / "local-binding" / "build.py"


def load_builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_binding_build", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
