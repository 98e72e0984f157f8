"""The tune.json of a run, read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from smart_train.errors import RunError
from smart_train.evaluation.tuning_result import TUNING_FILE
from smart_train.scoring import ScoringConfig

T = TypeVar("T")


def tuned_scoring(run: Path) -> ScoringConfig | None:
    """What the tune.json in `run` chose; None where there is none.

    Raises:
        RunError: it cannot be read.
    """
    return _tuned(run, lambda values: ScoringConfig.from_dict(values["scoring"]))


def tuned_conclusion(run: Path) -> str | None:
    """The decision and its reason, in sentences; None and errors as `tuned_scoring`."""
    return _tuned(run, lambda values: str(values["conclusion"]))


def _tuned(run: Path, read: Callable[[Any], T]) -> T | None:
    file = run / TUNING_FILE
    if not file.is_file():
        return None
    try:
        return read(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: cannot be read ({error}); delete it, and the settings are tuned again") from error
