"""The parts of a data set that is named by its path alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smart_train.data import ExampleRows, SourceConfig, load_examples, load_held_out
from smart_train.validation.reading import Part, read_rows
from smart_train.validation.report import TRAIN

# Names of JSON lines files in one folder that belong together; the others are compared with the first.
_SPLITS = (TRAIN, "held_out", "validation", "dev", "evaluation", "test")


def read_path(
    path: str,
    *,
    split: str | None = None,
    against: str | None = None,
    workers: int | None = None,
    reading: Mapping[str, Any] | None = None,
) -> list[Part]:
    """Reads a source, and a second one to compare with it.

    Args:
        path: as `SourceConfig.path`. A folder with `train.jsonl` and, say, `held_out.jsonl` gives both parts.
        split: of `path`; None reads all that a folder of JSON lines has.
        against: the held-out part, as a path.
        reading: further keys of `SourceConfig`, for both.

    Raises:
        DataError: a source does not exist or has no usable columns.
    """
    reading = reading or {}
    names = [name for name in _SPLITS if Path(path, f"{name}.jsonl").is_file()]
    if split is None and against is None and len(names) > 1:
        return [
            read_rows(name, _load(name, SourceConfig(Path(path, f"{name}.jsonl"), **reading)), workers=workers)
            for name in names
        ]
    parts = [read_rows(TRAIN, load_examples(SourceConfig(path, split=split, **reading)), workers=workers)]
    if against is not None:
        parts.append(read_rows("held_out", load_held_out(SourceConfig(against, **reading)), workers=workers))
    return parts


def _load(name: str, config: SourceConfig) -> ExampleRows:
    return (load_examples if name == TRAIN else load_held_out)(config)
